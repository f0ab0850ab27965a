"""`fedscore institution lookup canaries`: ask about the regulator's canaries, and tell it their sums, signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.institution.cli_enrol import Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.customers import scheme_of
from clients.institution.lookup.questions import Answer
from federation.lookup.canaries import CanaryAnswer, CanaryAnswers, steps_of
from federation.lookup.identifiers import Scheme
from federation.runtime.outputs import must_be_new
from federation.runtime.private_files import write_private


def canaries(
    questions: Annotated[Path, typer.Argument(help="The regulator's questions: CSV as for `query --batch`.")],
    home: Home,
    out: Annotated[Path, typer.Option(help="The signed sums, for the regulator: a new file.")],
    model: Annotated[Path | None, typer.Option(help="The published model. Default: the one kept by publish.")] = None,
) -> None:
    """Ask about persons who do not exist, whose sums the regulator knows. Questions like any other: logged, charged."""
    from clients.institution.lookup.querier import Querier
    from clients.institution.lookup.query_cli import read_questions

    opened = InstitutionHome.open(home)
    must_be_new(out)
    with Querier.open(opened, model=model) as querier:
        answers = list(querier.ask_many(read_questions(questions, querier.check)))
    write_private(out, signed(opened, answers))
    told = sum(answer.joint is not None for answer in answers)
    typer.echo(f"{out}: {told} of {len(answers)} sums")


def signed(home: InstitutionHome, answers: list[Answer]) -> bytes:
    """What was told about each, under this institution's key."""
    how = scheme_of(home)
    return CanaryAnswers(home.name, tuple(_told(answer, how) for answer in answers)).sign(home.signing_key)


def _told(answer: Answer, how: Scheme) -> CanaryAnswer:
    steps = () if answer.joint is None else steps_of(answer.joint)
    return CanaryAnswer(how.normalise(answer.question.subject).hex(), answer.leaf_hash.hex(), steps)
