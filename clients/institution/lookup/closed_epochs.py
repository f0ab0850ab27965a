"""What this institution found when epochs closed: evaluations and log that differ, and auditors' verdicts for it alone.

    for epoch in closed_epochs(LookupFolders(home)): epoch.findings, epoch.verdicts

Read from the files that closing leaves: HOME/lookup/findings-COUNTER.json and verdicts-COUNTER.json. Both name
institutions, logged leaves and hashes, never a person. Where tickets were answered and no such file was left, that is
the finding: a relay that never closes an epoch, or hides it from whoever closes it, must not look honest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.institution.lookup.epoch_record import RELAY
from clients.institution.lookup.folders import LookupFolders
from federation.errors import ConfigurationError
from protocols.lookup.cadence import PastEpoch
from protocols.lookup.reconcile import Kind


@dataclass(frozen=True)
class ClosedEpoch:
    """One epoch by its counter. `findings`: kind, party, leaf, detail; `verdicts`: as the auditor signed them."""

    counter: int
    findings: tuple[dict[str, str], ...]
    verdicts: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {"epoch": self.counter, "findings": list(self.findings), "verdicts": list(self.verdicts)}


def closed_epochs(folders: LookupFolders) -> list[ClosedEpoch]:
    """Every epoch that was reconciled here, or should have been, in order.

    Raises ConfigurationError for a file that cannot be read.
    """
    folder = folders.path
    settled = {int(file.stem.rpartition("-")[2]) for file in folder.glob("findings-[0-9]*.json")}
    findings: dict[int, tuple[dict[str, Any], ...]] = {
        past.counter: (_unsettled(past),) for past in folders.past() if past.erased and past.tickets
    }
    findings |= {counter: _read(folder, "findings", counter) for counter in settled}
    return [
        ClosedEpoch(counter, found, _read(folder, "verdicts", counter)) for counter, found in sorted(findings.items())
    ]


def _unsettled(past: PastEpoch) -> dict[str, str]:
    """The finding of an epoch that was erased, and never held against the log."""
    tickets = f"{past.tickets} ticket{'s' if past.tickets > 1 else ''}"
    detail = f"{tickets} answered here, and the epoch was not settled: nothing was held against the log"
    return {"kind": str(Kind.NOT_CHECKED), "party": RELAY, "leaf": "", "detail": detail}


def _read(folder: Path, kind: str, counter: int) -> tuple[dict[str, Any], ...]:
    file = folder / f"{kind}-{counter:06d}.json"
    if not file.exists():
        return ()
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(file), got=type(error).__name__, expected="what closing an epoch left") from error
    if not isinstance(kept, list) or not all(isinstance(one, dict) for one in kept):
        raise ConfigurationError(str(file), got=type(kept).__name__, expected="a list of objects")
    return tuple(kept)
