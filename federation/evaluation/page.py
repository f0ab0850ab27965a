"""The model card as one HTML page; the template stands beside this file."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from federation.evaluation.model_card import ModelCard
from federation.evaluation.uncertainty import Estimate


def render(card: ModelCard) -> str:
    """HTML of the card: every value escaped; no script, no font, no picture from anywhere else."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["estimate"] = estimate_text
    environment.filters["number"] = number
    template = files("federation.evaluation").joinpath("model_card.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(card=card, facts=card.to_json(), plots=_plots(card))


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def estimate_text(estimate: Estimate) -> str:
    """'.785 ± .012' with the standard error; 'withheld' where it is suppressed."""
    if estimate.value is None:
        return "withheld"
    return number(estimate.value) if estimate.se is None else f"{number(estimate.value)} ± {number(estimate.se)}"


def _plots(card: ModelCard) -> dict[str, Markup]:
    """SVG by name; drawn by this process from numbers, so it is safe to embed."""
    from federation.evaluation.plots import band_plot, calibration_plot, influence_plot  # matplotlib is slow to load

    plots: dict[str, str] = {}
    if card.findings is not None and card.findings.calibration:
        plots["calibration"] = calibration_plot(card.findings.calibration)
    if card.findings is not None and any(band.value is not None for band in card.findings.bands.values()):
        plots["bands"] = band_plot(card.findings.bands)
    if card.influence is not None:
        plots["influence"] = influence_plot(card.catalogue.feature_names, card.influence.features)
    return {name: Markup(svg) for name, svg in plots.items()}  # noqa: S704
