"""What a home keeps of the log outside of the ledger's database: HOME/oversight.

kept.db          promises, inclusion proofs and the checkpoints they are for: this institution's receipts
included.json    the last entry of the ledger that a cosigned checkpoint includes; a restored ledger is held against it
regulators.json  the witness keys of all regulators that the log ever named, and those they were handed over to
witness.note     the last checkpoint this witness has checked; written before it cosigns
findings.jsonl   what the log did not keep, one line each; of one code no more than MAX_OF_ONE, and then says so
alarm.json       why this witness cosigns no more; a person who has found out removes it
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.errors import ConfigurationError, LedgerError
from federation.ledger import Head
from federation.runtime.logging import get_logger
from federation.runtime.private_files import private_directory, write_public
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey

MAX_OF_ONE = 1000  # findings of one code: a log that makes up new ones fills no disk, and hides none of another code
FULL = "findings_full"
_OWN = frozenset({"at", "code"})
_log = get_logger("oversight")


@dataclass(frozen=True)
class OversightFolder:
    """HOME/oversight of the home at `home`; made when first used."""

    home: Path

    @property
    def path(self) -> Path:
        return private_directory(self.home / "oversight")

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.path / 'kept.db'}"

    @property
    def alarm(self) -> Path:
        return self.path / "alarm.json"

    def included(self) -> Head | None:
        """The ledger's last entry that is known to be logged. Raises ConfigurationError for a file of another form."""
        file = self.path / "included.json"
        if not file.exists():
            return None
        try:
            value = json.loads(file.read_bytes())
            return Head(value["sequence"], value["hash"])
        except (ValueError, TypeError, KeyError, LedgerError) as error:
            raise ConfigurationError(str(file), got="an unreadable file", expected="sequence and hash") from error

    def include(self, head: Head) -> None:
        """Remember `head`, unless a later entry is remembered; on disk when it returns."""
        known = self.included()
        if known is None or head.sequence > known.sequence:
            self.keep("included.json", json.dumps({"hash": head.hash, "sequence": head.sequence}).encode())

    def overseers(self) -> tuple[str, ...]:
        """Witness keys (hex) of regulators, in the order the log said them. Raises ConfigurationError."""
        data = self.read("regulators.json")
        try:
            keys = [] if data is None else json.loads(data)
            return tuple(VerifyingKey.from_hex(key).hex for key in keys)
        except (ValueError, TypeError, SignatureError) as error:
            file = str(self.path / "regulators.json")
            raise ConfigurationError(file, got="another form", expected="a list of keys") from error

    def oversee(self, keys: tuple[str, ...]) -> None:
        """Remember the regulators; they are never fewer."""
        if keys != self.overseers():
            self.keep("regulators.json", json.dumps(keys).encode())

    def read(self, name: str) -> bytes | None:
        file = self.path / name
        return file.read_bytes() if file.exists() else None

    def keep(self, name: str, data: bytes) -> None:
        """Replace a file in one step; it and its name are on disk when this returns."""
        write_public(self.path / name, data, mode=0o600)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def find(self, code: str, **facts: Any) -> None:
        """Write a finding, once: the same again is not written again. `facts` in JSON's types.

        Behind the last that is kept of a code stands one FULL, which names it. Raises ValueError for a fact that is
        named as what every line has.
        """
        if _OWN & facts.keys():
            raise ValueError(f"a fact named {' or '.join(sorted(_OWN & facts.keys()))}")
        line, findings = {"code": code, **facts}, self.findings()
        if any(_without_time(known) == line for known in findings):
            return
        if code != FULL and sum(known["code"] == code for known in findings) >= MAX_OF_ONE:
            self.find(FULL, of=code, kept=MAX_OF_ONE)
            return
        _log.error("the log is not as it should be", code=code)
        with (self.path / "findings.jsonl").open("a", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **line}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def findings(self) -> list[dict[str, Any]]:
        """All findings so far, oldest first; a torn line is passed over."""
        found = []
        for line in (self.read("findings.jsonl") or b"").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def _without_time(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if name != "at"}
