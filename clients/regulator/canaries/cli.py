"""`fedscore regulator canary`: plant persons who do not exist, and see whether their sums come back as planted."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from pathlib import Path
from secrets import SystemRandom
from typing import Annotated

import typer

from clients.regulator.canaries.planting import expected, plant, planted
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.mirror.roster import roster_of
from federation.errors import ConfigurationError
from federation.lookup.canaries import CanaryAnswers, compare
from federation.runtime.wording import NAME_PATTERN
from protocols.signing import VerifyingKey

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)
Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The regulator's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("plant")
def plant_rows(
    rows: Annotated[Path, typer.Argument(help="Records in the catalogue's form, with identifiers that nobody has.")],
    home: Home,
    name: Annotated[str, typer.Option(help="What this set of canaries is called.")],
    member: Annotated[list[str], typer.Option(help="Who gets some; repeat.")],
    each: Annotated[int, typer.Option(min=1, help="How many members know one canary.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Share the rows out among members. The files are what each member enters like customers; this home keeps them."""
    opened = RegulatorHome.open(home)
    folder = _folder(opened, name)
    if folder.exists():
        raise ConfigurationError(str(folder), got="a set of that name", expected="a new one")
    counts = plant(rows, member, each=each, folder=folder, shuffle=SystemRandom().shuffle, now=time.time())
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "planted": counts}))
        return
    for who, count in counts.items():
        typer.echo(f"{folder / f'{who}.csv'}: {count} records for {who}")


@app.command()
def check(
    home: Home,
    name: Annotated[str, typer.Option(help="The set, as it was planted.")],
    catalogue: Annotated[str, typer.Option(help="The federation's catalogue: a shipped name or a file.")],
    model: Annotated[Path, typer.Option(help="The published model of the epoch.")],
    answers: Annotated[list[Path], typer.Option(help="What an institution signed: `lookup canaries`; repeat.")],
    identifiers: Annotated[str, typer.Option(help="The federation's scheme of identifiers.")] = "opaque",
    scoring: Annotated[str, typer.Option(help="`scoring` of the roster's parameters, if it has any.")] = "",
    as_json: AsJson = False,
) -> None:
    """Hold answered sums against what was planted. Exit code 1 where one deviates, or two differ; suspects are named.

    Every sum must answer a question in this home's copy of the log, dated after the planting, in an epoch of the model.
    With --answers of two institutions about the same persons neither is believed where they differ; all of one set are
    given together.
    """
    from clients.regulator.canaries.logged import check_logged
    from clients.regulator.inquiries.copied import CopiedLog
    from federation.catalogue import load_catalogue
    from federation.lookup.identifiers import scheme
    from federation.lookup.settings import ScoringSettings
    from federation.models import PublishedModel

    opened = RegulatorHome.open(home)
    published = PublishedModel.read(model.read_bytes())
    published.verify()
    settings = ScoringSettings.decode(scoring) if scoring else ScoringSettings()
    folder = _folder(opened, name)
    known = expected(folder, published, load_catalogue(catalogue), settings, scheme(identifiers))
    with closing(MirrorStore.open(opened.database_url)) as store:
        keys = _members(opened, store)
        files = [_verified(file, keys) for file in answers]
        check_logged(files, CopiedLog.read(opened, store), bytes.fromhex(published.hash), planted(folder))
    found = compare(known, [answer for said in files for answer in said.answers])
    facts = {
        "planted": len(known),
        "answered": len(known) - len(found.unanswered),
        "deviating": len(found.deviating),
        "disputed": len(found.disputed),
        "suspects": list(found.suspects),
        "cleared": list(found.cleared),
        "explained": found.explained,
        "explanations": [list(liars) for liars in found.explanations],
    }
    typer.echo(json.dumps(facts) if as_json else _told(facts))
    if found.deviating or found.disputed:
        raise typer.Exit(1)


def _folder(home: RegulatorHome, name: str) -> Path:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError("--name", got=name[:80], expected="lower-case letters, digits and hyphens")
    return home.path / "canaries" / name


def _members(home: RegulatorHome, store: MirrorStore) -> dict[str, VerifyingKey]:
    """Keys of whoever is a member, by the regulator's own copy of the log."""
    members = roster_of(store, home.policy.coordinator).members
    return {name: VerifyingKey.from_hex(member.key) for name, member in members.items()}


def _verified(file: Path, keys: dict[str, VerifyingKey]) -> CanaryAnswers:
    """Under the key of the member that it names."""
    data = file.read_bytes()
    try:
        named = json.loads(data)["answers"]["querier"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(str(file), got=type(error).__name__, expected="signed canary answers") from error
    if named not in keys:
        raise ConfigurationError(f"{file}: querier", got=str(named)[:80], expected=" or ".join(sorted(keys)))
    return CanaryAnswers.verify(data, keys[named])


def _told(facts: dict[str, object]) -> str:
    lines = ["{planted} canaries, {answered} answered, {deviating} with another sum than was planted".format(**facts)]
    if facts["suspects"]:
        lines.append(f"every canary of these deviates: {', '.join(facts['suspects'])}")  # type: ignore[arg-type]
    if facts["disputed"]:
        lines.append("{disputed} with two sums, by those who asked: one of these says what is false".format(**facts))
    if len(facts["explanations"]) > 1:  # type: ignore[arg-type]
        sets = " / ".join(" and ".join(liars) for liars in facts["explanations"])  # type: ignore[attr-defined]
        lines.append(f"shifted tables of any of these would explain it, and nobody can tell which: {sets}")
    if not facts["explained"]:
        lines.append("no shift of whole tables explains this: single records, the querier, or the pool")
    return "\n".join(lines)
