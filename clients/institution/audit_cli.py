"""`fedscore institution audit`: test the trainer that serves this institution's node, and sign what was found."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.audits import Requested, keep, run_audit
from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.plan_store import PlanStore
from federation.errors import ConfigurationError
from federation.oversight.audits import AuditResult
from federation.privacy.omission import omission
from federation.rounds import TrainingPlan
from federation.runtime.sheet import Sheet

_SEED_BYTES = 32

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Audit the trainer that serves this institution: claimed against measured epsilon, signed.",
    invoke_without_command=True,
)


@app.callback()
def audit(
    home: Home,
    kind: Annotated[
        Literal["contract", "canary", "one-run"] | None, typer.Option(help="Which audit; a request names its own.")
    ] = None,
    request: Annotated[Path | None, typer.Option(help="The regulator's signed request, as the log has it.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan's hash, or enough of it \\[the only plan].")] = None,
    seed: Annotated[
        str | None, typer.Option(help="64 hexadecimal digits \\[drawn here: nobody else chose it].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one audit on records drawn from a seed. No record of yours is read and no budget is charged.

    The signed result is kept in HOME/audits and goes to the log from there. Exit code 1 if a check failed.
    """
    opened = InstitutionHome.open(home)
    asked = None if request is None else Requested.read(request, opened.name, now=time.time())
    if asked is not None:
        if kind not in (None, asked.request.kind) or plan or seed:
            raise ConfigurationError(
                "--request", got="--kind, --plan or --seed beside it", expected="the request alone"
            )
        kind, plan, seed = asked.request.kind, asked.request.plan_hash, asked.request.seed
    if kind is None:
        raise ConfigurationError("--kind", got="none", expected="contract, canary or one-run, or a --request")
    chosen = secrets.token_bytes(_SEED_BYTES) if seed is None else _seed(seed)
    started = time.perf_counter()
    audited = _plan(opened, plan)
    result = run_audit(opened, audited, kind, chosen, requested=asked)
    seconds = time.perf_counter() - started
    path = keep(opened, result)
    if as_json:
        typer.echo(json.dumps({**result.to_json(), "seconds": round(seconds, 2), "file": str(path)}))
    else:
        _show(result, Console(), seconds, path, asked, audited)
    raise typer.Exit(0 if result.passed else 1)


def _seed(text: str) -> bytes:
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES or seed.hex() != text:
        raise ConfigurationError("--seed", got=text[:70], expected="64 lower-case hexadecimal digits")
    return seed


def _plan(home: InstitutionHome, chosen: str | None) -> TrainingPlan:
    """The one plan whose hash begins with `chosen`, of those this node was shown. Raises ConfigurationError."""
    plans = [stored.plan for stored in PlanStore.open(home.database_url).plans()]
    found = [plan for plan in plans if plan.hash.startswith(chosen or "")]
    if len(found) != 1:
        raise ConfigurationError("--plan", got=f"{len(found)} plans that fit", expected="the hash of one plan")
    return found[0]


def _show(
    result: AuditResult, console: Console, seconds: float, path: Path, asked: Requested | None, plan: TrainingPlan
) -> None:
    title = f"Audit of {result.institution}: {result.kind}"
    sheet = Sheet("check", "claimed", "measured", "judged by", "", title=title)
    for finding in result.findings:
        rules = {
            "within": finding.tolerance,
            "p": finding.p_value,
            "lower bound, confidence": finding.confidence,
        }
        judged = ", ".join(f"{name} {value:.6g}" for name, value in rules.items() if value is not None)
        verdict = "passed" if finding.passed else "[red]FAILED[/red]"
        sheet.add(escape(finding.name), f"{finding.claimed:.4f}", f"{finding.measured:.4f}", judged, verdict)
    sheet.show(console)
    whose = "nobody asked for it" if asked is None else f"asked by key {asked.signer.key_id}"
    console.print(
        f"Epsilon claimed {result.claimed:.4f}, measured {result.measured:.4f} at delta {result.delta:g}; "
        f"{seconds:.1f} s; {whose}."
    )
    console.print("It tests the trainer that is presented; only a replayed round shows what production did.")
    if plan.privacy.sharing is not None:
        console.print(f"Shared noise: {omission(plan.privacy)}.", soft_wrap=True)
    console.print(f"Signed: {escape(str(path))}", soft_wrap=True)
