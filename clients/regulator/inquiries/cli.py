"""`fedscore regulator sample`: draw logged inquiries that are to be opened; `check` with a draw judges the openings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.regulator.home import RegulatorHome
from federation.errors import ConfigurationError
from protocols.consent.draw import MILLION, Draw, detection, rate_for
from protocols.errors import ProtocolError, StageError

if TYPE_CHECKING:
    from clients.regulator.inquiries.copied import CopiedLog
    from clients.regulator.inquiries.draws import DrawSeen
    from clients.regulator.inquiries.judging import Found
    from clients.regulator.mirror import MirrorStore
    from federation.catalogue.values import Catalogue

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)
WAITS = 3
FORGED = (1, 5, 10, 20, 50, 100)
_LOOK_S = 0.5


@app.command()
def sample(
    name: Annotated[str, typer.Argument(help="The draw's name: the same name is the same draw, for ever.")],
    home: Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The regulator's home.")],
    rate: Annotated[float | None, typer.Option(min=1e-6, max=1.0, help="What share of the inquiries.")] = None,
    forged: Annotated[int, typer.Option(min=1, help="With --chance: of so many inquiries without consent ...")] = 1,
    chance: Annotated[
        float | None, typer.Option(min=0.01, max=0.9999, help="... at least one is drawn with this chance.")
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=0, help="The first entry of the log to draw from \\[where the last draw ended].")
    ] = None,
    after: Annotated[int | None, typer.Option(min=17, help="Draw so many entries later \\[64].")] = None,
    days: Annotated[int, typer.Option(min=1, help="How long queriers may take to open.")] = 14,
    ombudsman: Annotated[
        list[Path] | None,
        typer.Option(help="A paper of `fedscore ombudsman seed`, where the policy names one; repeat."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the log.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Commit to a draw, wait until a quorum has cosigned the log at its size, reveal the seed, and say what is drawn.

    Killed or out of patience, it goes on when it is called again with the same name; then it says the same sample.
    `fedscore regulator watch` has to run: it follows the log. Exit code 3: the log is not there yet.
    """
    from clients.regulator.inquiries.copied import CopiedLog
    from clients.regulator.inquiries.sampling import AFTER, Asked, Sampling

    if rate is not None and chance is not None:
        raise typer.BadParameter("one of --rate and --chance")
    millionths = round(rate * MILLION) if rate is not None else None if chance is None else rate_for(forged, chance)
    opened, end = RegulatorHome.open(home), time.monotonic() + wait
    with _store(opened) as store:
        sampling, copied = Sampling(opened, store, name, time.time), CopiedLog.read(opened, store)
        for file in ombudsman or ():
            sampling.papers.take(file.read_bytes())
        asked = Asked(millionths, first, AFTER if after is None else after)
        try:
            leaf, draw = sampling.commit(copied, asked, _log_size(opened))
        except StageError as error:
            typer.echo(json.dumps({"name": name, "sign": str(sampling.papers.file)}) if as_json else str(error))
            raise typer.Exit(WAITS) from error
        if copied.size < draw.size:
            _await_size(opened, store, draw.size, end)
            copied = CopiedLog.read(opened, store)
        try:
            sampling.reveal(copied, leaf, days=days)
        except StageError as error:
            _show_waiting(name, leaf, draw, copied.size, error, as_json=as_json)
            raise typer.Exit(WAITS) from error
        _show(name, sampling.sampled(copied), as_json=as_json)


@app.command()
def complaint(
    file: Annotated[Path, typer.Argument(help="What a person's wallet wrote: `fedscore subject complain`.")],
    home: Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The regulator's home.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Take a person's revocation, and the institution's acknowledgement: `check` judges opened inquiries by it.

    Says whether the own copy of the log has the acknowledgement. Without it nobody can tell whether the institution had
    the revocation: an inquiry is then said to be undecided, and is no breach.
    """
    from clients.regulator.inquiries.complaints import Complaints
    from clients.regulator.inquiries.copied import CopiedLog
    from federation.lookup.reading import read_document

    opened, data = RegulatorHome.open(home), read_document(file, "a complaint")
    with _store(opened) as store:
        told = Complaints.read(opened.complaints, CopiedLog.read(opened, store).taken).take(data).to_json()
    if as_json:
        typer.echo(json.dumps(told))
    elif told["acknowledged"] is None:
        typer.echo(f"{told['serial']}: kept; no acknowledgement in the log, so it decides nothing yet")
    else:
        typer.echo(f"{told['serial']}: {told['institution']} acknowledged it in log entry {told['acknowledged']}")


def check_openings(
    home: Path, openings: Sequence[Path], name: str, catalogues: Sequence[Path], *, keep: bool, as_json: bool
) -> None:
    """Judge what was handed in for the draw `name`, and log the verdicts. Exit code 1 if anything is broken.

    Without a name: for the draw of this home that the first opening is for.
    """
    from clients.regulator.inquiries.collecting import shipped
    from clients.regulator.inquiries.copied import CopiedLog
    from clients.regulator.inquiries.judging import Bench, log_verdicts, take_all
    from clients.regulator.inquiries.sampling import Sampling
    from federation.catalogue import load_catalogue

    opened = RegulatorHome.open(home)
    known = [*shipped(), *map(load_catalogue, catalogues)]
    with _store(opened) as store:
        name = name or _named(store, openings)
        sampling, copied = Sampling(opened, store, name, time.time), CopiedLog.read(opened, store)
        why = _collect(opened, store, copied, known)
        bench = Bench(sampling, copied, known)
        refused, found = take_all(bench, openings), bench.found(time.time(), complete=not why)
        logged = {} if keep else log_verdicts(sampling, bench, found)
    broken = any(each.broken for each in found)
    if as_json:
        told = [each.to_json() | {"logged": logged.get(each.querier)} for each in found]
        files = [{"file": str(file), "why": why} for file, why in refused]
        said = {"name": name, "draw": bench.draw, "holds": not broken, "queriers": told, "unusable": files}
        said["mailbox"] = why
        typer.echo(json.dumps(said, indent=2))
    else:
        _show_found(found, refused)
        if why:
            typer.echo(f"The mailbox was not emptied, and nobody is blamed for what may be in it: {why}", err=True)
    if broken:
        raise typer.Exit(1)


@contextmanager
def _store(home: RegulatorHome) -> Iterator[MirrorStore]:
    from clients.regulator.mirror import MirrorStore

    store = MirrorStore.open(home.database_url)
    try:
        yield store
    finally:
        store.close()


def _collect(home: RegulatorHome, store: MirrorStore, copied: CopiedLog, known: Sequence[Catalogue]) -> str:
    """Take what waits in the mailbox; why that was not all of it, or nothing."""
    from clients.regulator.inquiries.collecting import collect
    from clients.regulator.mirror import LogReader, LogUnreachable

    try:
        with LogReader(home.settings.log_url, home.authority) as log:
            complete = collect(home, store, copied, known, log, time.time()).complete
    except LogUnreachable as error:
        return str(error)
    return "" if complete else "more letters than are read at once"


def _named(store: MirrorStore, openings: Sequence[Path]) -> str:
    from federation.oversight.inquiries import DRAW
    from protocols.consent.sealed import SealedOpening

    names = {bytes.fromhex(said.leaf): said.slot.removeprefix(f"{DRAW}/") for said in store.said(DRAW)}
    for file in openings:
        with suppress(OSError, ProtocolError):
            draw = SealedOpening.decode(file.read_bytes()).draw
            if draw in names:
                return names[draw]
    raise ConfigurationError("openings", got="none for a draw of this home", expected="one, or --draw NAME")


def _log_size(home: RegulatorHome) -> int:
    """How many entries the log has now, by its own word: a draw's size must lie beyond."""
    from clients.regulator.mirror import LogReader
    from protocols.transparency import open_checkpoint

    with LogReader(home.settings.log_url, home.authority) as log:
        return open_checkpoint(log.checkpoint(), home.policy.log).size


def _await_size(home: RegulatorHome, store: MirrorStore, size: int, end: float) -> None:
    """Until the copy has a checkpoint of `size` or more that a quorum cosigned, or it is `end` (monotonic)."""
    from clients.regulator.inquiries.copied import quorate

    policy = home.policy
    while quorate(policy, store)[0] < size and (left := end - time.monotonic()) > 0:
        time.sleep(min(_LOOK_S, left))


def _sample_json(name: str, seen: DrawSeen) -> dict[str, Any]:
    assert seen.revealed is not None  # noqa: S101 (there is a sample)
    drawn: dict[str, list[dict[str, Any]]] = {}
    for index, leaf in sorted(seen.sample.items()):
        drawn.setdefault(leaf.querier, []).append({"index": index, "leaf": leaf.hash.hex()})
    draw = seen.draw
    return {
        "name": name,
        "draw": seen.signed.hash.hex(),
        "index": seen.index,
        "rate": draw.rate / MILLION,
        "first": draw.first,
        "size": draw.size,
        "root": seen.root.hex(),
        "deadline": seen.revealed.deadline,
        "inquiries": seen.leaves,
        "drawn": drawn,
        "detection": {str(forged): detection(forged, draw.rate) for forged in FORGED},
    }


def _show_waiting(name: str, leaf: str, draw: Draw, size: int, why: StageError, *, as_json: bool) -> None:
    if as_json:
        said = {"name": name, "draw": leaf, "waits_for": draw.size, "size": size, "why": str(why)}
        typer.echo(json.dumps(said, indent=2))
        return
    typer.echo(f"{name} is committed to (entry {leaf[:16]}).")
    if size >= draw.size:
        typer.echo(str(why))
        return
    typer.echo(
        f"It is drawn once {draw.size} entries are logged and cosigned by a quorum; now {size} are, seen by `watch`."
    )
    typer.echo(f"Questions and other entries add to them by themselves. Later: `fedscore regulator sample {name}`")


def _show(name: str, seen: DrawSeen, *, as_json: bool) -> None:
    said = _sample_json(name, seen)
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        return
    until = f"{datetime.fromtimestamp(said['deadline'], UTC):%Y-%m-%d %H:%M} UTC"
    typer.echo(f"{name}: {len(seen.sample)} of {seen.leaves} inquiries are to be opened until {until}")
    for querier, leaves in said["drawn"].items():
        typer.echo(f"{querier}: {len(leaves)}")
        for each in leaves:
            typer.echo(f"  {each['leaf']}   entry {each['index']}")
    chances = ", ".join(f"{forged}: {chance:.3f}" for forged, chance in said["detection"].items())
    typer.echo(f"Chance that one of so many inquiries without consent is among them: {chances}")


def _show_found(found: Sequence[Found], refused: Sequence[tuple[Path, str]]) -> None:
    for each in found:
        held = f"{each.hard} hard and {each.soft} soft inquiries hold"
        typer.echo(
            f"{each.querier}: {each.drawn} drawn, {held}, {len(each.broken)} broken, {len(each.waiting)} awaited"
        )
        for one in each.broken:
            typer.echo(f"  {one.rule}   {one.leaf}   entry {one.index}")
        for index in each.undecided:
            typer.echo(f"  undecided   entry {index}: revoked, as the person showed; no acknowledgement in the log")
    for file, why in refused:
        typer.echo(f"{file} is of no use, and says nothing about anybody: {why}", err=True)
