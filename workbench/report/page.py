"""The demonstration's report: one self-contained HTML page from a summary and the evidence behind it.

Nothing is fetched when it is opened: style, plots and text are in the file, and its Content-Security-Policy says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from workbench.report import figures

MODELS = {
    "federated": "federated, private",
    "alone_best": "best institution alone",
    "alone_mean": "mean institution alone",
    "central_additive": "all records in one place, additive",
    "central_boosting": "all records in one place, gradient boosting",
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def render(summary: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """The page. `summary` is `summary.json`, `evidence` is `evidence.json` (workbench.demo.summary).

    Raises jinja2.UndefinedError where a figure that the page shows is missing.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"figure": _figure, "plain": _plain}
    package = files("workbench.report")
    page = environment.from_string((package / "page.html.j2").read_text())
    plots = {name: Markup(svg) for name, svg in plot(summary, evidence).items()}  # noqa: S704 (our own drawings)
    return page.render(
        summary=summary,
        evidence=evidence,
        plots=plots,
        models=MODELS,
        number_word=_number_word,
        style=Markup((package / "style.css").read_text()),  # noqa: S704 (our own file)
    )


def plot(summary: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, str]:
    """Every plot of the page as inline SVG, by name; empty where the evidence for it is missing."""
    shown = {MODELS[key]: value for key, value in summary["auc"].items() if key in MODELS}
    scores = evidence["scores"]
    return {
        "roc": figures.roc(_labelled(evidence["roc"]), shown),
        "comparison": figures.comparison(shown, what="AUC"),
        "calibration": figures.calibration(_labelled(evidence["calibration"])),
        "scores": figures.scores(scores["edges"], scores["goods"], scores["bads"], scores["cuts"]),
        "bands": figures.bands(**evidence["bands"]),
        "budget": figures.budget(evidence["budget"], evidence["cap"]),
        "timeline": figures.timeline([(label, start, end) for label, start, end in evidence["timeline"]]),
        "fairness": _fairness(evidence),
        "influence": figures.influence(**evidence["influence"]) if evidence["influence"] else "",
    }


def _fairness(evidence: Mapping[str, Any]) -> str:
    groups = evidence["fairness"]["groups"] if evidence["fairness"] else []
    if not groups:
        return ""
    return figures.fairness([(attribute, group, rate) for attribute, group, rate in groups])


def _labelled(curves: Mapping[str, Any]) -> dict[str, Any]:
    return {MODELS[key]: points for key, points in curves.items()}


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{float(value):.{digits}f}"


def _plain(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{float(mantissa):g} × 10{str(int(exponent)).translate(_RAISED)}"


def _number_word(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
