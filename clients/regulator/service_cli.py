"""The regulator's own service: make a home, watch the log, serve pages, ask for audits, draw rounds."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from clients.regulator.home import RegulatorHome
from clients.regulator.settings import settings_text
from clients.regulator.view import show
from federation.observability.cli import Wait, show_health
from federation.runtime.logging import configure_process
from federation.runtime.stop_signal import until_stopped
from protocols.signing import VerifyingKey
from protocols.transparency import Entry

if TYPE_CHECKING:
    from clients.regulator.asking import Askable

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)
AUTHORITY = "log-authority.pem"
_DAY_S = 86_400
Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The regulator's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Days = Annotated[int, typer.Option("--days", min=1, help="How long the institution may take.")]


@app.command()
def init(
    home: Home,
    log: Annotated[str, typer.Option(help="The log's address: https://HOST:PORT.")],
    log_key: Annotated[str, typer.Option(help="The log's key (hex), as the coordinator's operator read it out.")],
    coordinator_key: Annotated[str, typer.Option(help="The coordinator's key (hex), likewise.")],
    authority: Annotated[Path | None, typer.Option(help="Certificate that the log's server is signed with.")] = None,
    name: Annotated[str, typer.Option(help="The regulator's name.")] = "regulator",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the pages are served, on this machine.")] = 9390,
    as_json: AsJson = False,
) -> None:
    """Make a home: keys, settings, and a policy to be completed. Prints what the coordinator's operator enters."""
    pinned = AUTHORITY if authority is not None else ""
    text = settings_text(name=name, log_url=log, log_authority=pinned, port=port, written=datetime.now(UTC))
    keys = {"log": VerifyingKey.from_hex(log_key), "coordinator": VerifyingKey.from_hex(coordinator_key)}
    opened = RegulatorHome.create(home, text, **keys)
    if authority is not None:
        shutil.copyfile(authority, opened.path / AUTHORITY)
    said = opened.registration.to_json()
    if as_json:
        typer.echo(json.dumps({"home": str(opened.path), "registration": said}, indent=2))
        return
    typer.echo(f"{opened.name} is at home in {opened.path}. For coordinator.toml, to be read out to its operator:\n")
    typer.echo("[regulator]")
    typer.echo("\n".join(f"{field} = {json.dumps(value)}" for field, value in said.items()))
    typer.echo(
        "\nComplete policy.toml (witness keys from the members themselves, caps), then `fedscore regulator watch`."
    )
    typer.echo(f"The pages open with the token in {opened.path / 'keys' / 'access.token'}.")


@app.command()
def watch(home: Home) -> None:
    """Follow the log, verify what is new, cosign, reveal beacons, draw rounds: until Ctrl-C, or until it dies."""
    from clients.regulator.figures import observe_watch
    from clients.regulator.watch.watcher import Watcher  # with the ledger's packages
    from clients.regulator.watch.work import Work
    from federation.observability.monitor import monitored
    from federation.observability.names import Process

    opened = RegulatorHome.open(home)
    configure_process(opened.logs / "watch.jsonl")
    stop, watcher = until_stopped(), Watcher.open(opened)
    typer.echo(f"{opened.name}: watching {opened.settings.log_url} from entry {watcher.mirror.tree.size}", err=True)
    with monitored(Process.REGULATOR, opened.path, opened.name, opened.settings.metrics) as monitor:
        work = Work(watcher, stop)
        observe_watch(monitor, watcher)
        monitor.part("watch", work.why, vital=True)
        work.start()
        stop.wait()
        work.conclude()


@app.command()
def health(home: Home, as_json: AsJson = False, wait: Wait = 0.0) -> None:
    """Ask the watch of this home how it is. Exit code 0: it is ready, 3: not."""
    show_health(RegulatorHome.open(home).path, as_json=as_json, wait=wait)


@app.command()
def serve(home: Home) -> None:
    """Serve the pages until Ctrl-C."""
    from clients.regulator.serve import serving

    opened = RegulatorHome.open(home)
    configure_process(opened.logs / "pages.jsonl")
    stop = until_stopped()
    with serving(opened) as port:
        scheme = "https" if opened.settings.pages.tls_key else "http"
        typer.echo(f"{opened.name}: pages on {scheme}://{opened.settings.pages.bind}:{port}", err=True)
        stop.wait()


@app.command()
def check(
    home: Home,
    openings: Annotated[
        list[Path] | None, typer.Argument(help="Openings that institutions handed in, of a draw.")
    ] = None,
    draw: Annotated[str, typer.Option(help="The draw to judge \\[the openings' own].")] = "",
    catalogue: Annotated[
        list[Path] | None, typer.Option(help="Of a draw: a catalogue that does not come with fedscore; repeat.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Of a draw: do not log the verdicts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify the own copy completely, now, in ten steps. Exit code 0 only if all of them hold.

    With openings, or --draw: judge the inquiries that were drawn (`sample`), by what was handed in now and before. The
    verdict on a querier is logged once nothing of its is awaited any more. Exit code 1 if an inquiry is broken, or was
    not opened in time.
    """
    if openings or draw:
        from clients.regulator.inquiries.cli import check_openings

        check_openings(home, openings or (), draw, catalogue or (), keep=keep, as_json=as_json)
        return
    from clients.regulator.mirror import MirrorStore
    from clients.regulator.watch.thorough import verify_copy

    opened = RegulatorHome.open(home)
    verdict = verify_copy(opened, MirrorStore.open(opened.database_url), time.time())
    if as_json:
        typer.echo(json.dumps(verdict.to_json()))
    else:
        show(verdict, Console())
    if not verdict.holds:
        raise typer.Exit(1)


@app.command("request")
def request_audit(
    home: Home,
    institution: Annotated[str, typer.Option(help="Who is asked.")],
    kind: Annotated[Literal["contract", "canary", "one-run"], typer.Option(help="Which audit.")],
    plan: Annotated[str, typer.Option(help="The plan's hash, in full.")],
    out: Annotated[Path, typer.Option(help="The signed request, for `fedscore institution audit --request`.")],
    days: Days = 14,
    as_json: AsJson = False,
) -> None:
    """Ask an institution for an audit, with a seed drawn here; in the log when this returns.

    What the own copy of the log does not show (the institution, the plan) is refused before anything is signed.
    """
    from federation.oversight.audits import AuditRequest

    opened = RegulatorHome.open(home)
    _askable(opened).check_audit(institution, plan)
    seed, expires = secrets.token_hex(32), int(time.time()) + days * _DAY_S
    entry = AuditRequest(institution, kind, plan, seed, expires).sign(opened.signing_key)
    _say(opened, f"audit/{institution}/{entry.hash.hex()}", entry)
    out.write_bytes(entry.data)
    said = {"leaf_hash": entry.hash.hex(), "file": str(out), "expires": expires}
    until = f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d}"
    typer.echo(json.dumps(said) if as_json else f"{out}: asks {institution} for a {kind} audit until {until}")


@app.command()
def draw(
    home: Home,
    institution: Annotated[str, typer.Option(help="Who is to compute it again.")],
    run: Annotated[str, typer.Option(help="The run.")],
    round: Annotated[int, typer.Option(min=0, help="The round; 0 for the evaluation.")],
    attempt: Annotated[int, typer.Option(min=1, help="Which reservation of that round.")] = 1,
    phase: Annotated[Literal["train", "evaluate"], typer.Option(help="The phase.")] = "train",
    days: Days = 14,
    as_json: AsJson = False,
) -> None:
    """Draw a round beyond those that `watch` draws by itself; in the log when this returns.

    What the own copy of the log does not show (run, round, attempt, institution) is refused before anything is signed.
    """
    from clients.regulator.watch.replays import slot_of
    from federation.oversight.replay import Draw, Place

    opened, place = RegulatorHome.open(home), Place(run, phase, round, attempt)
    _askable(opened).check_draw(institution, place)
    asked = Draw(institution, run, phase, round, attempt, int(time.time()) + days * _DAY_S)
    entry = _say(opened, slot_of(institution, place), asked.entry(opened.signing_key))
    said = {"leaf_hash": entry.hash.hex()}
    typer.echo(json.dumps(said) if as_json else f"fedscore institution replay {entry.hash.hex()}   # at {institution}")


@app.command()
def rotate(home: Home, as_json: AsJson = False) -> None:
    """Hand the witness key over to a fresh one; in the log when this returns. `watch` does the rest.

    It cosigns with the new key what covers the handover, and erases the old one once a quorum has. Called again before
    that, the same handover is said again.
    """
    from clients.regulator.mirror import MirrorStore
    from clients.regulator.rotation import begin
    from clients.regulator.saying import say
    from federation.oversight.handover import Handover

    opened = RegulatorHome.open(home)
    store = MirrorStore.open(opened.database_url)
    try:
        kept = begin(opened, store, time.time())
        entry = say(opened, store, kept.slot, kept.entry)
    finally:
        store.close()
    said = Handover.read(entry, opened.policy.coordinator)
    old, new = said.old, said.new
    if as_json:
        typer.echo(json.dumps({"old": old.hex, "new": new.hex, "leaf_hash": entry.hash.hex()}))
        return
    typer.echo(f"{opened.name} hands its witness key {old.key_id} over to {new.key_id}: {new.hex}")
    typer.echo("Let `fedscore regulator watch` run until keys/witness.next.pem is gone, and back the new key up.")


def _askable(home: RegulatorHome) -> Askable:
    from clients.regulator.asking import Askable
    from clients.regulator.mirror import MirrorStore

    store = MirrorStore.open(home.database_url)
    try:
        return Askable.read(store)
    finally:
        store.close()


def _say(home: RegulatorHome, slot: str, entry: Entry) -> Entry:
    from clients.regulator.mirror import MirrorStore
    from clients.regulator.saying import say

    store = MirrorStore.open(home.database_url)
    try:
        return say(home, store, slot, entry)
    finally:
        store.close()
