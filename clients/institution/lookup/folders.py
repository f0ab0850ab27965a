"""Where the private score query keeps what it must not lose, and what it must forget.

HOME/keys/pseudonym-CONTEXT.key    this institution's share k_j of one joint key, with what it committed to
HOME/lookup/approved-roster.json    whom a person here agreed to take part with (roster_approval)
HOME/lookup/rosters/ID/            under one joint key: roster.json, seed.key (of blinding), pseudonyms/
HOME/lookup/epochs/COUNTER/        of one epoch; erased when it closes:
    secrets.key  query.key         pad and mask keys; the querier's engine key
    snapshot.parquet               the records as they are in this epoch, whatever happens to the data file
    layout.bin  hint.bin  rows.npz what is large, public among members, and checked by its digest when it is read
    answers.bin                    answers kept for an auditor
HOME/lookup/findings-COUNTER.json  what differed between evaluations and the log when an epoch closed
HOME/lookup/past.json              the epochs that were signed: number, id, times, tickets answered, whether erased
HOME/lookup.db                     tickets granted (guard_store)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.lookup.pseudonym_store import PseudonymStore
from clients.institution.lookup.roster_approval import RosterApproval
from federation.errors import ConfigurationError
from federation.runtime.private_files import (
    erase_private,
    keep_private,
    private_directory,
    read_private,
    remove_folder,
    sync_folder,
    write_public,
)
from protocols.lookup.cadence import PastEpoch

PAST = "past.json"


@dataclass
class RosterFolder:
    """What belongs to one joint pseudonym key."""

    path: Path

    @property
    def roster(self) -> bytes | None:
        """The accepted Roster document, or None."""
        return _read(self.path / "roster.json")

    def accept(self, roster: bytes, context: bytes) -> None:
        """Keep a roster that was checked, and the context of the ceremony that made its key."""
        write_public(self.path / "context", context.hex().encode(), mode=0o600)
        write_public(self.path / "roster.json", roster, mode=0o600)

    @property
    def context(self) -> bytes:
        return bytes.fromhex((_read(self.path / "context") or b"").decode())

    def seed(self, make: Callable[[int], bytes]) -> bytes:
        """32 secret bytes from which the blinding of a batch is derived, so that a batch can be sent again."""
        return read_private(keep_private(self.path / "seed.key", lambda: make(32)))

    @property
    def charged(self) -> int:
        """Points the relay says it charged to this member under this roster."""
        return int(_read(self.path / "charged") or 0)

    @charged.setter
    def charged(self, points: int) -> None:
        write_public(self.path / "charged", str(points).encode(), mode=0o600)

    @property
    def pseudonyms(self) -> PseudonymStore:
        return PseudonymStore(self.path / "pseudonyms")


@dataclass(frozen=True)
class EpochFolder:
    """What belongs to one epoch."""

    path: Path

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The private file `name`, made once."""
        return read_private(keep_private(self.path / name, make))

    def secret_if_there(self, name: str) -> bytes | None:
        """The private file `name`, or None: it was never made, or is erased."""
        return read_private(self.path / name) if (self.path / name).exists() else None

    def keep(self, name: str, data: bytes) -> None:
        """Write `name` in one step, readable by its owner alone."""
        write_public(self.path / name, data, mode=0o600)

    def replace_secret(self, name: str, data: bytes) -> None:
        """Write the private file `name` anew; what it held before is overwritten, also after a crash on the way."""
        old = self.path / f".{name}.old"
        if old.exists() and not old.samefile(self.path / name):
            erase_private(old)
        if not old.exists():
            os.link(self.path / name, old)
        self.keep(name, data)
        erase_private(old)

    def read(self, name: str) -> bytes | None:
        return _read(self.path / name)

    def file(self, name: str) -> Path:
        return self.path / name

    def erase(self) -> None:
        """Overwrite and remove the secrets and what a killed process left of them, then the whole folder.

        Raises ConfigurationError if anything is left: what was not erased is not said to be.
        """
        if not self.path.parent.exists():
            return
        try:
            for file in sorted(self.path.glob("*")) if self.path.exists() else ():
                if ".key" in file.name:
                    erase_private(file)
            remove_folder(self.path)
        except OSError as error:
            raise ConfigurationError(str(self.path), got=error.strerror, expected="a folder that is erased") from error


@dataclass(frozen=True)
class LookupFolders:
    """The folders of the private score query under one home."""

    home: InstitutionHome

    @property
    def path(self) -> Path:
        return private_directory(self.home.path / "lookup")

    @property
    def exists(self) -> bool:
        """Whether this institution has ever taken part."""
        return (self.home.path / "lookup").is_dir()

    @property
    def approval(self) -> RosterApproval:
        return RosterApproval(self.path, self.home.settings.lookup.identifiers)

    def ceremony(self, context: bytes, make: Callable[[], bytes]) -> bytes:
        """The private file of one key ceremony, made once."""
        return read_private(keep_private(self._share(context), make))

    def ceremony_if_there(self, context: bytes) -> bytes | None:
        file = self._share(context)
        return read_private(file) if file.exists() else None

    def _share(self, context: bytes) -> Path:
        return self.home.keys / f"pseudonym-{context.hex()[:32]}.key"

    def roster(self, roster_id: bytes) -> RosterFolder:
        private_directory(self.path / "rosters")
        return RosterFolder(private_directory(self.path / "rosters" / roster_id.hex()[:32]))

    def epoch(self, counter: int) -> EpochFolder:
        private_directory(self.path / "epochs")
        return EpochFolder(private_directory(self.path / "epochs" / f"{counter:06d}"))

    def epoch_if_there(self, counter: int) -> EpochFolder:
        """The folder of an epoch as it is: not made if it is not there."""
        return EpochFolder(self.path / "epochs" / f"{counter:06d}")

    def epochs(self) -> tuple[int, ...]:
        """Counters of the epochs that are not erased."""
        return tuple(sorted(int(folder.name) for folder in (self.path / "epochs").glob("[0-9]*")))

    def past(self) -> tuple[PastEpoch, ...]:
        """The epochs this institution has signed, oldest first."""
        return tuple(
            PastEpoch(**entry | {"epoch_id": bytes.fromhex(entry["epoch_id"])})
            for entry in json.loads(_read(self.path / PAST) or b"[]")
        )

    def remember(self, epoch: PastEpoch) -> None:
        """Keep what is to be known of an epoch for ever; before it is signed, and again once it is erased."""
        known = {entry.counter: entry for entry in self.past()} | {epoch.counter: epoch}
        entries = [asdict(entry) | {"epoch_id": entry.epoch_id.hex()} for _, entry in sorted(known.items())]
        write_public(self.path / PAST, json.dumps(entries, indent=2).encode(), mode=0o600)
        sync_folder(self.path)  # a power cut must not forget what was signed, or that tickets were answered


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a readable file") from error
