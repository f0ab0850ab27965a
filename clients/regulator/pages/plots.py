"""Plots as SVG: drawn off screen from the figures of a table that stands beside them. Same figures, same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from clients.regulator.pages.table import Row
from federation.ledger.burndown import BurnDown

INK, ACCENT, RED, PALE = "#1f2933", "#1d6f8b", "#b3261e", "#8fa3b0"
_DAY = 86_400  # matplotlib counts days from 1970


def burn_down_plot(institution: str, scopes: Sequence[BurnDown]) -> str:
    """Epsilon spent over time, a line for each scope under its cap."""

    def draw(axes: Axes) -> None:
        for scope, colour in zip(scopes, (ACCENT, INK), strict=False):
            times = [point.time.timestamp() / _DAY for point in scope.points]
            spent = [point.spent for point in scope.points]
            axes.plot(times, spent, drawstyle="steps-post", color=colour, label=scope.scope.value)
            axes.axhline(scope.cap, color=colour, linestyle="--", linewidth=1.0, label=f"cap, {scope.scope.value}")
        locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set(ylabel="epsilon")
        axes.set_ylim(bottom=0)
        _legend(axes)

    return _svg(draw, f"Privacy spent by {institution}")


def calibration_plot(run: str, rows: Sequence[Row]) -> str:
    """Predicted against observed rate of bad, with 95% intervals, beside the diagonal."""
    points = [{key: float(value or 0) for key, value in row.values.items() if key != "run_id"} for row in rows]

    def draw(axes: Axes) -> None:
        top = 1.05 * max(max(p["predicted"], p["observed"] + 1.96 * p["se"]) for p in points)
        axes.plot([0, top], [0, top], color=PALE, linewidth=1.2, label="perfect")
        x, y, error = ([p[name] for p in points] for name in ("predicted", "observed", "se"))
        axes.errorbar(
            x, y, yerr=[1.96 * e for e in error], fmt="o-", color=ACCENT, markersize=4, capsize=2, label="model"
        )
        axes.set(xlabel="predicted rate of bad", ylabel="observed rate of bad", xlim=(0, top), ylim=(0, top))
        _legend(axes)

    return _svg(draw, f"Calibration of {run}")


def audit_plot(rows: Sequence[Row]) -> str:
    """Claimed beside measured epsilon of each audit; red where more was measured than is claimed."""
    answered = [row for row in rows if row.values.get("measured") is not None]

    def draw(axes: Axes) -> None:
        places = range(len(answered))
        claimed = [float(row.values["claimed"] or 0) for row in answered]
        measured = [float(row.values["measured"] or 0) for row in answered]
        colours = [RED if m > c else ACCENT for m, c in zip(measured, claimed, strict=True)]
        axes.bar([x - 0.2 for x in places], claimed, width=0.38, color=PALE, label="claimed")
        axes.bar([x + 0.2 for x in places], measured, width=0.38, color=colours, label="measured")
        names = [f"{row.values['institution']}\n{row.values['kind']}" for row in answered]
        axes.set_xticks(list(places), names, fontsize=8)
        axes.set(ylabel="epsilon")
        _legend(axes)

    return _svg(draw, "Audits: claimed and measured epsilon")


def _legend(axes: Axes) -> None:
    """Below the plot, where it covers no line."""
    figure = axes.figure
    assert figure is not None  # noqa: S101 (drawn into one)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _svg(draw: Callable[[Axes], None], title: str) -> str:
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9.0, "font.family": "sans-serif"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
