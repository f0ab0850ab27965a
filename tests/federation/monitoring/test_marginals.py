from __future__ import annotations

import numpy as np
import pytest
from scores_world import CATALOGUE, world

from federation.errors import PrivacyError, RecordsError
from federation.evaluation import EvaluationSpec
from federation.monitoring import Marginals, StabilitySpec
from federation.privacy.lattice import POINTS

SPEC = StabilitySpec.from_catalogue(CATALOGUE)


def test_one_record_moves_the_vector_by_at_most_one() -> None:
    records, logits = world(1, 40)
    whole = SPEC.counts(logits, records.codes)
    for left_out in range(40):
        rest = np.arange(40) != left_out
        moved = np.linalg.norm(whole - SPEC.counts(logits[rest], records.codes[rest]))
        assert 0.999 < moved <= SPEC.sensitivity <= 1


def test_the_vector_lies_on_the_lattice_of_exact_noise() -> None:
    records, logits = world(1, 500)
    points = SPEC.counts(logits, records.codes) * POINTS
    assert (points == np.rint(points)).all()


def test_what_is_read_is_what_was_counted() -> None:
    records, logits = world(2, 900)
    found = SPEC.read(SPEC.counts(logits, records.codes), 3.0)
    assert found.scores.counts == pytest.approx(np.bincount(SPEC.axis.bin(logits), minlength=SPEC.axis.bins))
    for position, feature in enumerate(CATALOGUE.features):
        column = records.codes[:, position]
        assert found.features[feature.name].counts == pytest.approx(np.bincount(column, minlength=feature.n_cells))
    weight = SPEC.blocks[0].weight
    assert found.scores.sd == pytest.approx(3.0 / weight)


def test_a_feature_that_is_not_held_has_no_records() -> None:
    records, logits = world(3, 300)
    codes = records.codes.copy()
    codes[:, 0] = CATALOGUE.features[0].n_cells
    assert SPEC.read(SPEC.counts(logits, codes), 1.0).features[CATALOGUE.features[0].name].records == 0


def test_with_outcomes_the_same_shares_come_from_the_evaluation() -> None:
    records, logits = world(4, 5000)
    spec = EvaluationSpec.from_catalogue(CATALOGUE)
    labelled = Marginals.of(spec.read(spec.counts(logits, records), 1e-6))
    plain = SPEC.read(SPEC.counts(logits, records.codes), 1e-6)
    assert labelled.scores.counts == pytest.approx(plain.scores.counts, abs=1e-3)
    for name, feature in plain.features.items():
        assert labelled.features[name].counts == pytest.approx(feature.counts, abs=1e-3)


def test_other_shapes_are_refused() -> None:
    records, logits = world(5, 10)
    with pytest.raises(RecordsError, match="codes"):
        SPEC.counts(logits, records.codes[:, 1:])
    with pytest.raises(PrivacyError, match="vector"):
        SPEC.read(np.zeros(SPEC.size + 1), 1.0)
