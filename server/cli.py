"""`fedscore coordinator`: found a federation, admit its members, serve them, train with them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError, FederationError
from federation.observability.cli import Wait, show_health
from federation.runtime.pki import key_fingerprint
from federation.runtime.sheet import Sheet
from server import cli_epoch, cli_members
from server.choices import Method, Noise
from server.cli_members import AsJson, Home, roster_sheet
from server.home import CoordinatorHome
from server.home_settings import settings_text
from server.membership import Membership
from server.runs import RunView, read_runs

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Coordinate a federation."
)
app.registered_commands += cli_members.app.registered_commands
app.add_typer(cli_epoch.app, name="epoch")
LOOPBACK = "127.0.0.1"
INTERRUPTED = 130  # as a shell says it: 128 + SIGINT


@app.command()
def init(
    home: Home,
    catalogue: Annotated[str, typer.Option(help="The data standard: a shipped name or a TOML file (copied).")],
    host: Annotated[str, typer.Option(help="Name or address under which institutions reach this machine.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65530, help="First of six consecutive ports.")] = 9090,
    name: Annotated[str, typer.Option(help="The coordinator's name.")] = "coordinator",
    bind: Annotated[str, typer.Option(help="Local address to listen on, if not HOST.")] = "",
    extra_host: Annotated[list[str] | None, typer.Option(help="Another name for the certificate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a home: authority, certificate, keys, settings, database. Private keys stay there."""
    from server.membership_store import MembershipStore  # with SQLAlchemy, which `serve` can do without

    standard = load_catalogue(catalogue)
    now = datetime.now(UTC)
    copied = "catalogue.toml" if catalogue.endswith(".toml") else catalogue
    text = settings_text(
        name=name, catalogue=copied, host=host, port=port, bind=bind, extra_hosts=tuple(extra_host or ()), written=now
    )
    opened = CoordinatorHome.create(home, text, now)
    if copied != catalogue:
        shutil.copyfile(catalogue, opened.path / copied)
    MembershipStore.open(opened.database_url).close()
    facts = {
        "home": str(opened.path),
        "name": opened.name,
        "catalogue": {"name": standard.name, "version": standard.version, "hash": standard.hash},
        **_identity(opened),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{opened.name} is at home in {opened.path}; its authority has the fingerprint")
    _read_out(facts)


@app.command()
def serve(home: Home) -> None:
    """Serve members until Ctrl-C: membership, SuperLink and round drivers, restarted when they die."""
    from server.serve import serve as supervise  # Flower takes a second to load

    supervise(CoordinatorHome.open(home), say=lambda line: typer.echo(line, err=True))


@app.command()
def train(
    home: Home,
    epsilon: Annotated[float | None, typer.Option(help="Budget of the whole run per institution [1.0].")] = None,
    delta: Annotated[float | None, typer.Option(help="At most 1/(10 x nominal records) \\[from the roster].")] = None,
    noise: Annotated[
        Noise | None, typer.Option(help="local | secagg: shares of it, under masks \\[secagg from 3 members on].")
    ] = None,
    recipe: Annotated[
        Method | None, typer.Option(help="fedavg | a | g | gp: docs/recipes.md \\[gp or g under secagg, else fedavg].")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Training rounds, of fedavg alone \\[20].")] = None,
    quorum: Annotated[int | None, typer.Option(help="Answers a round needs, of local noise \\[all but one].")] = None,
    round_deadline: Annotated[float | None, typer.Option(help="Seconds a round may take [120].")] = None,
    member: Annotated[list[str] | None, typer.Option(help="Only these members; repeat \\[all admitted].")] = None,
    plan: Annotated[Path | None, typer.Option(help="A TOML file with these and finer options.")] = None,
    run_id: Annotated[str | None, typer.Option(help="Name of the run; one that exists is continued.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train although there are too few records.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one model with the admitted members, over the coordinator that `serve` runs or is about to.

    Ctrl-C stops the run, as `fedscore coordinator stop RUN` does; the exit code is 130 then. With --run-id it goes on.
    """
    opened = CoordinatorHome.open(home)
    admitted = _roster(opened, admitted_only=True)
    if not admitted:
        raise ConfigurationError("members", got="no admitted member", expected="see `fedscore coordinator members`")

    from server.superlink import await_served, shipped_bundle  # from here on with the accountants and Flower
    from server.train import PlanFile, carry, prepare, read_plan_file
    from server.train_progress import watching

    said = (PlanFile() if plan is None else read_plan_file(plan)).with_overrides(
        epsilon=epsilon,
        delta=delta,
        noise=noise,
        method=recipe,
        rounds=rounds,
        quorum=quorum,
        round_deadline_s=round_deadline,
        members=tuple(member) if member else None,
        force=force or None,
    )
    console = Console(stderr=True)
    prepared = prepare(
        opened,
        admitted,
        said,
        run_id=run_id or f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        bundle_hash=shipped_bundle().hash,
        now=time.time(),
    )
    if not await_served(opened):  # which starts beside this command; nothing is written before
        raise ConfigurationError(
            "train", got="serve is not running here", expected="`fedscore coordinator serve`, in another terminal"
        )
    console.print(prepared.noise, highlight=False, markup=False, soft_wrap=True)
    try:
        with watching(prepared.plan.rounds, console) as watch:
            summary = carry(opened, prepared.plan, on_event=watch)
    except KeyboardInterrupt:
        _stop(opened, prepared.plan.run_id)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
        return
    epsilons = summary["epsilon"]
    typer.echo(f"{summary['run_id']}: {summary['rounds']} rounds with {', '.join(summary['members'])}")
    typer.echo(
        f"the plan's epsilon {epsilons['pld']:.3f} (PLD), {epsilons['prv']:.3f} (PRV), {epsilons['rdp']:.3f} (RDP) "
        f"at delta {summary['delta']:g}, {summary['adjacency']}, per institution; it pays for spare rounds too, so what"
    )
    typer.echo("  was spent is less: see `fedscore institution ledger`")
    typer.echo(f"{summary['noise']} noise, recipe {summary['recipe']}: {summary['trust']}")
    typer.echo(f"model {summary['model_hash'][:16]} in {summary['model']}, {summary['seconds']:.1f} s")
    typer.echo(f"its card: {summary['card']}, and beside it {Path(summary['card']).with_suffix('.html').name}")


@app.command()
def stop(home: Home, run: Annotated[str, typer.Argument(help="The run's name: see `status`.")]) -> None:
    """Stop a run: no member is asked anything more for it, whatever is restarted, until `train --run-id` goes on."""
    _stop(CoordinatorHome.open(home), run)


@app.command()
def card(
    home: Home, run: Annotated[str, typer.Option(help="The run's name: see `status`.")], as_json: AsJson = False
) -> None:
    """Make a published model's card again (card.json, card.html in the run's folder) and print it."""
    opened = CoordinatorHome.open(home)
    from server.card import write_card  # with the figures of the evaluation
    from server.card_view import show_card
    from server.oversight.cards import say_card

    made = write_card(opened.run(run), load_catalogue(opened.catalogue))
    say_card(opened, run)
    if as_json:
        typer.echo(json.dumps(made.to_json(), indent=2))
        return
    show_card(made, opened.run(run), Console())


@app.command()
def health(home: Home, as_json: AsJson = False, wait: Wait = 0.0) -> None:
    """Ask the processes that `serve` runs here how they are. Exit code 0: all are ready, 3: not."""
    show_health(CoordinatorHome.open(home).path, as_json=as_json, wait=wait)


@app.command()
def status(home: Home, as_json: AsJson = False) -> None:
    """Show members, whose nodes are connected, runs, and the keys to be read out to members and a regulator."""
    opened = CoordinatorHome.open(home)
    known, runs, online = _roster(opened), read_runs(opened.runs), _online(opened)
    if as_json:
        document = {
            "name": opened.name,
            **_identity(opened),
            "superlink": "away" if online is None else "serving",
            "members": [
                member.to_json() | {"online": None if online is None else member.institution in online}
                for member in known
            ],
            "runs": [run.to_json() for run in runs],
        }
        typer.echo(json.dumps(document, indent=2))
        return
    console = Console()
    roster_sheet(known, online).show(console)
    _runs_sheet(runs).show(console)
    typer.echo("The authority has the fingerprint")
    _read_out(_identity(opened))
    if online is None:
        console.print("The SuperLink does not answer: `fedscore coordinator serve` is not running here.")


def _identity(home: CoordinatorHome) -> dict[str, str]:
    """What others are told of a coordinator; none of it is secret."""
    return {
        "enrolment_address": home.enrolment_address,
        "member_address": home.member_address,
        "fleet_address": home.fleet_address,
        "authority": str(home.keys / "ca.crt"),
        "authority_fingerprint": home.authority_fingerprint,
        "key_fingerprint": key_fingerprint(home.signing_key.public),
        "key": home.signing_key.public.hex,
        "log_address": home.log_address,
        "log_key": home.log_key.public.key.hex,
    }


def _read_out(identity: Mapping[str, object]) -> None:
    typer.echo(f"  {identity['authority_fingerprint']}")
    typer.echo("Give it to your members over a channel they trust; they enrol with")
    typer.echo(f"  fedscore institution enrol --coordinator {identity['enrolment_address']} --ca FINGERPRINT")
    typer.echo("For a regulator, over such a channel too (`fedscore regulator init`):")
    typer.echo(f"  --coordinator-key {identity['key']}")
    typer.echo(f"  --log {identity['log_address']}")
    typer.echo(f"  --log-key {identity['log_key']}")
    typer.echo(f"  --authority: a copy of {identity['authority']}")


def _stop(home: CoordinatorHome, run: str) -> None:
    from server.runs import read_run
    from server.stopping import stop_run

    gone = stop_run(home, run)
    view = read_run(home.run(run))
    typer.echo(
        f"{run} is stopped after round {view.round} of {view.rounds}; what was done is kept, and was charged.", err=True
    )
    if not gone:
        typer.echo("Its round driver has yet to see it: a question that is under way may still be answered.", err=True)
    typer.echo(f"To go on: fedscore coordinator train --run-id {run} --home {home.path}", err=True)


def _roster(home: CoordinatorHome, *, admitted_only: bool = False) -> tuple[Membership, ...]:
    from server.membership_store import MembershipStore

    store = MembershipStore.open(home.database_url)
    try:
        return store.admitted() if admitted_only else store.all()
    finally:
        store.close()


def _online(home: CoordinatorHome) -> frozenset[str] | None:
    """The institutions whose nodes are connected; None if the SuperLink does not answer."""
    from federation.runtime.node_keys import flower_public_pem
    from server.superlink import control, serves

    if not serves(home):
        return None

    try:
        with control(home) as hand:
            nodes, connected = hand.nodes(), hand.online()
    except FederationError:
        return None
    of_key = {flower_public_pem(member.node_key): member.institution for member in _roster(home, admitted_only=True)}
    return frozenset(of_key[key] for key, node in nodes.items() if node in connected and key in of_key)


def _runs_sheet(runs: tuple[RunView, ...]) -> Sheet:
    sheet = Sheet("run", "state", "round", "epsilon", "members", "model", title="Runs")
    for run in runs:
        position, members = f"{run.round}/{run.rounds}", ", ".join(run.members)
        state = f"{run.state} ({run.detail})" if run.detail else run.state
        model = (run.model_hash or "")[:16]
        sheet.add(escape(run.run_id), escape(state), position, f"{run.epsilon:g}", escape(members), model)
    return sheet
