"""`fedscore institution ledger`: what this institution has spent of its privacy, for people and for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from federation.ledger.accountant import published_accountant
from federation.ledger.audit import read_ledger
from federation.ledger.budget import Amount, Caps, Scope
from federation.ledger.succession import Carried, Successor
from federation.ledger.summary import RefusalLine, RunLine, Summary, summarise
from federation.privacy.event import Event
from federation.runtime.sheet import Sheet
from protocols.signing import VerifyingKey

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The privacy ledger: what was spent, what is left, what was refused.",
    invoke_without_command=True,
)


@app.callback()
def ledger(
    home: Home,
    as_json: AsJson = False,
    verify: Annotated[bool, typer.Option("--verify", help="Repeat the accounting of every entry too.")] = False,
    scope: Annotated[Scope | None, typer.Option(help="Only the amounts of this scope.")] = None,
) -> None:
    """Show the ledger. Order, hashes, signatures, amounts and replies are verified whenever it is read.

    Fails where there is no ledger, or an entry does not verify: the entry is named.
    """
    opened = InstitutionHome.open(home)
    summary = read_summary(
        opened.database_url,
        institution=opened.name,
        key=opened.signing_key.public,
        caps=opened.caps(),
        now=datetime.now(UTC),
        recompute=verify,
    )
    if as_json:
        typer.echo(json.dumps({**_selected(summary, scope), "verified": True, "recomputed": verify}))
    else:
        show(summary, Console(), scope=scope, recomputed=verify)


def read_summary(
    database_url: str, *, institution: str, key: VerifyingKey, caps: Caps, now: datetime, recompute: bool = False
) -> Summary:
    """Read and verify the ledger at `database_url`, without writing. Raises LedgerError naming the entry at fault."""
    accountant = published_accountant if recompute else None
    reading = read_ledger(database_url, institution=institution, key=key, accountant=accountant)
    return summarise(reading.entries, reading.book, caps=caps, now=now)


def show(summary: Summary, console: Console, *, scope: Scope | None = None, recomputed: bool = False) -> None:
    """Print `summary` as tables for people."""
    console.print(
        f"[bold]Privacy ledger of {escape(summary.institution)}[/bold], {summary.entries} entries, all verified"
    )
    if recomputed:
        console.print("The accounting of every entry was repeated and agrees.")
    if summary.carried is not None:
        console.print(carried_line(summary.carried))
    if summary.successor is not None:
        console.print(retired_line(summary.successor), style="red")
    if summary.runs:
        _runs(summary.runs).show(console)
    _amounts([a for a in summary.amounts if scope in (None, a.scope)]).show(console)
    _burn_down(summary).show(console)
    if summary.refusals:
        _refusals(summary.refusals).show(console)
    console.print(f"Epsilon is for {summary.unit}; adjacency: {summary.adjacency.replace('_', ' ')}.")
    console.print(
        "A run, one plan fixed in advance, is capped by PLD. Year and lifetime, whose plans follow each other, are "
        "capped by RDP at one order fixed by the cap. PRV's upper bound is the figure to publish."
    )
    console.print(f"Signed by key {summary.key_id}; the last entry is\n{summary.head}", soft_wrap=True)


def carried_line(carried: Carried) -> str:
    """Where a ledger's first charges come from, as Rich markup."""
    years = ", ".join(year for year, _ in carried.years) or "no year"
    return escape(
        f"Carried on from {carried.institution}, key {carried.key_id}, {carried.entries} entries, last "
        f"{carried.head[:16]}: what was charged in {years} counts here."
    )


def retired_line(successor: Successor) -> str:
    """That a ledger has ended, as Rich markup."""
    key_id = VerifyingKey.from_hex(successor.key).key_id
    return escape(f"Retired: {successor.institution} carries on under key {key_id}; nothing can be spent here.")


def _selected(summary: Summary, scope: Scope | None) -> dict[str, object]:
    document = summary.to_json()
    if scope is not None:
        document["amounts"] = [amount for amount in document["amounts"] if amount["scope"] == scope]
    return document


def _runs(runs: tuple[RunLine, ...]) -> Sheet:
    sheet = Sheet("date", "run", "what, by which mechanism", "releases", "data", title="Releases")
    for line in runs:
        days = {f"{line.first:%Y-%m-%d}": None, f"{line.last:%Y-%m-%d}": None}
        data = f"{line.nominal_records:,} {line.vintage}".strip()
        rounds = "-".join(str(number) for number in dict.fromkeys(line.rounds))
        releases = f"{line.reserved} in {'round' if line.rounds[0] == line.rounds[-1] else 'rounds'} {rounds}"
        what = f"{line.phase}: {mechanism(line.event)}"
        sheet.add(" to ".join(days), escape(line.run_id), escape(what), releases + _not_answered(line), escape(data))
    return sheet


def _not_answered(line: RunLine) -> str:
    still_open = line.reserved - line.answered - line.failed - line.unknown
    counts = {"failed": line.failed, "lost": line.unknown, "open": still_open}
    return "".join(f", {count} {word}" for word, count in counts.items() if count)


def mechanism(event: Event) -> str:
    """A privacy event in words."""
    sampling = "full batch" if event.sampling_rate == 1 else f"Poisson q={event.sampling_rate:g}"
    name = event.mechanism.replace("_", " ").replace("gaussian", "Gaussian")
    return f"{name} {event.noise_multiplier:.4g} x clip, {sampling}, {event.steps} steps"


def _amounts(amounts: list[Amount]) -> Sheet:
    figures = ("PLD", "PRV", "RDP", "delta", "cap", "capped by", "left")
    sheet = Sheet("scope", *figures, title="Epsilon spent", right=figures)
    for a in amounts:
        spent = (f"{value:.4f}" for value in (a.pld, a.prv, a.rdp))
        rule = "PLD" if a.order is None else f"RDP, order {a.order}"
        caps = (f"{a.delta:.3g}", f"{a.cap:g}", rule, f"{a.remaining:.4f}")
        sheet.add(escape(f"{a.scope} {a.key}"), *spent, *caps, style="red" if a.remaining == 0 else "")
    return sheet


def _burn_down(summary: Summary) -> Sheet:
    figures = ("spent", "cap", "epsilon in 30 days", "reached at this pace", "plans left", "sum of deltas")
    sheet = Sheet("scope", *figures, title="Burn-down", right=figures)
    for scope in summary.burn_down:
        reached = f"{scope.exhausted:%Y-%m-%d}" if scope.exhausted else "not"
        plans = "-" if scope.plans_left is None else str(scope.plans_left)
        spent = (f"{scope.spent:.4f}", f"{scope.cap:g}", f"{30 * scope.pace:.4f}")
        deltas = f"{summary.deltas.get(scope.key, 0.0):.3g}"
        sheet.add(escape(f"{scope.scope} {scope.key}"), *spent, reached, plans, deltas)
    return sheet


def _refusals(refusals: tuple[RefusalLine, ...]) -> Sheet:
    sheet = Sheet("time", "run", "reason", "where", "got", "expected", title="Refused: nothing was computed")
    for line in refusals:
        texts = (line.run_id, line.code, line.where, line.got, line.expected)
        sheet.add(f"{line.time:%Y-%m-%d %H:%M}", *(escape(text) for text in texts))
    return sheet
