from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scores_world import CATALOGUE, world
from sklearn.metrics import roc_auc_score

from federation.errors import ConfigurationError, RecordsError
from federation.evaluation import Estimate, EvaluationSpec
from federation.evaluation.fairness import exact_fairness, fairness
from federation.evaluation.profiles import Profile, load_profiles
from federation.scorecard import Scaling

SPEC = EvaluationSpec.from_catalogue(CATALOGUE)
RECORDS, LOGITS = world(2, 8_000)
SCORES = Scaling().from_logits(LOGITS)


def by_hand(groups: np.ndarray, index: int, cut: float) -> dict[str, float]:
    mine = groups == index
    target, scores = RECORDS.target[mine], SCORES[mine]
    refused = scores < cut
    return {
        "approval_rate": 1 - refused.mean(),
        "bad_rate": target.mean(),
        "auc": roc_auc_score(target, -scores),
        "tpr": refused[target == 1].mean(),
        "fpr": refused[target == 0].mean(),
    }


def test_exact_figures_by_hand() -> None:
    labels, groups = CATALOGUE.protected[0].groups, RECORDS.protected["sex"]
    found = exact_fairness("sex", labels, groups, RECORDS.target, SCORES, 600.0)
    for index, group in enumerate(found.groups):
        expected = by_hand(groups, index, 600.0)
        assert group.records == (groups == index).sum()
        for name, value in expected.items():
            assert getattr(group, name).value == pytest.approx(value)
    rates = [group.approval_rate.value for group in found.groups]
    four_fifths = found.comparisons[0]
    assert four_fifths.profile == "four_fifths"
    assert four_fifths.value == pytest.approx(min(rates) / max(rates))


def test_the_release_without_noise_agrees_with_the_records() -> None:
    tables = SPEC.read(SPEC.counts(LOGITS, RECORDS), 0.0)
    found = fairness(tables, "sex", 600.0)
    for index, group in enumerate(found.groups):
        expected = by_hand(RECORDS.protected["sex"], index, 600.0)
        for name in ("approval_rate", "bad_rate", "tpr", "fpr"):
            assert getattr(group, name).value == pytest.approx(expected[name], abs=1e-6)
        assert group.auc.value == pytest.approx(expected["auc"], abs=0.02)
        assert group.auc.se > 0
    document = found.to_json()
    assert document["groups"][0]["approval_rate"]["value"] == found.groups[0].approval_rate.value
    assert [item["profile"] for item in document["comparisons"]] == list(load_profiles())


def test_noise_widens_the_errors_and_small_groups_are_suppressed() -> None:
    vector = SPEC.counts(LOGITS, RECORDS)
    calm, noisy = SPEC.read(vector, 0.0), SPEC.read(vector, 5.0)
    a = fairness(calm, "sex", 600.0).groups[0].approval_rate
    b = fairness(noisy, "sex", 600.0).groups[0].approval_rate
    assert a.noise_se == pytest.approx(0)
    assert b.se > a.se
    loud = fairness(SPEC.read(vector, 60.0), "age", 600.0)
    assert {group.records for group in loud.groups} == {None}
    assert "fewer than" in loud.groups[0].approval_rate.note
    assert all(comparison.holds is None for comparison in loud.comparisons)


def test_a_group_nobody_belongs_to_is_suppressed_in_exact_figures() -> None:
    groups = np.zeros(8_000, dtype=np.uint8)
    found = exact_fairness("sex", ("a", "b"), groups, RECORDS.target, SCORES, 600.0)
    assert found.groups[1].note == "no records"
    assert found.comparisons[0].holds is None
    one = exact_fairness("sex", ("a",), groups[:3], np.zeros(3, dtype=np.uint8), SCORES[:3], 600.0)
    assert one.groups[0].tpr.value is None
    assert one.groups[0].auc.note == "one outcome only"


def test_groups_without_a_label_are_refused() -> None:
    with pytest.raises(RecordsError, match="groups of sex"):
        exact_fairness("sex", ("a",), RECORDS.protected["sex"], RECORDS.target, SCORES, 600.0)


def test_a_cut_off_between_the_public_edges_is_refused() -> None:
    with pytest.raises(RecordsError, match="cut-off"):
        fairness(SPEC.read(SPEC.counts(LOGITS, RECORDS), 0.0), "sex", 612.0)


@pytest.mark.parametrize(
    ("measure", "values", "value", "holds"),
    [
        ("approval_ratio", (0.5, 0.4), 0.8, True),
        ("approval_ratio", (0.5, 0.39), 0.78, False),
        ("approval_gap", (0.5, 0.2), 0.3, True),
        ("auc_gap", (0.9, 0.05), 0.85, False),
    ],
)
def test_profiles_compare_extremes(measure: str, values: tuple[float, ...], value: float, holds: bool) -> None:
    found = Profile("p", "a profile", measure, 0.8).judge([Estimate(v, se=1e-9) for v in values])
    assert found.value == pytest.approx(value)
    assert found.holds is holds


def test_a_value_near_its_limit_is_uncertain() -> None:
    profile = Profile("p", "a profile", "approval_ratio", 0.8)
    assert profile.judge([Estimate(0.5, se=0.05), Estimate(0.41, se=0.05)]).uncertain
    assert not profile.judge([Estimate(0.5, se=0.001), Estimate(0.5, se=0.001)]).uncertain
    assert profile.judge([Estimate(0.0), Estimate(0.0)]).holds is None
    assert profile.judge([Estimate(0.5), Estimate.suppressed("few")]).value is None


def test_a_profile_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text('[ours]\ntitle = "Ours"\nmeasure = "bad_refused_gap"\nlimit = 0.2\n')
    assert load_profiles(path)["ours"].figure == "tpr"
    for broken in ('[a]\ntitle = "x"\nmeasure = "luck"\nlimit = 0.1', "[a]\nlimit = 1", "[", '[a]\nt = 1\ntitle="x"'):
        path.write_text(broken)
        with pytest.raises(ConfigurationError):
            load_profiles(path)
    with pytest.raises(ConfigurationError):
        load_profiles(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="limit"):
        replace(load_profiles()["four_fifths"], limit=2.0)


def test_each_figure_needs_enough_of_the_records_it_divides_by() -> None:
    scarce = RECORDS.target.copy()
    scarce[np.flatnonzero(scarce)[100:]] = 0  # about 33 bads in each group of sex
    found = replace(RECORDS, target=scarce)
    group = fairness(SPEC.read(SPEC.counts(LOGITS, found), 0.0), "sex", 600.0).groups[0]
    assert group.approval_rate.value is not None
    assert group.fpr.value is not None
    assert group.tpr.value is None
    assert group.auc.value is None
    assert "needed" not in (group.note or "")
