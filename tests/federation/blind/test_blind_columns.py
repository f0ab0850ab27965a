"""What owner and lender derive alike from a catalogue, and a blind score against the plain one of the same model."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scores_world import CATALOGUE, published_model, world

from federation.blind import Columns, Limits, Offer, SignedOffer, read_scores, uncertainty
from federation.blind.columns import By
from federation.blind.reading import bands_within
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError, RecordsError
from federation.models import Effects, effects_of
from federation.records.encoded import Encoded
from federation.rounds.plan import CatalogueRef
from federation.scorecard import DIMENSIONS, Outcome, Scaling, Scorecard
from federation.training.sums import SumRecipe, sum_model
from protocols import blind
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey

KEY = SigningKey.from_seed(bytes([3]) * 32)
EFFECTS = effects_of(published_model(), CATALOGUE)
RECORDS, _ = world(1, 400)


def summed() -> tuple[Catalogue, Effects, Encoded]:
    """A model with pairs and knots, all of which say something."""
    catalogue, recipe, rng = load_catalogue("taiwan"), SumRecipe.of("gp"), np.random.default_rng(5)
    made = sum_model(catalogue, recipe, recipe.calibrate(epsilon=8.0, delta=1e-5, sharing=None), [4000] * 3)

    def codes(features: tuple[object, ...]) -> np.ndarray:
        return np.stack([rng.integers(0, f.n_cells, 1500) for f in features], axis=1).astype(np.uint8)  # type: ignore[attr-defined]

    target = rng.integers(0, 2, 1500).astype(np.uint8)
    held = Encoded(codes(catalogue.features), target, pair_codes=codes(catalogue.pair_features))
    state = made.initial()
    for number in range(1, len(made.rounds) + 1):
        state = made.advance(number, state, made.contribution(number, state, held))
    return catalogue, Effects(made.effects(state), made.pair_effects(state), made.calibration(state)), held


def model_of(catalogue: Catalogue, effects: Effects, flood: int = 14, by: By = "dimension") -> blind.BlindModel:
    columns = Columns(catalogue, bool(effects.pairs), by)
    weights = columns.weights(effects)
    return blind.BlindModel(weights, columns.part_of, bytes(16), intercept=columns.intercept, flood=flood)


def offer_of(catalogue: Catalogue, effects: Effects, flood: int = 14, by: By = "dimension") -> Offer:
    return Offer(
        owner="bank-0",
        terms=model_of(catalogue, effects, flood, by).terms().to_bytes().hex(),
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        pairs=bool(effects.pairs),
        by=by,
        parts=Columns(catalogue, bool(effects.pairs), by).parts,
        knots=effects.knots,
        scaling=Scaling().to_json(),
        limits=Limits(lifetime=23, per_lender=23, per_day=None, per_request=23, weights_may_be_extracted=False),
    )


def asked(
    catalogue: Catalogue, effects: Effects, records: Encoded, flood: int = 14, by: By = "dimension"
) -> blind.Scores:
    """The whole way through the ciphertexts."""
    model, rng = model_of(catalogue, effects, flood, by), np.random.default_rng(2)
    scorer = blind.BlindScorer(model, blind.Quota.extractable(10**6), blind.MemoryCount(), rng.bytes)
    encoded = Columns(catalogue, bool(effects.pairs), by).encode(records)
    pending, request = blind.BlindClient(model.terms(), rng.bytes).ask(encoded)
    return pending.open(scorer.answer("lender-a", request))


@pytest.mark.parametrize("kind", ["cells", "pairs and knots"])
def test_a_blind_score_is_the_plain_one_within_its_bound(kind: str) -> None:
    catalogue, effects, records = (CATALOGUE, EFFECTS, RECORDS) if kind == "cells" else summed()
    records = records.take(np.arange(300))
    opened, offer = asked(catalogue, effects, records), offer_of(catalogue, effects)
    found = read_scores(offer, catalogue, opened, records)
    card = Scorecard(catalogue, effects.cells, Scaling(), None, pairs=effects.pairs, knots=effects.knots)
    plain = card.score(records)
    bound = uncertainty(offer, catalogue)
    scored = plain.outcome == Outcome.SCORED
    error = np.abs(found.unclamped - plain.unclamped)[scored]
    assert scored.sum() > 250
    assert error.max() <= bound
    assert error.max() >= bound / 3  # the bound is of the right size
    assert (found.outcome == plain.outcome).all()
    assert (found.known == plain.known).all()
    low, high = bands_within(found, bound)
    assert ((low <= plain.band) & (plain.band <= high))[scored].all()
    assert found.parts is not None
    assert np.abs(found.parts.sum(axis=1) - found.unclamped)[scored].max() < 1e-9


def test_parts_and_reasons_are_the_scorecards_by_dimension() -> None:
    found = read_scores(offer_of(CATALOGUE, EFFECTS, 0), CATALOGUE, asked(CATALOGUE, EFFECTS, RECORDS, 0), RECORDS)
    plain = Scorecard(CATALOGUE, EFFECTS.cells, Scaling()).score(RECORDS)
    assert found.parts is not None
    assert plain.parts is not None
    scored = plain.outcome == Outcome.SCORED
    assert np.abs(found.parts - plain.parts)[scored].max() < 0.01
    assert found.families == DIMENSIONS
    neutral = Scorecard(CATALOGUE, EFFECTS.cells, Scaling()).base
    worst = np.argmin(plain.parts - neutral, axis=1)[scored]
    assert found.reasons is not None
    assert (found.reasons[scored, 0] == worst)[found.reasons[scored, 0] >= 0].all()
    assert found.reference == "neutral point"


@pytest.mark.parametrize("kind", ["cells", "pairs and knots"])
def test_parts_that_are_families_give_the_scorecards_own_reasons(kind: str) -> None:
    catalogue, effects, records = (CATALOGUE, EFFECTS, RECORDS) if kind == "cells" else summed()
    records = records.take(np.arange(300))
    opened = asked(catalogue, effects, records, 0, "family")
    found = read_scores(offer_of(catalogue, effects, 0, "family"), catalogue, opened, records)
    card = Scorecard(catalogue, effects.cells, Scaling(), None, pairs=effects.pairs, knots=effects.knots)
    plain = card.score(records)
    scored = plain.outcome == Outcome.SCORED
    assert found.parts is not None
    assert plain.parts is not None
    assert np.abs(found.parts - plain.parts)[scored].max() < 0.02
    for row in np.flatnonzero(scored)[:60]:
        ours, theirs = found.subject(int(row)).reasons, plain.subject(int(row)).reasons
        assert ours is not None
        assert theirs is not None
        clear = [name for name, points in theirs if points > 1.05]  # below a point there is no reason
        assert {name for name, _ in ours} >= set(clear)
        assert all(abs(dict(theirs).get(name, points) - points) < 0.02 for name, points in ours)


def test_families_of_two_dimensions_are_refused() -> None:
    first, last = CATALOGUE.features[0], CATALOGUE.features[-1]
    assert first.dimension != last.dimension
    mixed = replace(CATALOGUE, features=(*CATALOGUE.features[:-1], replace(last, reason=first.reason)))
    assert Columns(mixed).parts == DIMENSIONS
    with pytest.raises(ConfigurationError, match=f"family {first.reason}"):
        Columns(mixed, by="family")


def test_columns_are_cells_in_the_parts_of_their_dimensions() -> None:
    columns = Columns(CATALOGUE)
    assert columns.count == sum(feature.n_cells for feature in CATALOGUE.features)
    assert columns.parts == DIMENSIONS
    encoded = columns.encode(RECORDS)
    assert (encoded.sum(axis=1) == len(CATALOGUE.features)).all()
    absent = replace(RECORDS, codes=RECORDS.codes.copy())
    absent.codes[:, 0] = CATALOGUE.features[0].absent_code
    assert (columns.encode(absent).sum(axis=1) == len(CATALOGUE.features) - 1).all()
    assert len(Columns(load_catalogue("german")).parts) == 4  # no features of enquiries there


def test_pairs_have_half_their_effect_in_either_part() -> None:
    catalogue, effects, records = summed()
    columns = Columns(catalogue, pairs=True)
    logits = columns.encode(records) @ np.array(columns.weights(effects)) + columns.intercept
    card = Scorecard(catalogue, effects.cells, Scaling(minimum_known=0.0), pairs=effects.pairs)
    assert np.abs(Scaling().from_logits(logits) - card.score(records).unclamped).max() < 1e-6
    assert columns.active > len(catalogue.features) + len(catalogue.pairs)  # some pairs have two dimensions
    alone = [pair for pair in catalogue.pairs if len({catalogue.feature(name).dimension for name in pair}) == 1]
    mains = sum(feature.n_cells for feature in catalogue.features)
    assert sum(columns.own) == mains + sum(effects.pairs[catalogue.pairs.index(pair)].size for pair in alone)
    assert Columns(CATALOGUE).own == (32, 32, 32, 28, 24)


def test_codes_and_tables_that_do_not_fit_are_refused() -> None:
    wrong = replace(RECORDS, codes=RECORDS.codes.copy())
    wrong.codes[3, 2] = 200
    with pytest.raises(RecordsError, match=CATALOGUE.features[2].name):
        Columns(CATALOGUE).encode(wrong)
    with pytest.raises(ConfigurationError, match="effects"):
        Columns(CATALOGUE).weights(Effects(EFFECTS.cells[:-1]))
    with pytest.raises(ConfigurationError, match=r"catalogue\.pairs"):
        Columns(load_catalogue("german"), pairs=True)


def test_an_offer_is_its_owners_and_fits_the_catalogue() -> None:
    offer = offer_of(CATALOGUE, EFFECTS)
    signed = SignedOffer.sign(offer, KEY)
    assert SignedOffer.read(offer.canonical(), signed.signature, KEY.public) == signed
    with pytest.raises(SignatureError):
        SignedOffer.read(offer.canonical().replace(b"23", b"24"), signed.signature, KEY.public)
    with pytest.raises(SignatureError):
        SignedOffer.read(offer.canonical(), signed.signature, SigningKey.from_seed(bytes(32)).public)
    with pytest.raises(ConfigurationError, match="catalogue"):
        offer.columns(load_catalogue("german"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"pairs":false', '"pairs":true'),
        ('"history",', ""),
        ('"knots":[]', '"knots":[[0.0,1.0],[-1.0,2.0]]'),
        ('"pdo":40', '"pdo":-40'),
        ('"terms":"7b', '"terms":"7c'),
        ('"terms":"7b', '"terms":"zz'),
    ],
)
def test_an_offer_that_cannot_hold_is_refused(old: str, new: str) -> None:
    text = offer_of(CATALOGUE, EFFECTS).canonical().decode()
    assert old in text
    changed = json.dumps(json.loads(text.replace(old, new)))
    with pytest.raises((ConfigurationError, MessageError)):
        Offer.model_validate_json(changed).columns(CATALOGUE)


def test_weights_have_one_name_where_answers_are_counted_whatever_the_parts() -> None:
    """A pair's weights stand in two families and in one dimension: by all of them one model would have two names."""
    catalogue, effects, _ = summed()

    def named(by: By, *, by_all: bool = False) -> blind.BlindModel:
        columns = Columns(catalogue, True, by)
        found = model_of(catalogue, effects, by=by)
        return replace(found, own=columns.own, named_by=None if by_all else columns.mains)

    dimensions, families = named("dimension"), named("family")
    assert dimensions.counted_as() == families.counted_as()
    assert dimensions.divided_as() != families.divided_as()
    assert named("dimension", by_all=True).counted_as() != named("family", by_all=True).counted_as()
