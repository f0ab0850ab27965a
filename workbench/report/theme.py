"""How the plots look: matplotlib drawings whose colours are CSS variables, so one SVG suits light and dark pages.

matplotlib writes plain hexadecimal colours; `to_svg` replaces each of the theme's marker colours with `var(--name)`.
Text stays text (selectable, searchable, in the page's font), and a salt per drawing keeps its ids unique on the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Marker colours never shown as such; the page's style sheet gives each variable its light and its dark value.
INK, FAINT, PAPER = "#010101", "#020202", "#030303"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
GOOD, BAD = "#0b0001", "#0b0002"
BANDS = ("#0c0001", "#0c0002", "#0c0003", "#0c0004", "#0c0005")
_VARIABLES = (
    {INK: "ink", FAINT: "faint", PAPER: "paper", GOOD: "good", BAD: "bad"}
    | {colour: f"series-{i + 1}" for i, colour in enumerate(SERIES)}
    | {colour: f"band-{i + 1}" for i, colour in enumerate(BANDS)}
)
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.45,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
}


@contextmanager
def drawing(width: float = 6.4, height: float = 3.8, **layout: Any) -> Iterator[tuple[Figure, Any]]:
    """A figure of the theme and its axes (one, or an array as `layout` asks of `Figure.subplots`). Sizes in inches."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        yield figure, figure.subplots(**layout)


def quiet(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """No grid along an axis that carries names instead of numbers."""
    if x:
        axes.xaxis.grid(False)
    if y:
        axes.yaxis.grid(False)


def to_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element that scales with its column; `description` is read to those who cannot see it."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"#[0-9a-f]{6}", lambda found: _variable(found[0]), text)
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"font: [^;\"]*?(\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", text)
    opening = text[: text.index(">") + 1]
    box = opening.partition('viewBox="')[2].partition('"')[0]
    escaped = description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    start = f'<svg role="img" aria-label="{escaped}" viewBox="{box}" xmlns="http://www.w3.org/2000/svg" '
    start += 'xmlns:xlink="http://www.w3.org/1999/xlink">'
    return start + text[len(opening) :]


def _variable(colour: str) -> str:
    return f"var(--{_VARIABLES[colour]})" if colour in _VARIABLES else colour
