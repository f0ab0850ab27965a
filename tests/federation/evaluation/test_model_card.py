from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from scores_world import CATALOGUE, published_model, world

from federation.errors import ConfigurationError, RecordsError
from federation.evaluation import EvaluationSpec, Findings, build_card, evaluate
from federation.evaluation.page import render
from federation.scorecard import Scaling
from federation.training import Recipe, logits

MODEL = published_model()
SPEC = EvaluationSpec.from_catalogue(CATALOGUE)
RECORDS, _ = world(5, 6_000)
LOGITS = logits(CATALOGUE, MODEL.plan.recipe, MODEL.vector, RECORDS.codes)


def release(sd: float = 3.0, n: int = 6_000) -> Findings:
    vector = SPEC.counts(LOGITS[:n], RECORDS.take(np.arange(n)))
    return Findings.of_release(SPEC.read(vector, sd), Scaling())


class _Page(HTMLParser):
    """Collects tags and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.loads += [v or "" for k, v in attributes if k in ("src", "href", "xlink:href") and (v or "#")[0] != "#"]


def test_the_card_says_what_the_model_is_and_cost() -> None:
    card = build_card(
        MODEL, CATALOGUE, release(), created=datetime(2026, 1, 2, tzinfo=UTC), vintages={"bank-0": "2025Q3"}
    )
    document = card.to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["model"]["plan_hash"] == MODEL.plan.hash
    assert document["model"]["model_hash"] == MODEL.hash
    assert document["model"]["created"] == "2026-01-02T00:00:00+00:00"
    assert document["catalogue"]["hash"] == CATALOGUE.hash
    assert document["purpose"] == "lending decisions"
    assert document["members"][0] == {
        "institution": "bank-0",
        "nominal_records": 8000,
        "features_held": len(CATALOGUE.features),
        "took_part": True,
        "vintage": "2025Q3",
    }
    assert document["members"][1]["took_part"] is False
    claims = document["privacy"]["claims"]
    assert claims["pld"] <= claims["rdp"] < claims["replace_one"]
    assert claims["adjacency"] == "add_or_remove_one"
    assert claims["delta"] == 1e-5
    assert "record" in document["privacy"]["unit"]


def test_figures_come_from_the_release_with_their_errors() -> None:
    found = release()
    document = build_card(MODEL, CATALOGUE, found, baselines={"last year": {"auc": 0.7}}).to_json()
    assert "charged" in document["findings"]["source"]
    auc = document["findings"]["metrics"]["auc"]
    assert auc["value"] == found.metrics["auc"].value
    assert auc["se"] > auc["noise_se"] > 0
    assert document["findings"]["noise_sd"]["scores"] == pytest.approx(3 / SPEC.blocks[0].weight)
    assert document["baselines"]["always the base rate"]["auc"] == 0.5
    assert document["baselines"]["last year"] == {"auc": 0.7}
    assert {item["attribute"] for item in document["findings"]["fairness"]} == {p.name for p in CATALOGUE.protected}
    assert max(item["index"] for item in document["influence"]["features"]) == pytest.approx(100)
    assert sum(document["findings"]["cell_shares"][0]) == pytest.approx(1)


def test_own_records_give_exact_figures_of_the_same_shape() -> None:
    found = Findings.of_records(CATALOGUE, RECORDS, LOGITS, Scaling())
    exact = evaluate(RECORDS.target, LOGITS)
    assert found.metrics["auc"].value == exact.auc
    assert found.metrics["ece"].value == exact.ece
    assert sum(e.value for e in found.bands.values()) == pytest.approx(1)
    document = build_card(MODEL, CATALOGUE, found).to_json()
    assert "own records" in document["findings"]["source"]
    assert document["findings"].keys() == release().to_json().keys()
    assert json.dumps(document, allow_nan=False)
    constant = document["baselines"]["always the base rate"]
    predicted = np.full(6_000, CATALOGUE.base_rate)
    assert constant["brier"] == pytest.approx(float(np.mean((RECORDS.target - predicted) ** 2)))


def test_own_records_without_outcomes_are_refused() -> None:
    with pytest.raises(RecordsError, match="target"):
        Findings.of_records(CATALOGUE, replace(RECORDS, target=None), LOGITS, Scaling())


def test_a_feature_nobody_holds_moves_nothing() -> None:
    codes = RECORDS.codes.copy()
    codes[:, 0] = CATALOGUE.features[0].n_cells
    found = Findings.of_records(CATALOGUE, replace(RECORDS, codes=codes), LOGITS, Scaling())
    assert found.cell_shares[0] == pytest.approx(
        np.full(CATALOGUE.features[0].n_cells, 1 / CATALOGUE.features[0].n_cells)
    )


def test_limitations_name_few_records_partial_coverage_noise_and_additivity() -> None:
    text = " ".join(build_card(MODEL, CATALOGUE, release()).limitations)
    for phrase in (
        "Fewer than 2000 nominal records: bank-1",
        "held by: bank-1",
        "discrete Gaussian",
        "additive",
        "lending",
    ):
        assert phrase in text
    none = build_card(MODEL, CATALOGUE, None)
    assert "No figure of quality" in none.limitations[-1]
    assert none.influence is None
    small = build_card(MODEL, CATALOGUE, release(sd=60.0, n=300))
    assert "Withheld" in " ".join(small.limitations)
    assert "Too small to be shown" in " ".join(small.limitations)


def test_a_network_has_no_influence_and_says_so() -> None:
    model = published_model(Recipe(family="mlp", hidden=(4,), learning_rate=0.5))
    card = build_card(model, CATALOGUE, release())
    assert card.to_json()["influence"] is None
    assert "no exact parts" in " ".join(card.limitations)
    assert "floating-point" in " ".join(card.limitations)
    assert "What moves a score" not in render(card)


@pytest.mark.parametrize("kind", ["release", "own", "none", "withheld"])
def test_the_page_is_self_contained_and_well_formed(kind: str) -> None:
    findings = {
        "release": lambda: release(),
        "own": lambda: Findings.of_records(CATALOGUE, RECORDS, LOGITS, Scaling()),
        "none": lambda: None,
        "withheld": lambda: release(sd=200.0, n=100),
    }[kind]()
    html = render(build_card(MODEL, CATALOGUE, findings, version="<3>"))
    page = _Page()
    page.feed(html)
    assert page.loads == []
    assert "script" not in page.open
    assert "&lt;3&gt;" in html
    assert not re.search(r"\bnan\b|\bNone\b|undefined", re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    for heading in ("What it is", "What it cost in privacy", "How good it is", "What it is not"):
        assert f"<h2>{heading}</h2>" in html
    assert page.open.count("svg") == {"release": 3, "own": 3, "none": 0, "withheld": 0}[kind]
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_the_same_figures_give_the_same_render() -> None:
    assert render(build_card(MODEL, CATALOGUE, release())) == render(build_card(MODEL, CATALOGUE, release()))


def test_a_card_for_another_catalogue_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"card\.catalogue"):
        build_card(MODEL, replace(CATALOGUE, hash="0" * 64), None)
