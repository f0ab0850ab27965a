"""`fedscore institution verify-model`: compute a run's model again, from the updates or the sums of its rounds."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.proved import Proved, read_proved
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.ledger.audit import read_ledger
from federation.ledger.entries import Kind
from federation.oversight.recompute import Own, Recomputed, recompute
from federation.oversight.rounds import MODEL, PLAN, ROUND, Publication, RoundStatement
from federation.rounds.plan import TrainingPlan
from federation.rounds.rule import rule_of
from federation.rounds.signed_plan import SignedPlan
from protocols.signing import VerifyingKey
from protocols.transparency import Statement, VerifierKey

DIFFERS = "model_differs"
MAX_UPDATE_BYTES = 2**25
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def verify_model(
    home: Home,
    run: Annotated[str, typer.Option(help="The run whose model is computed again.")],
    as_json: AsJson = False,
) -> None:
    """Compute a run's rounds again, from the updates the log hands out, and compare each result with what was said.

    Rounds, the hashes of updates and opened sums, and the published model are those of entries in a checkpoint that the
    witnesses cosigned; this institution's own updates are those of its ledger. Under masks the sum that was opened has
    to be that of the masked updates, where nobody may drop out. What does not show from here is said.
    Exit code 1, and a finding in HOME/oversight, where the coordinator published what does not follow.
    """
    opened = InstitutionHome.open(home)
    found = verify_run(opened, run, now=time.time())
    if as_json:
        typer.echo(json.dumps({"run_id": run, **asdict(found)}, indent=2))
    elif found.difference is None:
        _show(run, opened.name, found)
    else:
        typer.echo(f"{run}: {found.difference}")
    raise typer.Exit(0 if found.difference is None else 1)


def _show(run: str, name: str, found: Recomputed) -> None:
    model = "and so does the published model" if found.published else "no model is published yet"
    source = "the opened sums of their masked updates" if found.masked else "their updates"
    typer.echo(f"{run}: {found.rounds} rounds follow from {source} to the bit; {model}")
    typer.echo(f"The update of {name} is in {found.own} of them, as its ledger has it")
    for what in found.unchecked:
        typer.echo(f"Not checked: {what}")


def verify_run(home: InstitutionHome, run: str, *, now: float) -> Recomputed:
    """What came out; a difference is a finding in HOME/oversight. Raises ConfigurationError for a run that the log does
    not have, or whose masked rounds say no sum; LedgerError for a ledger that does not verify; what `read_proved`
    raises; Refused for updates that the log does not hand out.
    """
    folder = OversightFolder(home.path)
    with LogClient(home) as log:
        key = home.coordinator_key
        seen = read_proved(log, (PLAN, ROUND, MODEL), VerifierKey.of(home.log_key), key, now, folder.overseers())
        plan = _plan(seen, run, home)
        catalogue = load_catalogue(home.catalogue)
        if catalogue.hash != plan.catalogue.hash:
            raise ConfigurationError("catalogue.hash", got=catalogue.hash, expected=plan.catalogue.hash)
        found = recompute(
            plan,
            rule_of(catalogue, plan),
            _rounds(seen, plan, key),
            lambda named: log.document(bytes.fromhex(named), MAX_UPDATE_BYTES),
            _published(seen, plan, key),
            own=_own(home, run),
        )
    if found.difference is not None:
        folder.find(DIFFERS, run_id=run, **asdict(found.difference))
    return found


def _plan(seen: Proved, run: str, home: InstitutionHome) -> TrainingPlan:
    """The run's plan: logged, signed by all whom it names, this institution under its own key among them."""
    for _, entry in seen.entries[PLAN]:
        signed = SignedPlan.read(entry.body)
        if signed.plan.run_id == run and signed.plan.coordinator == home.coordinator_key.hex:
            signed.verify()
            member = signed.plan.member(home.name)
            if member is None or member.key != home.signing_key.public.hex:
                raise ConfigurationError("--run", got=run, expected=f"a run that {home.name} approved")
            return signed.plan
    raise ConfigurationError("--run", got=run, expected="a run whose plan is in the log")


def _own(home: InstitutionHome, run: str) -> Own:
    """What this institution's ledger says it sent in `run`."""
    reading = read_ledger(home.database_url, institution=home.name, key=home.signing_key.public)
    reserved = {
        signed.hash for signed in reading.entries if signed.entry.release and signed.entry.release.run_id == run
    }
    sent = {
        signed.entry.reservation: signed.entry.update_hash
        for signed in reading.entries
        if signed.entry.update_hash and signed.entry.reservation in reserved
    }
    whole = not any(signed.entry.kind is Kind.CARRY for signed in reading.entries[:1])
    return Own(home.name, {str(reservation): str(update) for reservation, update in sent.items()}, whole)


def _rounds(seen: Proved, plan: TrainingPlan, key: VerifyingKey) -> dict[int, RoundStatement]:
    """Training rounds as the coordinator said them. Raises ConfigurationError where it said one of them twice."""
    said: dict[int, RoundStatement] = {}
    for at, entry in seen.entries[ROUND]:
        statement = Statement.read(entry)
        if statement.signer != key:
            continue
        each = RoundStatement.from_json(statement.content)
        if (each.run_id, each.plan_hash, each.phase) != (plan.run_id, plan.hash, "train"):
            continue
        if said.setdefault(each.round, each) != each:
            raise ConfigurationError(
                f"log entry {at}", got=f"another round {each.round}", expected="one statement of it"
            )
    return said


def _published(seen: Proved, plan: TrainingPlan, key: VerifyingKey) -> str | None:
    hashes = [
        said.model_hash
        for statement in (Statement.read(entry) for _, entry in seen.entries[MODEL])
        if statement.signer == key and (said := Publication.from_json(statement.content)).plan_hash == plan.hash
    ]
    return hashes[-1] if hashes else None
