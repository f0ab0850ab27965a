"""`fedscore institution`: make a home, join a federation, serve its own node, see what was spent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from clients.institution import cli_enrol, cli_partners, cli_plans
from clients.institution.cli_enrol import AsJson, Home
from clients.institution.data_check import look_at
from clients.institution.home import CapSettings, InstitutionHome, settings_text
from federation.catalogue import load_catalogue
from federation.cli import mount
from federation.delta import default_delta
from federation.errors import ConfigurationError
from federation.observability.cli import Wait, show_health

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Take part in a federation: your records, keys and budget stay here.",
    cls=mount(
        audit="clients.institution.audit_cli:app",
        blind="clients.institution.blind.blind_cli:app",
        consent="clients.institution.lookup.consent_cli:app",
        desk="clients.institution.person.desk_cli:app",
        ledger="clients.institution.ledger_cli:app",
        open="clients.institution.lookup.open_cli:app",
        lookup="clients.institution.lookup.roster_cli:app",
        notices="clients.institution.person.notices_cli:app",
        monitor="clients.institution.monitor_cli:app",
        publish="clients.institution.lookup.publish_cli:app",
        query="clients.institution.lookup.query_cli:app",
        replay="clients.institution.replay.cli:app",
        score="clients.institution.score_cli:app",
        subject="clients.institution.person.subject_cli:app",
        **{"verify-model": "clients.institution.model_cli:app"},
    ),
)
YEAR_ABOVE_RUN = 1.2  # the year is composed by another accountant (docs/ledger.md)
FINEST = 100  # no public size is a smaller step than this


@app.command()
def init(
    home: Home,
    name: Annotated[str, typer.Option(help="This institution's name: a-z, 0-9 and hyphens.")],
    catalogue: Annotated[str, typer.Option(help="The federation's data standard: a shipped name or a TOML file.")],
    data: Annotated[Path, typer.Option(help="The records: .csv, .csv.gz or .parquet. They stay where they are.")],
    nominal_records: Annotated[
        int | None,
        typer.Option(
            "--nominal",
            "--nominal-records",
            min=1,
            help="The size you publish \\[counted, two significant digits, never finer than 100].",
        ),
    ] = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share kept out of training.")] = 0.2,
    without: Annotated[list[str] | None, typer.Option(help="A feature not to take part with; repeat.")] = None,
    cap_run: Annotated[float, typer.Option(help="Epsilon allowed per run.")] = 1.0,
    cap_year: Annotated[float, typer.Option(help="Epsilon allowed per year.")] = 3.0,
    cap_lifetime: Annotated[float, typer.Option(help="Epsilon allowed for ever.")] = 10.0,
    delta: Annotated[float | None, typer.Option(help="Delta of the caps \\[1/(10 x size), at most 1e-5].")] = None,
    approve_plans: Annotated[
        Literal["within_policy", "manual"], typer.Option(help="Who signs plans that keep the caps.")
    ] = "within_policy",
    carry: Annotated[
        Path | None, typer.Option(help="The old home of this institution: its budget counts here, and ends there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a home: four private keys that never leave it, and institution.toml with your caps.

    An institution that had a home before names it with --carry: what its ledger says was spent counts in year and
    lifetime of the new one, and nothing can be spent in the old one any more.
    """
    standard = load_catalogue(catalogue)
    check_order(cap_run, cap_year, cap_lifetime)
    seen = look_at(data, standard, without=frozenset(without or ()))
    held, size = seen.features, nominal_records or public_size(seen.records * (1 - holdout))
    copied = "catalogue.toml" if catalogue.endswith(".toml") else catalogue
    text = settings_text(
        name=name,
        catalogue=copied,
        data=data.resolve(),
        nominal_records=size,
        # Not validated here: the home's own reader names the key of what is wrong.
        caps=CapSettings.model_construct(
            run=cap_run, year=cap_year, lifetime=cap_lifetime, delta=delta or default_delta([size])
        ),
        features=None if held == standard.feature_names else held,
        holdout=holdout,
        approve_plans=approve_plans,
        written=datetime.now(UTC),
    )
    opened = InstitutionHome.create(home, text, **_opening(carry))
    if copied != catalogue:
        shutil.copyfile(catalogue, opened.path / copied)
    facts = {
        "home": str(opened.path),
        "name": opened.name,
        "fingerprint": opened.fingerprint,
        "witness_key": opened.witness_key.public.hex,
        "rows": {"read": seen.rows, "good": seen.records},
        "nominal_records": size,
        "features": list(held),
        "features_missing": [feature for feature in standard.feature_names if feature not in held],
        "carried": None if carry is None else str(carry),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{opened.name} is at home in {opened.path}; its key has the fingerprint")
    typer.echo(f"  {opened.fingerprint}")
    typer.echo(f"and its witness key, for a regulator, is {facts['witness_key']}")
    typer.echo(f"{data}: {seen.rows:,} rows read, {seen.records:,} of them good.")
    typer.echo(f"Public about it: {size:,} records (nominal), {len(held)} of {len(standard.feature_names)} features.")
    if carry is not None:
        typer.echo(f"What {carry} has spent counts here; its ledger has ended. See `fedscore institution ledger`.")
    typer.echo("Read institution.toml, set your caps, then `fedscore institution enrol`.")


@app.command()
def serve(home: Home) -> None:
    """Serve this institution's node and its SuperNode until Ctrl-C."""
    from clients.institution.serve import serve as supervise  # Flower takes a second to load

    supervise(InstitutionHome.open(home), say=lambda line: typer.echo(line, err=True))


@app.command()
def health(home: Home, as_json: AsJson = False, wait: Wait = 0.0) -> None:
    """Ask the processes that `serve` runs here how they are. Exit code 0: all are ready, 3: not."""
    show_health(InstitutionHome.open(home).path, as_json=as_json, wait=wait)


app.registered_commands += cli_enrol.app.registered_commands
app.registered_commands += cli_plans.app.registered_commands
app.registered_commands += cli_partners.app.registered_commands


def _opening(carry: Path | None) -> dict[str, Callable[[InstitutionHome], None]]:
    if carry is None:
        return {}
    from clients.institution.carry import carrying  # the ledger's packages are not needed for a first home

    return {"opening": carrying(InstitutionHome.open(carry))}


def check_order(run: float, year: float, lifetime: float) -> None:
    """Raises ConfigurationError for caps of which one could never be reached. A home's settings may have such: what an
    earlier home has spent is taken off by hand.
    """
    if not YEAR_ABOVE_RUN * run <= year:
        expected = f"at least {YEAR_ABOVE_RUN * run:g}: a fifth above the run's, or no whole run fits"
        raise ConfigurationError("--cap-year", got=f"{year:g}", expected=expected)
    if not year <= lifetime:
        raise ConfigurationError("--cap-lifetime", got=f"{lifetime:g}", expected=f"at least the year's, {year:g}")


def public_size(records: float) -> int:
    """What an institution says of its size unless it chooses: two significant digits, never finer than 100.

    It is a figure somebody puts their name to, not a release: nothing is added to it, and no budget is charged.

    >>> [public_size(n) for n in (0.4, 98, 149, 1_234, 8_213, 149_999)]
    [100, 100, 100, 1200, 8200, 150000]
    """
    step = max(FINEST, int(10 ** (len(str(int(records))) - 2)))
    return max(FINEST, step * round(records / step))
