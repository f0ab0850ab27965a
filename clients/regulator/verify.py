"""Verification of an export: ten numbered steps, offline, in one pass over the entries, in bounded memory.

verdict = verify(Path("export.zip"), Policy.read(Path("policy.toml")))

Nothing in the export is believed. What is trusted: this program, and the keys and figures in the policy.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.regulator.account import Account
from clients.regulator.archive import Archive, ArchiveError
from clients.regulator.case import Case
from clients.regulator.findings import Finding, Outcome, StepResult, Verdict
from clients.regulator.layout import ENTRIES
from clients.regulator.line import read_line
from clients.regulator.policy import Policy
from clients.regulator.steps import STEPS, Step
from federation.runtime.progress import Report, unheard

_ALLOCATIONS = 50_000  # between two looks of the garbage collector
_WORD = 256  # entries between two words about how far it is


@dataclass(frozen=True)
class Examined:
    """A verdict, and what the trail adds up to: material for a report, worth as much as the verdict says."""

    verdict: Verdict
    account: Account


def verify(path: Path, policy: Policy, steps: Sequence[type[Step]] = STEPS) -> Verdict:
    """The verdict on the export at `path`. Raises ConfigurationError where there is no such file."""
    return examine(path, policy, steps).verdict


def examine(path: Path, policy: Policy, steps: Sequence[type[Step]] = STEPS, *, report: Report = unheard) -> Examined:
    """As `verify`, with the account. `steps`: fewer than all show what each is for (tests).

    `report` hears how many bytes of entries were read, and of a step whose end takes long, how much of it is done.
    """
    try:
        archive = Archive.open(path)
    except ArchiveError as error:
        return Examined(_unreadable(error, steps), Account())
    with archive:
        case = Case.open(archive, policy)
        judges = [step(case) for step in steps]
        with _few_collections():
            _read(case, judges, report)
        for judge in judges:
            judge.report = report
            judge.conclude()
        results = tuple(judge.result for judge in judges)
    return Examined(Verdict(results, _checkpoint(case)), case.account)


def _read(case: Case, judges: Sequence[Step], report: Report) -> None:
    done, total = 0, case.archive.size(ENTRIES)
    listeners = [judge for judge in judges if type(judge).take is not Step.take]
    try:
        for index, data in enumerate(case.archive.lines(ENTRIES)):
            line = read_line(index, data)
            case.grow(line)
            case.account.take(line)
            for judge in listeners:
                judge.see(line)
            case.follow(line)
            done += len(data) + 1
            if index % _WORD == 0 or done == total:
                report("entries", done, total)
    except ArchiveError as error:
        case.broken = error


@contextmanager
def _few_collections() -> Iterator[None]:
    """Entries leave no cycles behind; looking for them among all that is loaded takes a quarter of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _checkpoint(case: Case) -> dict[str, Any] | None:
    checkpoint = case.newest.checkpoint
    if checkpoint is None:
        return None
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "witnessed": case.witnessed,
        "quorum": {
            "witnesses": len(case.policy.quorum.witnesses),
            "needed": case.policy.quorum.size,
            "cosigned": case.cosigned,
        },
    }


def _unreadable(error: ArchiveError, steps: Sequence[type[Step]]) -> Verdict:
    """Of a file that is no zip: the first step names it, nothing else can be judged."""
    found = (Finding(error.where, error.got, error.expected),)
    first, *rest = steps
    why = ("The export could not be opened.",)
    return Verdict(
        (
            StepResult(first.number, first.title, Outcome.FAILS, found, 1, (), ()),
            *(StepResult(step.number, step.title, Outcome.NOT_JUDGED, (), 0, (), why) for step in rest),
        ),
        None,
    )
