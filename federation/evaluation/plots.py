"""The card's plots as inline SVG: drawn off screen, no state, the same bytes for the same figures."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from federation.evaluation.metrics import CalibrationPoint
from federation.evaluation.uncertainty import Estimate

INK, ACCENT, PALE = "#1f2933", "#1d6f8b", "#c9d6df"
BAND_COLOURS = ("#b5482f", "#d98a3d", "#c8b04a", "#6c9a5b", "#2f7d5b")


def calibration_plot(points: Sequence[CalibrationPoint]) -> str:
    """Predicted against observed rate of BAD with 95% intervals, beside the diagonal."""

    def draw(axes: Axes) -> None:
        top = 1.05 * max(max(p.predicted, p.observed + 1.96 * p.se) for p in points)
        axes.plot([0, top], [0, top], color=PALE, linewidth=1.2, label="perfect")
        axes.errorbar(
            [p.predicted for p in points],
            [p.observed for p in points],
            yerr=[1.96 * p.se for p in points],
            fmt="o-",
            color=ACCENT,
            markersize=4,
            capsize=2,
            linewidth=1.2,
            label="model, 95%",
        )
        axes.set(xlabel="predicted rate of bad", ylabel="observed rate of bad", xlim=(0, top), ylim=(0, top))
        axes.legend(frameon=False)

    return _svg(draw, "calibration")


def band_plot(bands: dict[str, Estimate]) -> str:
    """Share of subjects per band; suppressed bands stay empty."""

    def draw(axes: Axes) -> None:
        values = [estimate.value or 0.0 for estimate in bands.values()]
        errors = [1.96 * (estimate.se or 0.0) for estimate in bands.values()]
        colours = [BAND_COLOURS[index % len(BAND_COLOURS)] for index in range(len(bands))]
        axes.bar(list(bands), values, yerr=errors, color=colours, ecolor=INK, capsize=3)
        axes.set(ylabel="share of subjects")
        axes.set_ylim(bottom=0)

    return _svg(draw, "bands")


def influence_plot(names: Sequence[str], index: Sequence[float]) -> str:
    """Features by their influence index, the largest on top."""

    def draw(axes: Axes) -> None:
        rising = sorted(zip(index, names, strict=True))
        axes.barh([name for _, name in rising], [value for value, _ in rising], color=ACCENT)
        axes.set(xlabel="influence index (largest = 100)")

    return _svg(draw, "influence", height=1.0 + 0.2 * len(names))


def _svg(draw: Callable[[Axes], None], salt: str, height: float = 3.4) -> str:
    """`salt` keeps the ids of several plots on one page apart."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.size": 9.0, "font.family": "sans-serif"}):
        figure = Figure(figsize=(6.0, height), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = text.getvalue()
    return re.sub(r'<g id="[^"]*"', "<g", svg[svg.index("<svg") :]).strip()  # ids of groups repeat from plot to plot
