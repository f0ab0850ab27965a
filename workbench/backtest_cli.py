"""`fedscore backtest`: a federation on one owner's data, beside what it could have had without."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from federation.errors import FederationError, TooFewRecords
from federation.runtime.sheet import Sheet
from server.choices import Method, Noise
from workbench.partition import Split

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="Back-test a federation on one owner's data."
)

FIGURES = ("AUC", "KS", "ECE")
_LABELS = {
    "federated": "federated, private",
    "federated_no_privacy": "federated, no privacy",
    "alone_best": "best institution alone",
    "alone_mean": "mean institution alone",
    "central_additive": "central additive",
    "central_boosting": "central gradient boosting",
}


@app.callback(invoke_without_command=True)
def backtest(
    catalogue: Annotated[str, typer.Option(help="A shipped catalogue's name, or a .toml file.")],
    data: Annotated[Path, typer.Option(help="Records: .csv, .csv.gz or .parquet.")],
    institutions: Annotated[int, typer.Option(help="How many make-believe institutions.")] = 5,
    split: Annotated[str, typer.Option(help="even | skewed (in size, default rate and mix).")] = "even",
    epsilon: Annotated[float, typer.Option(help="Budget of each institution for the whole run.")] = 1.0,
    delta: Annotated[float, typer.Option(help="At most 1 / (10 x the largest institution's nominal records).")] = 1e-5,
    seeds: Annotated[int, typer.Option(help="How many partitions and noises; figures are mean and sd.")] = 5,
    split_seed: Annotated[int, typer.Option(help="Which fifth of the records is the test set.")] = 2026,
    noise: Annotated[
        str | None, typer.Option(help="local | secagg: shares of it, under masks \\[secagg from 3 institutions on].")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="fedavg | a | g | gp \\[gp or g under secagg, else fedavg].")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although there are too few records.")] = False,
) -> None:
    """Runs the same plan, node, ledger and round driver as a deployment, in one process, with baselines beside it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from workbench.backtest import backtest as run  # torch and scikit-learn take seconds to import

    kind: Split = _one_of("--split", split, get_args(Split))
    noise_kind: Noise | None = None if noise is None else _one_of("--noise", noise, get_args(Noise))
    method: Method | None = None if recipe is None else _one_of("--recipe", recipe, get_args(Method))
    console = Console(stderr=True)
    try:
        with _bar(console) as bar:
            task = bar.add_task("starting", total=None)
            result = run(
                catalogue,
                data,
                institutions=institutions,
                split=kind,
                epsilon=epsilon,
                delta=delta,
                seeds=seeds,
                split_seed=split_seed,
                force=force,
                noise=noise_kind,
                recipe=method,
                progress=lambda step, done, total: bar.update(task, description=step, completed=done, total=total),
            )
    except FederationError as error:
        _refuse(error, json_out, console)
        raise typer.Exit(1) from None
    document = result.to_json()
    _write(json_out, document)
    _sheet(document).show(Console())
    Console().print(_footer(document))


def _one_of(option: str, given: str, known: tuple[str, ...]) -> Any:
    if given not in known:
        raise typer.BadParameter(f"got {given!r}, expected {' or '.join(known)}", param_hint=option)
    return given


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _refuse(error: FederationError, out: Path | None, console: Console) -> None:
    """The refusal, with its figures, for people and for machines."""
    reason = "too_few_records" if isinstance(error, TooFewRecords) else type(error).__name__
    refused = {"reason": reason, "where": error.where, "got": error.got, "expected": error.expected}
    _write(out, {"refused": refused})
    console.print(f"[bold red]refused[/]: {escape(str(error))}", soft_wrap=True, highlight=False)


def _write(out: Path | None, document: dict[str, Any]) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=2) + "\n")


def _sheet(document: dict[str, Any]) -> Sheet:
    title = f"{document['catalogue']['name']}: {document['records']['test']:,} test records"
    sheet = Sheet("model", *FIGURES, title=title, right=FIGURES)
    for model, label in _LABELS.items():
        cells = [_cell(document[figure][model], document["seeds"]) for figure in ("auc", "ks", "ece")]
        sheet.add(label, *cells, style="bold" if model == "federated" else "")
    return sheet


def _cell(spread: dict[str, float], seeds: int) -> str:
    if seeds == 1:  # one figure has no spread, and ± 0 would read as certainty
        return f"{spread['mean']:.4f}"
    return f"{spread['mean']:.4f} ± {spread['sd']:.4f}".replace("± 0.", "± .")


def _footer(document: dict[str, Any]) -> str:
    epsilon = document["epsilon"]
    return (
        f"{document['institutions']} institutions, {document['split']} split, "
        f"{document['seeds']} seed{'s' if document['seeds'] > 1 else ''}, "
        f"{document['recipe']}, {document['rounds']} rounds, {document['noise']} noise, because "
        f"{document['noise_because']}. "
        f"Each institution spends epsilon {epsilon['pld']:.3f} by PLD, "
        f"{epsilon['prv']:.3f} by PRV, {epsilon['rdp']:.3f} by RDP at delta {document['delta']:g}, "
        f"add or remove one record; {document['epsilon_replace_one']:.2f} for replacing one. "
        f"{len(document['features_used'])} features, {document['cpu_seconds']:.0f} s of CPU."
    )
