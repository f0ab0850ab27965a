"""The demonstration's private queries, all by `fedscore` commands: open an epoch, publish, ask, close.

What is read from homes here is how far an epoch is, for the bars; and in the end whether everybody has erased.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.runtime.private_files import private_directory, write_private
from server.home import CoordinatorHome
from server.lookup.epochs import Phase
from server.lookup.record_store import RecordStore
from workbench.demo.cast import RUN, Homes, command
from workbench.demo.consent import PURPOSE, Persons
from workbench.demo.inputs import Inputs
from workbench.demo.processes import DemoFailed, Processes, Tick

ENGINES = ("bfv", "lwe", "mirror")
CUSTOMERS = Path("customers.csv.gz")  # in each home: whom it publishes in the epoch
_PUBLISH_S = 600
_CLOSE_S = 180
_PHASES = tuple(Phase)
_LAST = _PHASES.index(Phase.OPEN)

OnPhase = Callable[[int, int], None]  # (phases done, phases in all)


@dataclass(frozen=True)
class Answered:
    """One question, by whom, and what the command answered."""

    institution: str
    subject: str
    outcome: str
    score: float | None
    band: str | None
    members: int | None


def open_epoch(
    processes: Processes, homes: Homes, inputs: Inputs, engine: str, oversight: Path, *, on_phase: OnPhase
) -> dict[str, Any]:
    """Open the first epoch and take part as every institution; what `epoch status` says of it, open.

    `inputs` are the customers in CUSTOMERS of every home, `oversight` is the holders' document. Members attest their
    number of customers to two figures, as an operator would write it down. Raises DemoFailed.
    """
    options = {"run": RUN, "engine": engine, "oversight": oversight}
    opening = command("coordinator", "epoch", "open", home=homes.coordinator, **options)
    for given in inputs.institutions:
        opening += ["--customers", f"{given.name}={attested(given.rows)}"]
    processes.run_all({"open": [*opening, "--json"]})
    roster = _epoch(processes, homes, "status")["roster"]  # the demonstration's members compare it and approve it
    commands = {}
    taking = {"model": homes.run / "model.json", "timeout": _PUBLISH_S, "approve": roster}
    for given in inputs.institutions:
        words = command("institution", "publish", home=homes.institution(given.name), **taking)
        commands[given.name] = [*words, "--json"]
    with _phase(homes) as phase:
        tick: Tick = lambda: on_phase(_PHASES.index(phase()), _LAST)  # noqa: E731
        processes.run_all(commands, tick=tick, environment={"FEDSCORE_INSTITUTION_DATA": str(CUSTOMERS)})
    return _epoch(processes, homes, "status")


def ask(processes: Processes, homes: Homes, persons: Persons, questions: Sequence[tuple[str, str]]) -> list[Answered]:
    """Put `questions` (institution, subject), each institution's in one batch, each with a receipt of the person's;
    answers in the order of the questions.

    Raises DemoFailed.
    """
    folder = private_directory(homes.out / "queries")
    receipts = private_directory(folder / "receipts")
    commands = {}
    for name in dict.fromkeys(name for name, _ in questions):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("subject", "purpose", "receipt"))
            for subject in (subject for asker, subject in questions if asker == name):
                consent = persons.permit(subject, name)
                write_private(receipts / f"{consent.serial}.json", consent.encode())
                rows.writerow((subject, PURPOSE, f"receipts/{consent.serial}.json"))
        options = {"batch": folder / f"{name}.csv", "out": _answers(folder, name)}
        commands[name] = [*command("institution", "query", home=homes.institution(name), **options), "--json"]
    processes.run_all(commands)
    answers = {name: _read(name, _answers(folder, name)) for name in dict.fromkeys(name for name, _ in questions)}
    return [next(answers[name]) for name, _ in questions]


def close(processes: Processes, homes: Homes, inputs: Inputs, *, on_phase: OnPhase) -> dict[str, Any]:
    """Close the epoch, wait until it is reconciled and erased; what every home remembers of it. Raises DemoFailed."""
    _epoch(processes, homes, "close")
    started = time.monotonic()
    with _phase(homes) as phase:
        while phase() is not Phase.CLOSED:  # by themselves: conductor, pool and the nodes' duties
            processes.check()
            if time.monotonic() - started > _CLOSE_S:
                raise DemoFailed("epoch", got=f"{phase()} after {_CLOSE_S} s", expected="closed")
            time.sleep(0.1)
    on_phase(1, 1)
    return {given.name: _remembered(homes.institution(given.name)) for given in inputs.institutions}


def _epoch(processes: Processes, homes: Homes, word: str) -> dict[str, Any]:
    said: dict[str, Any] = processes.run_all(
        {word: [*command("coordinator", "epoch", word, home=homes.coordinator), "--json"]}
    )[word]
    return said


def attested(rows: int) -> int:
    """A number of customers rounded up to two figures.

    >>> attested(36_755), attested(900), attested(901)
    (37000, 900, 910)
    """
    unit = int(10 ** max(len(str(rows)) - 2, 0))
    return -(-rows // unit) * unit


def _remembered(home: Path) -> dict[str, Any]:
    """Tickets answered, whether the home says that it erased, and whether any private file of an epoch is left."""
    [past] = json.loads((home / "lookup" / "past.json").read_bytes())
    left = [file.name for file in (home / "lookup" / "epochs").rglob("*") if file.is_file()]
    return {"tickets": past["tickets"], "erased": past["erased"] and not left}


@contextmanager
def _phase(homes: Homes) -> Iterator[Callable[[], Phase]]:
    """Where the current epoch stands, asked as often as one likes."""
    store = RecordStore.open(CoordinatorHome.open(homes.coordinator).database_url)

    def phase() -> Phase:
        record = store.current()
        return Phase.KEYS if record is None else record.state.phase

    try:
        yield phase
    finally:
        store.close()


def _answers(folder: Path, name: str) -> Path:
    return folder / f"{name}-answers.csv"


def _read(name: str, file: Path) -> Iterator[Answered]:
    with file.open(newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            yield Answered(
                institution=name,
                subject=row["subject"],
                outcome=row["outcome"],
                score=float(row["score"]) if row["score"] else None,
                band=row["band"] or None,
                members=int(row["members"]) if row["members"] else None,
            )
