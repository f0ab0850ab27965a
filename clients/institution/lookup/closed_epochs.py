"""What this institution found when epochs closed: evaluations and log that differ, and auditors' verdicts for it alone.

    for epoch in closed_epochs(LookupFolders(home).path): epoch.findings, epoch.verdicts

Read from the files that closing leaves: HOME/lookup/findings-COUNTER.json and verdicts-COUNTER.json. Both name
institutions, logged leaves and hashes, never a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.errors import ConfigurationError


@dataclass(frozen=True)
class ClosedEpoch:
    """One epoch by its counter. `findings`: kind, party, leaf, detail; `verdicts`: as the auditor signed them."""

    counter: int
    findings: tuple[dict[str, str], ...]
    verdicts: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {"epoch": self.counter, "findings": list(self.findings), "verdicts": list(self.verdicts)}


def closed_epochs(folder: Path) -> list[ClosedEpoch]:
    """Every epoch that was reconciled here, in order. Raises ConfigurationError for a file that cannot be read."""
    counters = sorted(int(file.stem.rpartition("-")[2]) for file in folder.glob("findings-[0-9]*.json"))
    return [
        ClosedEpoch(counter, _read(folder, "findings", counter), _read(folder, "verdicts", counter))
        for counter in counters
    ]


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
