"""The demonstration's private score queries, from the epoch's opening to its erasure, and what was found on the way."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.lookup.customers import scheme_of
from federation.catalogue import Catalogue
from workbench.demo import consent, epoch, spot_check
from workbench.demo.cast import Facts, Homes
from workbench.demo.consent import Persons
from workbench.demo.epoch import Answered
from workbench.demo.inputs import Inputs, customers
from workbench.demo.plain import Case, Plain, subjects, worth
from workbench.demo.processes import Processes
from workbench.demo.rights import Rights, Shown
from workbench.demo.witness import Needles, Traffic, forms, witness
from workbench.recorder import recording

PERSONS = 12_000
"""At most so many are published: an epoch over all 60,000 of the demonstration costs two minutes on two cores."""
NONE = (
    "engine",
    "queries",
    "correct",
    "bytes_up",
    "bytes_down",
    "auc_own",
    "auc_joint",
    "auc_plaintext_joint",
)
"""Keys of `summary.json`'s `lookup` that are null where no query was put."""

Stage = Callable[[str, int], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Queried:
    """What an epoch of private queries came to: what `epoch status` said, questions, answers, rules by which others
    were refused, what persons and the regulator did, closing, traffic."""

    engine: str
    status: Mapping[str, Any]
    persons: int
    cases: tuple[Case, ...]
    answers: tuple[Answered, ...]
    correct: tuple[bool, ...]
    refused: Mapping[str, str]
    shown: Shown
    remembered: Mapping[str, Mapping[str, Any]]
    traffic: Traffic
    worth: Mapping[str, Any]
    distribution: Mapping[str, Any]


@contextmanager
def recorded(out: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for what reaches processes, and their variables; removed at the end, as it holds all that was sent."""
    folder = out / "recording"
    try:
        yield folder, recording(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def left_out(catalogue: Catalogue) -> str | None:
    """Why this catalogue's records can be asked about by nobody; None if they can."""
    if catalogue.subject is None:
        return f"the catalogue {catalogue.name} names no subject: its records are about nobody who could be asked about"
    return None


def query(
    processes: Processes,
    homes: Homes,
    inputs: Inputs,
    catalogue: Catalogue,
    facts: Facts,
    engine: str,
    seed: int,
    stage: Stage,
) -> Callable[[Path], Queried]:
    """Open an epoch, ask, show what persons and the regulator can do, close it; who calls what this returns gets the
    findings. `facts` are what every `init` said. Raises DemoFailed.
    """
    with stage("epoch", 1) as step:
        files = {given.name: homes.institution(given.name) / epoch.CUSTOMERS for given in inputs.institutions}
        opened = InstitutionHome.open(homes.institution(inputs.institutions[0].name))
        persons = Persons.under(processes, homes, catalogue, scheme_of(opened).name)
        published = customers(inputs, str(catalogue.subject), files, PERSONS, seed)
        rights = Rights.prepare(processes, homes, inputs, catalogue, facts, persons)
        status = epoch.open_epoch(processes, homes, published, engine, rights.holders.document, on_phase=step)
    with stage("queries", 1):
        plain = Plain.of(homes, published, catalogue)
        inside = subjects([given.records for given in published.institutions], catalogue, seed)
        outside = subjects([given.oracle for given in inputs.institutions], catalogue, seed)
        cases = plain.cases(inside, outside)
        roles = rights.choose(plain, cases)
        spot_check.commit(homes, inquiries=1 + len(cases))
        bypassed = rights.bypass(roles)
        answers = epoch.ask(processes, homes, persons, [(case.institution, case.subject) for case in cases])
        refused = consent.refused(processes, homes, persons, cases[0].institution, cases[0].subject)
    shown = rights.show(roles, bypassed, stage)
    with stage("erasure", 1) as step:
        remembered = epoch.close(processes, homes, inputs, on_phase=step)

    def found(recordings: Path) -> Queried:
        needles = Needles(forms([*inside, *(case.subject for case in cases)], plain.scheme))
        return Queried(
            engine=engine,
            status=status,
            persons=len(inside),
            cases=tuple(cases),
            answers=tuple(answers),
            correct=tuple(plain.correct(case, answer) for case, answer in zip(cases, answers, strict=True)),
            refused=refused,
            shown=shown,
            remembered=remembered,
            traffic=witness(recordings, needles),
            worth=worth(inputs, catalogue, plain.card),
            distribution=plain.distribution(),
        )

    return found


def summary(found: Queried | None, reason: str | None) -> dict[str, Any]:
    """`lookup` of `summary.json`. Bytes are those of one question, sent and received, over all its calls."""
    if found is None:
        return {"left_out": reason, **dict.fromkeys(NONE)}
    questions, traffic = len(found.cases), found.traffic
    return {
        "left_out": None,
        "engine": found.engine,
        "queries": questions,
        "correct": sum(found.correct),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in found.answers).items())),
        "bytes_up": round(traffic.up / questions),
        "bytes_down": round(traffic.down / questions),
        "once_up": round(traffic.once_up / len({case.institution for case in found.cases})),
        "once_down": round(traffic.once_down / len({case.institution for case in found.cases})),
        "seconds": {call.lower(): round(total / questions, 3) for call, total in traffic.seconds.items()},
        **found.worth,
        "persons": found.persons,
        "subjects": found.status["subjects"],
        "rows": found.status["rows"],
        "epoch_id": found.status["epoch_id"],
        "auditors": found.status["auditors"],
        "identifiers_found": traffic.identifiers,
        "erased": all(said["erased"] for said in found.remembered.values()),
        "tickets": {name: said["tickets"] for name, said in found.remembered.items()},
    }


def evidence(found: Queried | None) -> dict[str, Any] | None:
    """`lookup` of `evidence.json`: question by question without identifiers, what parties saw, the scores drawn."""
    if found is None:
        return None
    return {
        "asked": [
            {
                "institution": case.institution,
                "members": case.members,
                "outcome": answer.outcome,
                "score": answer.score,
                "band": answer.band,
                "correct": correct,
            }
            for case, answer, correct in zip(found.cases, found.answers, found.correct, strict=True)
        ],
        "seen": [vars(kind) for kind in found.traffic.seen],
        "distribution": found.distribution,
    }
