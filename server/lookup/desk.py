"""The operator's hands on the epochs of private score queries: what `fedscore coordinator epoch` works with.

with desk(home) as at:
    at.view(at.record.current())
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from server.home import CoordinatorHome
from server.log import LogStore
from server.lookup.epochs import POOL, RELAY, Phase
from server.lookup.folders import LookupFolders
from server.lookup.progress import Trouble, progress_of
from server.lookup.proposals import Candidate, Terms, earliest
from server.lookup.record_store import EpochRecord, RecordStore, Said
from server.lookup.relay import LOG_KIND, context_of, log_body
from server.lookup.settling import read_findings
from server.membership_store import MembershipStore

CUSTOMERS_PER_RECORD = 2  # a member that has more customers attests their number
_DONE = (Phase.OPEN, Phase.CLOSED)


@dataclass(frozen=True)
class Desk:
    """The operator's hands: the home, its record of epochs and its log."""

    home: CoordinatorHome
    record: RecordStore
    log: LogStore
    folders: LookupFolders

    def log_step(self, counter: int, said: Said) -> None:
        self.log.append(LOG_KIND, log_body(counter, said))

    def terms(self, parameters: Parameters, run: str, *, oversight: str, auditors: tuple[str, ...]) -> Terms:
        """What the next epoch is about. Raises ConfigurationError for a run without a published model."""
        return Terms(
            parameters,
            catalogue=load_catalogue(self.home.catalogue).hash,
            model=model_hash(self.home.run(run)),
            log_key=self.home.log_key.public.key.hex,
            pool_key=self.folders.pool_key().public.hex,
            oversight=oversight,
            auditors=auditors,
            authorities=self.home.settings.authorities,
        )

    def candidates(self, attested: dict[str, int]) -> list[Candidate]:
        """The admitted members and the customers they attest: twice their nominal records, if `attested` says nothing.

        Nominal are the records that train; held out, too recent or without an outcome, a customer is enrolled too.
        """
        store = MembershipStore.open(self.home.database_url)
        try:
            admitted = store.admitted()
        finally:
            store.close()
        strangers = sorted(set(attested) - {member.institution for member in admitted})
        if strangers:
            raise ConfigurationError("--customers", got=", ".join(strangers), expected="admitted members")
        return [
            Candidate(
                member.institution,
                member.key.hex,
                attested.get(member.institution, CUSTOMERS_PER_RECORD * member.nominal_records),
            )
            for member in admitted
        ]

    def view(self, record: EpochRecord | None) -> dict[str, Any]:
        """The epoch for people and programs."""
        if record is None:
            return {"epoch": 0, "phase": "none", "waiting": [], "next": None}
        progress = progress_of(self.folders.progress(record.counter), record)
        parties = record.state.parties
        document: dict[str, Any] = {
            "epoch": record.counter,
            "phase": str(record.state.phase),
            "engine": record.proposal["parameters"]["engine"],
            "members": list(parties.members),
            "auditors": list(parties.auditors),
            "roster": roster_fingerprint(record.proposal),
            "consent": sorted(record.proposal["authorities"]),
            "waiting": [{"party": wait.party, "step": wait.kind} for wait in record.state.waiting],
            "next": _time(earliest(self.record)),
        }
        for party in (RELAY, POOL):
            if trouble := Trouble(self.folders.trouble(party)).read():
                document.setdefault("trouble", {})[party] = trouble
        if progress is not None:
            left = progress.left(time.time()) if progress.started else None
            document["progress"] = {"done": progress.done, "of": progress.total, "seconds_left": left}
        if record.state.has("epoch"):
            epoch = context_of(record).signed.epoch
            document |= {"epoch_id": epoch.id.hex(), "subjects": epoch.subjects, "rows": epoch.rows}
            document |= read_findings(self.folders, record.counter)
            document |= {"opens_at": _time(epoch.opens_at), "closes_at": _time(epoch.closes_at)}
        return document


@contextmanager
def desk(home: CoordinatorHome) -> Iterator[Desk]:
    """Closed at the end of the block."""
    folders = LookupFolders(home.path)
    record = RecordStore.open(home.database_url)
    log = LogStore.open(home.database_url, home.log_key, time.time, anchor=home.log_anchor)
    try:
        yield Desk(home, record, log, folders)
    finally:
        log.close()
        record.close()


def model_hash(run: Path) -> str:
    """The hash of the model a run published. Raises ConfigurationError if it published none."""
    from server.checkpoint_store import CheckpointStore  # with what trains, which status can do without

    model = CheckpointStore(run).model() if run.is_dir() else None
    if model is None:
        raise ConfigurationError(str(run), got="no published model", expected="a finished run: see `status`")
    return model.hash


def watch(at: Desk, counter: int, console: Console, *, every: float = 0.5) -> EpochRecord:
    """Show who is waited for until the epoch is open, or over."""
    with console.status("") as shown:
        while True:
            record = at.record.epoch(counter)
            if record.state.phase in _DONE:
                return record
            shown.update(line(at.view(record)))
            time.sleep(every)


def line(view: dict[str, Any]) -> str:
    """One line: the phase, who is waited for with what, how far it is.

    >>> line({"epoch": 3, "phase": "tables", "waiting": [{"party": "bank-b", "step": "table"}]})
    'epoch 3: tables; waiting for bank-b: table'
    """
    return "; ".join(clauses(view))


def clauses(view: dict[str, Any]) -> Iterator[str]:
    """What `line` says, one thing after the other."""
    yield f"epoch {view['epoch']}: {view['phase']}"
    if view["waiting"]:
        yield "waiting for " + ", ".join(f"{wait['party']}: {wait['step']}" for wait in view["waiting"])
    if progress := view.get("progress"):
        left = progress["seconds_left"]
        yield f"{progress['done']} of {progress['of']}" + ("" if left is None else f", about {left:.0f} s left")
    for party, trouble in view.get("trouble", {}).items():
        yield f"{party} cannot go on: {trouble}"
    for finding in view.get("findings", []):
        yield f"{finding['party']}: {finding['kind']} ({finding['count']})"
    if accusing := view.get("verdicts_against_the_pool"):
        yield f"{accusing} proofs against the pool"


def _time(at: int) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat() if at else None
