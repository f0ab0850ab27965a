"""A verdict for people at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from clients.regulator.findings import Outcome, StepResult, Verdict
from federation.runtime.sheet import Sheet

SHOWN, LONGEST = 3, 240  # of a step at a terminal: findings, and characters of one
_STYLE = {Outcome.HOLDS: "green", Outcome.FAILS: "bold red", Outcome.NOT_JUDGED: "yellow"}


def show(verdict: Verdict, console: Console) -> None:
    """All steps, then the first failure, or what to remember."""
    sheet = Sheet("step", "", "result", "what was found", title="Verification")
    for step in verdict.steps:
        sheet.add(str(step.number), step.title, f"[{_STYLE[step.outcome]}]{step.outcome}[/]", _details(step))
    sheet.show(console)
    if verdict.first is not None:
        step, finding = verdict.first
        console.print(f"[bold red]Step {step.number} fails first:[/] {escape(str(finding))}", soft_wrap=True)
        for name, numbers in verdict.at_fault.items():
            steps = ", ".join(map(str, numbers))
            console.print(f"[red]{escape(name)}[/] signed what fails in steps {steps}", soft_wrap=True)
        console.print(
            "Nothing else fails: the log is sound." if verdict.sound else "[bold red]The log is not sound.[/]"
        )
    elif not verdict.holds:
        console.print("[yellow]Not every step could be judged.[/]")
    else:
        console.print("[green]All steps hold.[/] To be remembered in the policy, for the next export:")
        console.print(escape(seen(verdict)), soft_wrap=True)


def seen(verdict: Verdict) -> str:
    """The checkpoint as a table of policy.toml; empty where there is none."""
    if verdict.checkpoint is None:
        return ""
    return f'[seen]\nsize = {verdict.checkpoint["size"]}\nroot = "{verdict.checkpoint["root"]}"'


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _details(step: StepResult) -> str:
    findings = [f"[red]{escape(_cut(str(finding)))}[/]" for finding in step.findings[:SHOWN]]
    if step.failures > len(findings):
        findings.append(f"[red]and {step.failures - len(findings)} more: --json and --report list them[/]")
    return "\n".join([*findings, *map(escape, step.facts), *(f"[dim]{escape(note)}[/]" for note in step.notes)])
