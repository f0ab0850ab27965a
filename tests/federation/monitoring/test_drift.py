from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scores_world import CATALOGUE, world

from federation.errors import ConfigurationError
from federation.evaluation import EvaluationSpec
from federation.monitoring import MonitoringRelease, StabilitySpec, Verdict, Vintage, contest, drift, together
from federation.monitoring.drift import Better
from federation.monitoring.release import _FIELDS
from federation.records import Encoded
from protocols.signing import SigningKey
from protocols.transparency import Statement

KEY = SigningKey.from_seed(bytes(32))
FIRST = CATALOGUE.features[0]


def release(
    records: Encoded,
    logits: np.ndarray,
    vintage: str = "2029",
    *,
    model: str = "aa" * 32,
    sd: float = 5.0,
    outcomes: bool = True,
    institution: str = "bank-a",
    seed: int = 0,
) -> MonitoringRelease:
    if outcomes:
        vector = EvaluationSpec.from_catalogue(CATALOGUE).counts(logits, records)
    else:
        vector = StabilitySpec.from_catalogue(CATALOGUE).counts(logits, records.codes)
    noisy = vector + np.random.default_rng(seed).normal(0, sd, vector.shape)
    counts = tuple(noisy.tolist())
    return MonitoringRelease(institution, vintage, CATALOGUE.hash, model, outcomes, counts, sd, 0.5, 1e-6, "bb" * 32)


def vintage(*releases: MonitoringRelease) -> Vintage:
    return together(releases, CATALOGUE)


def moved(records: Encoded) -> Encoded:
    """Half of the records lie in one cell of the first feature."""
    codes = records.codes.copy()
    codes[: len(codes) // 2, 0] = 0
    return replace(records, codes=codes)


@pytest.mark.parametrize("outcomes", [True, False])
def test_the_feature_that_moved_is_an_alert_and_no_other(outcomes: bool) -> None:
    before, after = world(1, 20_000), world(2, 12_000)
    reference = vintage(release(*before, outcomes=outcomes))
    assert drift(reference, vintage(release(*after, "2030", outcomes=outcomes, seed=1))).alerts == ()
    found = drift(reference, vintage(release(moved(after[0]), after[1], "2030", outcomes=outcomes, seed=1)))
    assert found.features[FIRST.name].verdict is Verdict.ALERT
    assert [name for name, index in found.features.items() if index.verdict is not Verdict.STABLE] == [FIRST.name]
    assert len(found.alerts) == 1
    assert bool(found.performance) is outcomes
    assert json.loads(json.dumps(found.to_json()))["alerts"] == list(found.alerts)


def test_a_model_that_orders_worse_is_an_alert() -> None:
    records, logits = world(1, 20_000)
    later, theirs = world(2, 20_000)
    worse = theirs + np.random.default_rng(3).normal(0, 1.5, len(theirs))
    found = drift(vintage(release(records, logits)), vintage(release(later, worse, "2030", seed=1)))
    assert found.performance["auc"].alert
    assert any(alert.startswith("auc") for alert in found.alerts)


def test_a_profile_of_fairness_that_holds_no_more_is_an_alert() -> None:
    """All of one group is refused now; the reference refused nobody for it."""
    records, logits = world(1, 20_000)
    later, theirs = world(2, 20_000)
    attribute = CATALOGUE.protected[0].name
    unfair = theirs + 6.0 * (later.protected[attribute] == 0)
    found = drift(vintage(release(records, logits)), vintage(release(later, unfair, "2030", seed=1)))
    assert any(alert.startswith(attribute) and alert.endswith("holds no more") for alert in found.alerts)
    same = drift(vintage(release(records, logits)), vintage(release(later, theirs, "2030", seed=1)))
    assert same.alerts == ()
    assert {each["attribute"] for each in same.to_json()["fairness"]} == {each.name for each in CATALOGUE.protected}


def test_contests_are_won_by_what_is_better_and_by_nobody_otherwise() -> None:
    records, logits = world(1, 20_000)
    worse = logits + np.random.default_rng(3).normal(0, 1.0, len(logits))
    good, bad = vintage(release(records, logits)), vintage(release(records, worse, model="cc" * 32, seed=1))
    assert contest(good, bad).better is Better.CHAMPION
    assert contest(bad, good).better is Better.CHALLENGER
    same = vintage(release(records, logits, model="dd" * 32, seed=2))
    assert contest(good, same).better is Better.NEITHER
    assert json.loads(json.dumps(contest(good, bad).to_json()))["better"] == "champion"


def test_institutions_are_added_up() -> None:
    one, two = world(1, 9000), world(2, 7000)
    both = vintage(release(*one), release(*two, institution="bank-b", seed=4))
    assert both.institutions == ("bank-a", "bank-b")
    assert both.marginals.scores.records == pytest.approx(16_000, rel=0.02)
    assert both.tables is not None
    assert both.tables.block_sd["scores"] > vintage(release(*one)).tables.block_sd["scores"]  # type: ignore[union-attr]


def test_what_does_not_belong_together_is_refused() -> None:
    made = release(*world(1, 1000))
    for other in (
        replace(made, institution="bank-b", vintage="2030"),
        replace(made, institution="bank-b", model="cc" * 32),
        replace(made, institution="bank-b", catalogue="cc" * 32),
        made,
    ):
        with pytest.raises(ConfigurationError):
            vintage(made, other)
    with pytest.raises(ConfigurationError):
        vintage()
    alone = vintage(made)
    with pytest.raises(ConfigurationError, match="two vintages"):
        drift(alone, alone)
    with pytest.raises(ConfigurationError, match="one model"):
        drift(alone, vintage(replace(made, vintage="2030", model="cc" * 32)))
    with pytest.raises(ConfigurationError, match="two models"):
        contest(alone, alone)
    with pytest.raises(ConfigurationError, match="outcomes"):
        contest(alone, vintage(release(*world(1, 1000), outcomes=False)))


def test_a_signed_release_is_read_as_it_was_and_a_changed_one_is_not() -> None:
    made = release(*world(1, 1000))
    data = made.entry(KEY).data
    again = MonitoringRelease.read(data)
    assert again == made
    assert again.signer == KEY.public
    for place in range(0, len(data), len(data) // 40):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ConfigurationError, match=r"a\.json"):
            MonitoringRelease.read(bytes(changed), "a.json")


def test_a_signature_makes_no_nonsense_a_release() -> None:
    made = release(*world(1, 1000))
    for change in ({"sd": 0.0}, {"sd": "1"}, {"counts": []}, {"counts": ["1"]}, {"model": "xx"}, {"more": 1}):
        content = json.loads(json.dumps({name: getattr(made, name) for name in _FIELDS})) | change
        with pytest.raises(ConfigurationError):
            MonitoringRelease.read(Statement.sign(MonitoringRelease.kind, content, KEY).entry.data)
