"""`fedscore demo`: three institutions, a coordinator and a regulator as real processes, one model, one report."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from federation.errors import FederationError
from federation.inquiries.inquirers import UNKNOWN
from federation.runtime.sheet import Sheet
from server.choices import Method, Noise

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="Show a whole federation at work on this machine."
)

INTERRUPTED = 130
FIGURES = ("AUC", "KS", "ECE")


@app.callback(invoke_without_command=True)
def demo(
    data: Annotated[Path | None, typer.Option(help="Records to deal to three institutions; none: synthesise.")] = None,
    catalogue: Annotated[
        str | None, typer.Option(help="The data's catalogue: a shipped name, or a .toml file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything; made anew.")] = Path("out/demo"),
    persons: Annotated[int, typer.Option(help="Synthetic persons, where there is no data.")] = 60_000,
    epsilon: Annotated[float, typer.Option(help="Budget of each institution for the whole run.")] = 1.0,
    noise: Annotated[
        Noise | None, typer.Option(help="local | secagg, as `coordinator train` takes it \\[what its plan chooses].")
    ] = None,
    recipe: Annotated[Method | None, typer.Option(help="fedavg | a | g | gp, likewise.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Training rounds, of fedavg alone, likewise.")] = None,
    seed: Annotated[int, typer.Option(help="Of the population, or of how the file is dealt.")] = 7,
    engine: Annotated[str, typer.Option(help="Of the private queries: bfv, lwe or mirror.")] = "bfv",
    force: Annotated[bool, typer.Option("--force", help="Go on although there are too few records.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Coordinator and institutions run as separate processes over TLS; ends with OUT/summary.json and OUT/report.html.

    Exit code 0: done, and everything shown holds. 1: refused or failed, with the log of what failed; or something does
    not hold, which is named. 130: interrupted. No process is left behind.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    console = Console(file=sys.stderr)  # this one, also while a command's own words are taken
    try:
        with _termination_interrupts(), console.status("loading"):
            from workbench.demo import Request  # torch and Flower take seconds to import
            from workbench.demo import demo as play
            from workbench.demo.cast import Terms
            from workbench.demo.summary import shortcomings
        request = Request(out, data, catalogue, persons, seed, Terms(epsilon, rounds, force, noise, recipe), engine)
        with _termination_interrupts(), _Bars(console) as bars:
            summary = play(request, progress=bars.show)
    except KeyboardInterrupt:
        console.print("[bold]interrupted[/]; nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None
    except FederationError as error:
        _explain(error, getattr(error, "tail", ""), console)
        raise typer.Exit(1) from None
    if as_json:
        json.dump(summary, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _show(summary, out, Console())
    if failing := shortcomings(summary):
        console.print(f"[bold red]does NOT hold[/]: {', '.join(failing)}; see {out / 'summary.json'}", soft_wrap=True)
        raise typer.Exit(1)


class _Bars:
    """One bar per stage, in the order they begin."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demonstration as Ctrl-C does: everything is cleared away first, and it says so."""

    def interrupt(*_: object) -> None:
        os.write(2, b"\nstopping every process ...\n")  # safe in a handler, where a console's lock may be held
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explain(error: FederationError, tail: str, console: Console) -> None:
    console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True, highlight=False)
    if tail:
        console.print(
            Panel(Text(tail), title=f"the end of the log of {error.where}", style="dim"),
        )


def _show(summary: dict[str, Any], out: Path, console: Console) -> None:
    epsilon = summary["epsilon"]
    title = f"{summary['data']['description']}: {summary['data']['oracle_records']:,} records kept aside"
    sheet = Sheet("model", *FIGURES, title=title, right=FIGURES)
    for model in summary["auc"]:
        figures = (f"{summary[figure][model]:.4f}" for figure in ("auc", "ks", "ece"))
        sheet.add(model.replace("_", " "), *figures, style="bold" if model == "federated" else "")
    sheet.show(console)
    if left_out := summary["data"]["oracle_left_out"]:
        console.print(f"{left_out:,} more were scored and not judged: their outcome is missing or broken.")
    console.print(
        f"Each institution spent epsilon {epsilon['pld']:.3f} (PLD), {epsilon['prv']:.3f} (PRV), "
        f"{epsilon['rdp']:.3f} (RDP) at delta {summary['delta']:g}, add or remove one record. "
        f"{summary['rounds']} rounds of recipe {summary['recipe']}, {summary['seconds_per_round']:.1f} s each. "
        f"Ledgers verified: {all(ledger['verified'] for ledger in summary['ledgers'].values())}."
    )
    console.print(f"{summary['noise']} noise: {summary['trust']}.")
    _show_lookup(summary["lookup"], console)
    if summary["consent"] is not None:
        _show_rights(summary, console)
    _show_oversight(summary["oversight"], console)
    console.print(f"Open {out / 'report.html'}", soft_wrap=True)


def _show_oversight(found: dict[str, Any], console: Console) -> None:
    quorum, passed = found["quorum"], sum(audit["passed"] for audit in found["audits"])
    replayed = sum(replay["matches"] for replay in found["replayed"])
    console.print(
        f"The regulator verified {found['entries']} log entries in {found['verify_seconds']:.1f} s: "
        f"{found['steps_passed']} of {found['steps']} steps hold; cosigned by {quorum['cosigned']} of "
        f"{quorum['witnesses']} witnesses; {passed} of {len(found['audits'])} audits passed, {replayed} of "
        f"{len(found['replayed'])} rounds replayed to the bit."
    )


def _show_lookup(lookup: dict[str, Any], console: Console) -> None:
    if lookup["left_out"]:
        console.print(
            f"No private queries, spot check, inquirers, dispute or blind score: {escape(lookup['left_out'])}."
        )
        return
    console.print(
        f"{lookup['queries']} private queries over {lookup['persons']:,} persons ({lookup['engine']}): "
        f"{lookup['correct']} answers are the plain sum's; {lookup['bytes_up'] / 1000:.0f} kB up and "
        f"{lookup['bytes_down'] / 1000:.0f} kB down each; {lookup['identifiers_found']} identifiers in what reached "
        f"anybody. The epoch is {'erased' if lookup['erased'] else 'NOT erased'}."
    )
    if lookup["auc_joint"] is not None:
        console.print(
            f"AUC of own scores {lookup['auc_own']:.4f}, joint {lookup['auc_joint']:.4f}, "
            f"joined in plain text {lookup['auc_plaintext_joint']:.4f}."
        )
    else:
        console.print(f"No comparison of own and joint scores: {escape(lookup['auc_reason'])}.")


def _show_rights(summary: dict[str, Any], console: Console) -> None:
    consent, check, asked = summary["consent"], summary["spot_check"], summary["inquiries"]
    refused = ", ".join(f"{tried}: {rule}" for tried, rule in consent["refused"].items())
    console.print(
        f"{consent['receipts']} questions had the person's receipt; refused at the asker's node: {refused}. "
        f"{check['bypassed']['institution']} went around its node, and was answered.",
        markup=False,
    )
    broken = [f"{name} ({', '.join(rules)})" for name, rules in check["broken"].items() if rules]
    console.print(
        f"Spot check: {sum(check['drawn'].values())} of {check['inquiries']} inquiries drawn, "
        f"{sum(check['opened'].values())} opened; without consent: {', '.join(broken) or 'none'}.",
        markup=False,
    )
    found = ", ".join(
        f"{each['querier']} ({'she permitted none' if each['inquiry'] == UNKNOWN else each['inquiry']})"
        for each in asked["found"]
    )
    console.print(f"Who inquired about her, of {asked['asked']} requests: {found or 'nobody'}.", markup=False)
    case, blind = summary["dispute"], summary["blind"]
    told = ", ".join(name for name, there in case["delivered"].items() if there and case["read"].get(name))
    console.print(
        f"Her dispute at {case['institution']}: {case['result']}, {case['score_before']:.0f} -> "
        f"{case['score_after']:.0f}; told: {told}. "
        f"Epoch {case['after_epoch']} stays as signed; the next one carries it.",
        markup=False,
    )
    console.print(
        f"Blind score for {blind['lender']}, a lender outside: {blind['score']:.1f}, in plain {blind['plain']:.1f} "
        f"({blind['difference']:.2f} apart, at most {blind['plus_minus']:.2f}); {blind['left']} of "
        f"{blind['lifetime']} answers left.",
        markup=False,
    )
