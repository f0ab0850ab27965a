"""`fedscore institution plans|approve|refuse`: what a person decides about the plans a coordinator proposed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.home import InstitutionHome
from federation.errors import ConfigurationError
from federation.runtime.sheet import Sheet

if TYPE_CHECKING:
    from clients.institution.plan_store import PlanStore, StoredPlan

Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The institution's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Hash = Annotated[str, typer.Argument(help="The plan's hash, or enough of it to be the only one.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Plans proposed by the coordinator.")


@app.command()
def plans(home: Home, as_json: AsJson = False) -> None:
    """List the plans proposed, with what each would cost and what was decided."""
    known = _store(home).plans()
    if as_json:
        typer.echo(json.dumps([_facts(stored) for stored in known], indent=2))
        return
    sheet = Sheet("plan, run", "decision", "terms", "members", "until (UTC)", title="Plans")
    for stored in known:
        plan, privacy = stored.plan, stored.plan.privacy
        cost = f"epsilon {privacy.epsilon:g}, delta {privacy.delta:.3g}"
        terms = f"{cost}, {privacy.noise} noise, {plan.rounds} rounds"
        members = ", ".join(member.institution for member in plan.members)
        until = f"{datetime.fromtimestamp(plan.expires, UTC):%Y-%m-%d %H:%M}"
        sheet.add(f"{plan.hash[:16]}\n{escape(plan.run_id)}", stored.decision.value, terms, escape(members), until)
    sheet.show(Console())


@app.command()
def approve(plan_hash: Hash, home: Home) -> None:
    """Sign a plan that waits: the node answers it from its next request on."""
    _decide(home, plan_hash, approve=True)


@app.command()
def refuse(plan_hash: Hash, home: Home) -> None:
    """Refuse a plan, or take an approval back: nothing more is computed under it."""
    _decide(home, plan_hash, approve=False)


def full_hash(known: tuple[StoredPlan, ...], prefix: str) -> str:
    """The one hash among `known` that starts with `prefix` (8 digits or more). Raises ConfigurationError."""
    found = [stored.plan.hash for stored in known if stored.plan.hash.startswith(prefix.lower())]
    if len(prefix) < 8 or len(found) != 1:
        raise ConfigurationError("plan", got=prefix[:64], expected="8 digits or more of exactly one proposed plan")
    return found[0]


def _decide(home: Path, plan_hash: str, *, approve: bool) -> None:
    from clients.institution.plan_store import Decision

    store = _store(home)
    plan = store.decide(full_hash(store.plans(), plan_hash), Decision.APPROVED if approve else Decision.REJECTED)
    typer.echo(f"{plan.run_id}: {'approved' if approve else 'refused'} ({plan.hash[:16]})")


def _store(home: Path) -> PlanStore:
    from clients.institution.plan_store import PlanStore  # plans need the training packages, help does not

    return PlanStore.open(InstitutionHome.open(home).database_url)


def _facts(stored: StoredPlan) -> dict[str, object]:
    plan = stored.plan
    return {
        "plan": plan.hash,
        "run_id": plan.run_id,
        "decision": stored.decision.value,
        "epsilon": plan.privacy.epsilon,
        "delta": plan.privacy.delta,
        "noise": plan.privacy.noise,
        "rounds": plan.rounds,
        "bundle_hash": plan.bundle_hash,
        "members": [member.institution for member in plan.members],
        "until": datetime.fromtimestamp(plan.expires, UTC).isoformat(),
    }
