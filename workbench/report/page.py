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
_UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def render(summary: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """The page. `summary` is `summary.json`, `evidence` is `evidence.json` (workbench.demo.summary).

    Raises jinja2.UndefinedError where a figure that the page shows is missing.
    """
    package = files("workbench.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (package / name).read_text()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"figure": _figure, "plain": _plain, "size": _size, "chance": _chance}
    page = environment.get_template("page.html.j2")
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
        "joint": _joint(evidence),
        "received": figures.received(**evidence["masked"]["bytes"]) if evidence["masked"] else "",
    }


def _fairness(evidence: Mapping[str, Any]) -> str:
    groups = evidence["fairness"]["groups"] if evidence["fairness"] else []
    if not groups:
        return ""
    return figures.fairness([(attribute, group, rate) for attribute, group, rate in groups])


def _joint(evidence: Mapping[str, Any]) -> str:
    if not evidence["lookup"]:
        return ""
    drawn = evidence["lookup"]["distribution"]
    return figures.joint(drawn["edges"], drawn["shares"])


def _labelled(curves: Mapping[str, Any]) -> dict[str, Any]:
    return {MODELS[key]: points for key, points in curves.items()}


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{float(value):.{digits}f}"


def _plain(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{float(mantissa):g} × 10{str(int(exponent)).translate(_RAISED)}"


def _chance(p: float) -> str:
    """A p-value, as people write it; one that a float cannot hold is 0.

    >>> _chance(0.4213), _chance(3.1e-7), _chance(0.0)
    ('.421', '3.1 × 10⁻⁷', '< 10⁻³⁰⁰')
    """
    if p < 1e-300:
        return "< 10⁻³⁰⁰"
    return f"{p:.3f}".lstrip("0") if p >= 1e-3 else _plain(p)


def _size(bytes_: float) -> str:
    """Bytes in decimal units, three figures.

    >>> _size(124_775), _size(3_319_194)
    ('125 kB', '3.32 MB')
    """
    unit = next((unit for unit in _UNITS if bytes_ < 999.5 * _UNITS[unit]), "GB")
    return f"{bytes_ / _UNITS[unit]:.3g} {unit}"


def _number_word(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
