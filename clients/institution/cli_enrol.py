"""`fedscore institution enrol|status|accept-bundle`: joining, and where one stands."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.institution.enrolment_client import Enrolment, Standing, pin_authority
from clients.institution.home import InstitutionHome
from federation.catalogue import Catalogue, load_catalogue
from federation.enrolment import Code
from federation.errors import ConfigurationError, FederationError, Refused
from federation.runtime.pki import load_certificate
from federation.runtime.rpc import Unreachable
from protocols.errors import ProtocolError

Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The institution's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LONGEST_PAUSE_S = 5.0
AGAIN = 3  # exit code: not yet
LINE = 80  # characters: longer facts get lines of their own

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Joining a federation.")


@app.command()
def enrol(
    home: Home,
    coordinator: Annotated[str, typer.Option(help="HOST:PORT of the coordinator's enrolment service.")],
    ca: Annotated[str, typer.Option(help="The authority's SHA-256 fingerprint, or its certificate file.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the operator decided.")] = True,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait.")] = 3600.0,
    accept_bundle: Annotated[str | None, typer.Option(help="Allow this bundle hash, and no other.")] = None,
    accept_announced_bundle: Annotated[
        bool, typer.Option("--accept-announced-bundle", help="Allow the announced bundle unseen (automation).")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Apply anew after a rejection.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply to a coordinator and collect the certificate once its operator has compared fingerprints.

    Exit code 1 if the application or the coordinator's authority is refused; 3 if nobody answers, or nobody decided in
    time: call again.
    """
    with _reported(as_json):
        _enrol(
            InstitutionHome.open(home),
            coordinator,
            ca,
            timeout=timeout if wait else None,
            accept_bundle=accept_bundle,
            unseen=accept_announced_bundle,
            again=again,
            as_json=as_json,
        )


def _enrol(
    opened: InstitutionHome,
    coordinator: str,
    ca: str,
    *,
    timeout: float | None,
    accept_bundle: str | None,
    unseen: bool,
    again: bool,
    as_json: bool,
) -> None:
    """`timeout`: seconds to wait for the decision; None: not at all."""
    console = Console(stderr=True)
    authority = pin_authority(coordinator, ca)
    with Enrolment(opened, coordinator, authority, lambda: datetime.now(UTC)) as enrolment:
        standing = apply_once(enrolment, opened, load_catalogue(opened.catalogue), again=again)
        if standing.state == "pending":
            console.print(
                f"{standing.institution} has applied. Read this to the coordinator's operator, not over this network:"
            )
            console.print(f"  {standing.fingerprint}", highlight=False)
            if timeout is not None:
                with console.status("waiting for the operator's decision"):
                    standing = wait_for_decision(enrolment, timeout=timeout)
        announced = enrolment.coordinator.bundle_hash
    if standing.state == "admitted":
        _settle_bundle(opened, announced, accept_bundle, unseen=unseen, console=console)
    _report(opened, standing, announced, as_json=as_json)
    if standing.state in ("rejected", "revoked"):
        raise typer.Exit(1)


@contextmanager
def _reported(as_json: bool) -> Iterator[None]:
    """What stands in the way, on standard output where a program reads it; exit code 3 where it may pass."""
    try:
        yield
    except (FederationError, ProtocolError) as error:
        where = error.field if isinstance(error, ProtocolError) else error.where
        if as_json:
            code = error.code if isinstance(error, Refused) else None
            said = {"error": type(error).__name__, "code": code, "where": where}
            typer.echo(json.dumps(said | {"got": error.got, "expected": error.expected}, indent=2))
        elif not isinstance(error, Unreachable):
            raise
        else:
            typer.echo(f"fedscore: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(AGAIN if isinstance(error, Unreachable) else 1) from error


@app.command()
def status(home: Home, as_json: AsJson = False) -> None:
    """Show this institution's identity, coordinator, certificate, bundles and caps; asks nobody."""
    facts = facts_of(InstitutionHome.open(home))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        parts = _shown(value)
        line = f"{key:<18}{', '.join(parts)}"
        typer.echo(line if len(line) <= LINE else "\n  ".join((key, *parts)))


@app.command()
def accept_bundle(
    home: Home, bundle_hash: Annotated[str, typer.Argument(help="SHA-256 of the bundle, in full.")]
) -> None:
    """Allow one more Flower bundle; runs with a bundle that is not allowed are refused."""
    opened = InstitutionHome.open(home)
    opened.accept_bundle(bundle_hash)
    typer.echo(f"{opened.name} allows {len(opened.allowed_bundles)} bundle(s)")


def _shown(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{key} {inner}" for key, inner in value.items()]
    if isinstance(value, list):
        return list(map(str, value)) or ["none"]
    return ["none" if value is None else str(value)]


def apply_once(enrolment: Enrolment, home: InstitutionHome, catalogue: Catalogue, *, again: bool) -> Standing:
    """Where the application of this home stands; made now if there is none, or if `again` and the last was rejected.

    Raises ConfigurationError if the coordinator works to another catalogue.
    """
    theirs = enrolment.coordinator.catalogue_hash
    if theirs != catalogue.hash:
        raise ConfigurationError("catalogue", got=f"the coordinator's {theirs[:64]}", expected=catalogue.hash)
    try:
        standing = enrolment.collect()
    except Refused as refusal:
        if refusal.code != Code.UNKNOWN:
            raise
    else:
        if not (again and standing.state == "rejected"):
            return standing
    features = home.settings.features or catalogue.feature_names
    return enrolment.apply(catalogue.hash, tuple(features))


def wait_for_decision(
    enrolment: Enrolment,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Standing:
    """Ask until the application is no longer pending, or `timeout` seconds are over; outages are waited out."""
    deadline, pause = clock() + timeout, 0.5
    while True:
        standing = _ask_once(enrolment)
        if standing is not None and standing.state != "pending":
            return standing
        if clock() + pause > deadline:
            raise Unreachable("enrolment", got="no decision yet", expected=f"one within {timeout:g} s; call again")
        sleep(pause)
        pause = min(pause * 1.2, LONGEST_PAUSE_S)


def facts_of(home: InstitutionHome) -> dict[str, object]:
    """What there is to know about a home without asking anybody."""
    certificate = home.keys / "tls.crt"
    enrolled = certificate.exists()
    return {
        "name": home.name,
        "fingerprint": home.fingerprint,
        "witness_key": home.witness_key.public.hex,
        "catalogue": home.settings.catalogue,
        "nominal_records": home.settings.nominal_records,
        "caps": home.settings.caps.model_dump(),
        "approve_plans": home.settings.approve_plans,
        "coordinator": home.coordinator().model_dump() if enrolled else None,
        "certificate_until": (
            load_certificate(certificate.read_bytes()).not_valid_after_utc.isoformat() if enrolled else None
        ),
        "bundles": sorted(home.allowed_bundles),
        "drawn": drawn_rounds(home),
    }


def drawn_rounds(home: InstitutionHome) -> list[str]:
    """What the regulator drew and this institution has not computed again: arguments of `institution replay`."""
    if not (home.path / "replay").is_dir():
        return []
    from clients.institution.replay.draws import open_draws  # with the ledger's packages

    return [each.leaf for each in open_draws(home.path)]


def _ask_once(enrolment: Enrolment) -> Standing | None:
    try:
        return enrolment.collect()
    except Unreachable:
        return None
    except Refused as refusal:
        if refusal.code != Code.TOO_MANY:
            raise
        return None


def _settle_bundle(
    home: InstitutionHome, announced: str, accepted: str | None, *, unseen: bool, console: Console
) -> None:
    """Allow the announced bundle if that was asked for: by its hash, by the flag, or by a person at a terminal."""
    if accepted is not None and accepted.lower() != announced:
        raise ConfigurationError("--accept-bundle", got=accepted[:80], expected=f"the announced bundle {announced}")
    if not announced or announced in home.allowed_bundles:
        return
    if accepted is None and not unseen:
        console.print(f"The coordinator announces the Flower bundle {announced}", highlight=False)
        if not (sys.stdin.isatty() and typer.confirm("Allow it to run here?", err=True)):
            console.print("Not allowed. When you have looked at it: fedscore institution accept-bundle HASH")
            return
    home.accept_bundle(announced)


def _report(home: InstitutionHome, standing: Standing, announced: str, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "institution": standing.institution,
            "state": standing.state,
            "fingerprint": standing.fingerprint,
            "announced_bundle": announced,
            "bundles": sorted(home.allowed_bundles),
        }
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"{standing.institution}: {standing.state}")
