"""What runs in the processes that are killed: the log's host, a node that spends, the regulator; as in production.

Whatever a party is told by the log, or lets go, is noted outside of its home before anything else happens with it: by
that the others are judged when all is over.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.node_service import main as serve_node
from clients.institution.node_service import open_ledger
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.oversight import Oversight
from clients.regulator import service_cli
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import LogReader, MirrorStore
from federation.errors import Refused
from federation.ledger import Ledger, Release
from federation.oversight.audits import AuditRequest
from federation.oversight.replay import ReplayCommitment
from federation.privacy import GaussianEvent
from federation.rounds.refusals import Code
from protocols.transparency import Promise
from server import membership_process

EVENT, DELTA = GaussianEvent(1.0, 2000.0, 1), 1e-5
_RELEASE_S, _REQUEST_S = 0.03, 0.3  # between two releases of the node's, two requests of the regulator's


@dataclass(frozen=True)
class Notebook:
    """A file of lines outside of every home. A line that its writer's death has torn counts as not there."""

    path: Path

    @classmethod
    def of(cls, folder: str | Path, name: str) -> Notebook:
        return cls(Path(folder) / f"{name}.noted")

    def note(self, what: str, **facts: Any) -> None:
        line = b"\n" + json.dumps({"what": what, **facts}).encode()
        out = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(out, line)
        os.close(out)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self, what: str) -> Iterator[dict[str, Any]]:
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            with suppress(ValueError):
                noted = json.loads(line)
                if noted["what"] == what:
                    yield noted


def coordinate(home: str) -> None:
    """The process that hosts the log."""
    _redirect(Path(home), "membership")
    sys.argv = ["membership_process", home]
    membership_process.main()


def spend(home: str, noted: str, pause: str) -> None:
    """A node's ledger and its part in the log, from one release to the next: reserved, spent, promised, let go.

    Until the file `pause` is there; from then on it only has done what it said.
    """
    _redirect(Path(home), "node")
    _note_answers(LogClient, Notebook.of(noted, "node"), {"append": _promises, "candidate": _note, "cosigned": _note})
    opened = InstitutionHome.open(home)
    oversight = Oversight(opened)
    ledger = open_ledger(opened, oversight)
    oversight.start(ledger, threading.Event())
    run = f"run-{os.getpid()}"
    with LogClient(opened, patience=3600.0) as log:
        for round in count(1):
            if Path(pause).exists() or oversight.failed is not None:
                break
            if round % 8 == 1:
                log.append([_commitment(opened.name, run, round).entry(opened.signing_key)])
            _let_go(oversight, ledger, Notebook.of(noted, "released"), release(run, round))
            time.sleep(_RELEASE_S)
    while oversight.failed is None:
        time.sleep(0.1)
    raise SystemExit(1)


def _let_go(oversight: Oversight, ledger: Ledger, notebook: Notebook, wanted: Release) -> None:
    _settle(oversight)
    reservation = ledger.reserve(wanted)
    oversight.begin()
    spent = ledger.spend(reservation, "dd" * 32, b"what leaves")
    _settle(oversight)
    notebook.note("released", run=wanted.run_id, round=wanted.round, reserved=reservation.entry_hash, spent=spent.hash)


def _settle(oversight: Oversight) -> None:
    """As a node does: nothing goes on before the log has promised; an outage is waited out."""
    while oversight.failed is None:
        try:
            oversight.settle()
        except Refused as refusal:
            if refusal.code != Code.LOG_UNAVAILABLE:
                raise
        else:
            return


def regulate(home: str, noted: str, pause: str) -> None:
    """`fedscore regulator watch`, and a person who asks for audits all the time, until the file `pause` is there."""
    _redirect(Path(home), "watch")
    _note_answers(
        LogReader, Notebook.of(noted, "regulator"), {"say": _promises, "checkpoint": _note, "cosigned": _note}
    )
    asking = (RegulatorHome.open(home), Notebook.of(noted, "kept"), Path(pause))
    threading.Thread(target=_ask, args=asking, daemon=True).start()
    service_cli.watch(Path(home))


def _ask(home: RegulatorHome, notebook: Notebook, pause: Path) -> None:
    store = MirrorStore.open(home.database_url)
    for number in count():
        if pause.exists():
            return
        expires = int(time.time()) + 86_400
        request = AuditRequest("bank-a", "contract", "aa" * 32, os.urandom(32).hex(), expires)
        kept = store.keep(f"audit/{os.getpid()}/{number}", request.sign(home.signing_key), time.time())
        notebook.note("kept", leaf=kept.leaf)
        time.sleep(_REQUEST_S)


def start_node(home: str) -> None:
    """The node as it is; exits with what it says."""
    _redirect(Path(home), "node")
    raise SystemExit(serve_node([home]))


def release(run: str, round: int) -> Release:
    """Of no plan: what is spent here is budget alone."""
    return Release(
        run_id=run,
        phase="histogram",
        round=round,
        event=EVENT,
        delta=DELTA,
        plan_hash="aa" * 32,
        catalogue_hash="bb" * 32,
        model_hash="00" * 32,
        nominal_records=8200,
        vintage="2030-01-01",
        family="additive",
    )


def _commitment(institution: str, run: str, round: int) -> ReplayCommitment:
    return ReplayCommitment(institution, run, "train", round, 1, "11" * 32, "22" * 32, "33" * 32)


def _note_answers(owner: type, notebook: Notebook, answers: dict[str, Callable[..., Iterator[dict[str, Any]]]]) -> None:
    """What these methods answer is noted before whoever asked sees it."""
    for name, facts in answers.items():
        setattr(owner, name, _noting(getattr(owner, name), name, notebook, facts))


def _noting(
    method: Callable[..., Any], name: str, notebook: Notebook, facts: Callable[..., Iterator[dict[str, Any]]]
) -> Callable[..., Any]:
    def ask(*arguments: Any, **named: Any) -> Any:
        answer = method(*arguments, **named)
        for each in facts(answer):
            notebook.note(**each, asked=name)
        return answer

    return ask


def _promises(answer: Any) -> Iterator[dict[str, Any]]:
    given = [answer.encode()] if isinstance(answer, Promise) else answer
    return ({"what": "promise", "promise": promise.decode()} for promise in given)


def _note(answer: bytes | None) -> Iterator[dict[str, Any]]:
    if answer:
        yield {"what": "note", "note": answer.decode()}


def _redirect(home: Path, name: str) -> None:
    """What is said on stderr to a file of the home's: a test that fails shows the last of it."""
    with suppress(OSError), (home / "logs" / f"{name}.stderr").open("ab") as out:
        os.dup2(out.fileno(), sys.stderr.fileno())
