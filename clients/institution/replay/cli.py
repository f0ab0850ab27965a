"""`fedscore institution replay`: compute a round again that the regulator drew, and sign what came out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.masking import masking_of
from clients.institution.node_service import holdout_salt, split
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.plan_store import PlanStore
from clients.institution.replay.draws import OpenDraw, open_draws
from clients.institution.replay.evidence import logged_attempt, running_code
from clients.institution.replay.logged import LoggedReplays
from clients.institution.replay.recompute import Replayer
from clients.institution.replay.records import records_as_committed
from clients.institution.replay.sealed_store import SealedStore
from clients.institution.training import Computation
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.ledger import Ledger
from federation.oversight.replay import Draw, ReplayResult
from federation.privacy import OsNoise
from federation.runtime.private_files import write_public
from protocols.errors import StageError
from protocols.transparency import VerifierKey

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def replay(
    home: Home,
    draw: Annotated[str, typer.Argument(help="Leaf hash of the regulator's draw, 64 hexadecimal digits.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Do not hand the result to the log.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compute a drawn round again, from its sealed seed, and sign whether it is what was sent.

    Without DRAW it lists those that wait for an answer. The draw must be in the log, in a checkpoint that the
    witnesses cosigned, and the regulator's. Nothing is charged: what is computed is what was computed. Exit code 1
    where anything does not agree; an attempt that the ledger gave up has no update to compare, which is 0. A draw of
    what was never committed to or never reserved is told, and not answered: nothing is owed, which is 0 too.
    """
    opened = InstitutionHome.open(home)
    if not draw:
        _list(open_draws(opened.path), as_json=as_json)
        return
    leaf = _leaf(draw)
    with LogClient(opened) as log:
        key, overseers = VerifierKey.of(opened.log_key), OversightFolder(opened.path).overseers()
        seen = LoggedReplays.read(log, key, opened.coordinator_key, time.time(), overseers)
        asked = seen.draw(leaf, opened.name)
        result = _replay(opened, log, seen, asked, leaf)
        if result is None:
            _show_nothing(asked, as_json=as_json)
            return
        entry = result.entry(opened.signing_key)
        name = f"{leaf.hex()}.{'kept' if keep else 'result'}"  # results wait for the node where the log is away
        write_public(opened.path / "replay" / name, entry.data, mode=0o600)
        if not keep:
            log.append([entry])
    _show(result, as_json=as_json)
    raise typer.Exit(0 if result.matches or result.aborted else 1)


def _replay(home: InstitutionHome, log: LogClient, seen: LoggedReplays, draw: Draw, leaf: bytes) -> ReplayResult | None:
    """None where there is no such attempt: in the log no commitment, or in the ledger no reservation."""
    catalogue = load_catalogue(home.catalogue)
    store, salt = SealedStore.open(home.path), holdout_salt(home.keys)
    parts, root = records_as_committed(
        home, catalogue, store, draw.place, lambda records: split(records, home.settings.holdout, salt)
    )
    plans = {stored.plan.hash: stored.plan for stored in PlanStore.open(home.database_url).plans()}
    key = home.signing_key.public
    ledger = Ledger.open(
        home.database_url, institution=home.name, key=home.signing_key, caps=home.caps(), recover=False
    )
    entries = ledger.entries()
    replayer = Replayer(
        store=store,
        computation=Computation(catalogue, *parts, OsNoise()),
        records=root,
        code=running_code(),
        plan_of=plans.get,
        logged=lambda place: logged_attempt(entries, place),
        committed=lambda place: seen.committed(key, place),
        beacon_of=lambda place: seen.beacon_of(key, place),
        is_first=lambda place: seen.is_first(log, key, place),
        masking=masking_of(home),
    )
    if not replayer.begun(draw.place):
        return None
    with suppress(StageError):  # nothing to keep any more: the result says so
        replayer.hold(draw)
    return replayer.replay(draw, leaf)


def _leaf(text: str) -> bytes:
    try:
        leaf = bytes.fromhex(text)
    except ValueError:
        leaf = b""
    if len(leaf) != 32:
        raise ConfigurationError("draw", got=text[:70], expected="64 hexadecimal digits")
    return leaf


def _list(waiting: Sequence[OpenDraw], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"leaf_hash": each.leaf, **each.draw.to_json()} for each in waiting], indent=2))
        return
    for each in waiting:
        typer.echo(f"{each}, until {datetime.fromtimestamp(each.draw.deadline, UTC):%Y-%m-%d %H:%M} UTC")
    if not waiting:
        typer.echo("No drawn round waits for its replay.")


def _show_nothing(draw: Draw, *, as_json: bool) -> None:
    said = f"{draw.phase} round {draw.round} of {draw.run_id}, attempt {draw.attempt}"
    if as_json:
        typer.echo(json.dumps({**draw.to_json(), "attempt_exists": False}, indent=2))
    else:
        typer.echo(f"{said}: there is no such attempt here, so nothing to compute and no answer to give")


def _show(result: ReplayResult, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
        return
    of = f"{result.phase} round {result.round} of {result.run_id}, attempt {result.attempt}"
    if result.matches:
        typer.echo(f"{of}: the same to the bit, update {result.update_hash}")
    elif result.aborted:
        typer.echo(f"{of}: aborted, nothing was released")
    else:
        typer.echo(f"{of}: does NOT agree: {', '.join(result.findings)}")
