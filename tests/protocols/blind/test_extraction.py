"""A lender that wants the weights: each attack succeeds with its check off, and fails with it on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blind_world import SALT, drawn_model, owner, scored, source
from blind_world import plain_parts as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.polys.domains import ZZ
from sympy.polys.matrices import DomainMatrix

from protocols.blind import Answer, BlindClient, BlindModel, BlindScorer, MemoryCount, Quota, QuotaError, Request, Terms
from protocols.blind.messages import SCALE_BITS
from protocols.blind.ring import Polynomial, both_signs, noise, shifted, ternary, times, uniform

FEATURES, PARTS = 20, 4
MODEL = drawn_model(FEATURES, PARTS, flood=14)


def granted(quota: Quota) -> tuple[np.ndarray, np.ndarray]:
    """Units vectors asked until the quota ends: features int[answers, 20], parts float[answers, 4]."""
    scorer, asked, found = owner(MODEL, quota), [], []
    for row in np.eye(FEATURES, dtype=int):
        pending, request = BlindClient(MODEL.terms(), source(len(asked))).ask([row])
        try:
            found.append(pending.open(scorer.answer(f"lender-{len(asked)}", request)).parts[0])
        except QuotaError:
            break
        asked.append(row)
    return np.array(asked), np.array(found)


def solutions(part: int, asked: np.ndarray) -> np.ndarray:
    """A basis of the changes to a part's weights that none of the answers shows."""
    members = np.array(MODEL.part_of) == part
    _, sizes, rows = np.linalg.svd(asked[:, members])
    return rows[(sizes > 1e-9).sum() :]


def test_with_the_quota_off_every_weight_is_recovered() -> None:
    asked, found = granted(Quota.extractable(FEATURES))
    weights = np.linalg.lstsq(asked.astype(float), found.sum(axis=1), rcond=None)[0]
    assert np.abs(weights - np.array(MODEL.weights)).max() < PARTS * 2.0**-7  # flood 14 is off by at most 1/128 a part
    assert all(solutions(part, asked).size == 0 for part in range(PARTS))


def test_with_it_on_every_part_fits_other_weights_as_well() -> None:
    asked, found = granted(Quota.below(MODEL))
    assert len(asked) == 4
    for part in range(PARTS):
        hidden = solutions(part, asked)
        assert len(hidden) >= 1
        members = np.flatnonzero(np.array(MODEL.part_of) == part)
        other = np.array(MODEL.weights)
        other[members] += 3 * hidden[0]
        again = plain(replace(MODEL, weights=tuple(other.tolist())), asked)
        assert np.abs(again - found).max() < 2.0**-7 + 2.0**-16


def test_one_packed_request_is_not_one_answer() -> None:
    everything = np.eye(FEATURES, dtype=int)
    taken = scored(MODEL, everything, owner(MODEL, Quota.extractable(FEATURES))).parts.sum(axis=1)
    assert np.abs(taken - np.array(MODEL.weights)).max() < PARTS * 2.0**-7
    with pytest.raises(QuotaError):
        scored(MODEL, everything, owner(MODEL, Quota.below(MODEL)))


def test_weights_that_stand_in_two_parts_count_for_neither() -> None:
    """Two of its own in each part and six in both: ten unknowns, and every answer is two equations."""
    rng = np.random.default_rng(21)
    (first, second), shared = rng.normal(size=(2, 2)), rng.normal(size=6)
    weights = (*first, *shared, *second, *shared)
    halves = BlindModel(tuple(float(weight) for weight in weights), (0,) * 8 + (1,) * 8, SALT, flood=8)
    rows = np.zeros((5, 16), dtype=int)
    for row, (left, right) in enumerate(zip((0, 1, 2, 3, 4), (8, 9, 13, 14, 15), strict=True)):
        rows[row, [left, right]] = 1
    assert Quota.below(halves).lifetime == 7
    found = scored(halves, rows, owner(halves, Quota.below(halves))).parts
    read = [*found[:2, 0], *found[2:, 0], *found[2:, 1], *found[:2, 1]]
    assert read == pytest.approx([*first, *shared, *second], abs=2.0**-12)
    with pytest.raises(QuotaError):
        scored(replace(halves, own=(2, 2)), rows, owner(halves, Quota.below(replace(halves, own=(2, 2)))))


class Undrowned(BlindScorer):
    """An owner without step 2: its c1 is a sum of c1s that the requester knows, times the weights."""

    def _drown(self, request: Request, c0: Polynomial, c1: Polynomial) -> tuple[Polynomial, Polynomial]:
        return c0, c1


def read_off(kind: type[BlindScorer], model: BlindModel) -> list[int]:
    """The shortest vector that explains c1 of ONE answer: small weights times known numbers, 16 bits left out.

    A hidden number problem (Boneh and Venkatesan, CRYPTO 1996), by LLL; in units of 2^-20 log-odds, up to sign.
    """
    _, data = BlindClient(model.terms(), source(8)).ask([[1] * len(model.weights)])
    request = Request.decode(data, model.terms())
    scorer = kind(model, Quota.extractable(1), MemoryCount(), source(9))
    answer = Answer.decode(scorer.answer("lender-a", data), model.terms(), 1)
    known, at, features = uniform(request.seed, 1), range(1000, 1006), len(model.weights)
    rows = [[int(known[row + place]) for row in at] + [0] * place for place in range(features)]
    rows = [row + [0] * (len(at) + features + 1 - len(row)) for row in rows]
    for place in range(features):
        rows[place][len(at) + place] = 1
    rows.append([-int(answer.c1[0, row]) for row in at] + [0] * features + [2**20])
    rows += [
        [2**64 * (place == column) for column in range(len(at))] + [0] * (features + 1) for place in range(len(at))
    ]
    reduced = DomainMatrix([[ZZ(value) for value in row] for row in rows], (len(rows), len(rows[0])), ZZ).lll()
    shortest = next((row for row in reduced.to_list() if abs(int(row[-1])) == 2**20), [ZZ(0)] * len(rows[0]))
    sign = 1 if int(shortest[-1]) > 0 else -1
    return [sign * int(value) for value in shortest[len(at) : -1]]


def test_without_drowning_one_answer_gives_every_weight() -> None:
    model = drawn_model(3, 1, seed=5)
    assert read_off(Undrowned, model) == model.units.tolist()
    assert read_off(BlindScorer, model) != model.units.tolist()


def test_the_coefficients_that_are_not_sent_hold_every_weight() -> None:
    """An indicator of the first feature; its shifts by the other features stand beside the released coefficient."""
    model = drawn_model(FEATURES, 1)
    client = BlindClient(model.terms(), source(10))
    pending, data = client.ask([[1] + [0] * (FEATURES - 1)])
    request, scorer = Request.decode(data, model.terms()), owner(model)
    c0, c1 = scorer._drown(request, *scorer._combine(request)[0])
    phase = (c0 + times(c1, pending._secret)).astype(np.int64)  # type: ignore[arg-type]
    all_of_it = np.rint(phase / 2.0**SCALE_BITS)
    assert (-all_of_it[-np.arange(1, FEATURES)]).tolist() == model.units[1:].tolist()
    answer = Answer.decode(scorer.answer("lender-a", data), model.terms(), 1)
    assert answer.values.size == 1


def forged(model: BlindModel, column: dict[int, int]) -> np.ndarray:
    """The parts of an answer about one applicant, to a request that encrypts what no client would."""
    client = BlindClient(model.terms(), source(11))
    pending, data = client.ask([[0] * len(model.weights)])
    request = Request.decode(data, model.terms())
    answer = owner(model).answer("lender-a", replace(request, columns=hostile(request, column)).encode(model.terms()))
    return pending.open(answer).parts[0]


def hostile(request: Request, column: dict[int, int]) -> np.ndarray:
    """The columns of `request` with numbers added at coefficients of the first."""
    added = np.zeros(request.columns.shape, dtype=np.int64)
    added[0, list(column)] = list(column.values())
    return request.columns + (added.astype(np.uint64) << np.uint64(SCALE_BITS))


OUT_OF_PLACE = {20 * block + place: 1 for block, place in enumerate((0, 4, 8, 12))}
"""Features 0, 4, 8 and 12, all of part 0, each where another part's block of 20 features would begin."""


def test_parts_side_by_side_in_one_ciphertext_are_four_equations_in_one_part() -> None:
    """Why each part has a ciphertext of its own: part k at coefficient 20 k would need shifts by X^(20 k - j)."""
    pending, data = BlindClient(MODEL.terms(), source(18)).ask([[0] * FEATURES])
    request = Request.decode(data, MODEL.terms())
    c0, c1 = np.zeros(4096, dtype=np.uint64), np.zeros(4096, dtype=np.uint64)
    column = hostile(request, OUT_OF_PLACE)[0]
    for place, weight in enumerate(MODEL.units.astype(np.uint64)):
        exponent = 20 * MODEL.part_of[place] - place
        c0 += weight * shifted(both_signs(column), exponent)
        c1 += weight * shifted(both_signs(uniform(request.seed, 1)), exponent)
    phase = (c0 + times(c1, pending._secret)).astype(np.int64)  # type: ignore[arg-type]
    assert np.rint(phase[[0, 20, 40, 60]] / 2.0**SCALE_BITS).tolist() == MODEL.units[[0, 4, 8, 12]].tolist()
    ours = drawn_model(FEATURES, PARTS)
    assert forged(ours, OUT_OF_PLACE)[0] == pytest.approx(ours.weights[0], abs=2.0**-19)
    assert forged(ours, OUT_OF_PLACE)[1:] == pytest.approx(np.zeros(3), abs=2.0**-19)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.integers(0, 4095), st.integers(-3, 3), max_size=40))
def test_whatever_is_encrypted_a_part_is_one_equation_in_its_own_weights(column: dict[int, int]) -> None:
    model = drawn_model(FEATURES, PARTS)
    seen = np.array([column.get(place, 0) for place in range(FEATURES)])
    assert forged(model, column) == pytest.approx(plain(model, [seen])[0], abs=2.0**-17)


def test_so_it_is_in_packed_requests_of_several_ciphertexts() -> None:
    """700 applicants, five columns in each of four ciphertexts, every coefficient of which holds something."""
    model, count, rng = drawn_model(FEATURES, PARTS), 700, np.random.default_rng(22)
    pending, data = BlindClient(model.terms(), source(23)).ask(np.zeros((count, FEATURES), dtype=int))
    request = Request.decode(data, model.terms())
    held = rng.integers(-3, 4, size=request.columns.shape)
    spoilt = request.columns + (held.astype(np.uint64) << np.uint64(SCALE_BITS))
    parts = pending.open(owner(model).answer("lender-a", replace(request, columns=spoilt).encode(model.terms()))).parts
    group = model.terms().group(count)
    seen = np.stack([held[j // group, j % group * count :][:count] for j in range(FEATURES)], axis=1)
    assert (group, len(held)) == (5, 4)
    assert parts == pytest.approx(plain(model, seen), abs=2.0**-16)


class Unbounded(Quota):
    """A quota without a limit on one request."""

    def most_in_request(self, terms: Terms) -> int:
        return 4096


def test_a_large_request_under_a_false_mask_key_would_read_all_of_u() -> None:
    """b = sum of 3^k X^(-512 k), above the noise: each value shows eight coefficients of u, 512 values all of it.
    With u, c1 is as good as not drowned, and `Quota.below` alone would allow it for a part of 513 features.
    """
    model = drawn_model(513, 1, flood=14)
    _, data = BlindClient(model.terms(), source(19)).ask(np.zeros((512, 513), dtype=int))
    request, signed = Request.decode(data, model.terms()), np.zeros(4096, dtype=np.int64)
    signed[0] = 1
    signed[4096 - 512 * np.arange(1, 8)] = -(3 ** np.arange(1, 8))  # X^-m = -X^(N - m)
    key = signed.astype(np.uint64) << np.uint64(SCALE_BITS + 14)
    spoilt = replace(request, mask=key, columns=np.zeros_like(request.columns)).encode(model.terms())
    scorer = BlindScorer(model, Unbounded(512, 512), MemoryCount(), source(20))
    values = Answer.decode(scorer.answer("lender-a", spoilt), model.terms(), 512).values[0]
    digits = np.rint(values.astype(np.int64) / 2.0 ** (SCALE_BITS + 14)).astype(int) + 3280
    read = np.concatenate([digits // 3**k % 3 - 1 for k in range(8)])
    assert (read == ternary(source(20))).all()
    with pytest.raises(QuotaError, match=r"quota\.request: got 512, expected at most 188"):
        BlindScorer(model, Quota.below(model), MemoryCount(), source(20)).answer("lender-a", spoilt)


@pytest.mark.parametrize(("flood", "told"), [(0, True), (20, False)])
def test_two_weights_in_one_value_are_told_apart_only_as_far_as_its_bits_reach(flood: int, told: bool) -> None:
    """Weights of 13 bits, one shifted by 14: 27 bits fit a value without noise; with 2^20 of it, 8 are left."""
    weights = (5000 / 2**20, 3001 / 2**20)
    model = BlindModel(weights, (0, 0), SALT, flood=flood)
    value = float(forged(model, {0: 1, 1: 2**14})[0]) * 2**20
    high = round(value / 2**14)
    found = (round(value - high * 2**14), high)
    assert (found == (5000, 3001)) is told
    assert model.terms().bits == (28 if told else 8)


def test_what_a_request_hides_below_the_scale_is_drowned_too() -> None:
    """A feature of 2^-9 of a unit moves a value by less than a unit: read with little noise, drowned with more."""

    def moved(flood: int) -> float:
        model = BlindModel((64.0,), (0,), SALT, flood=flood)
        client, scorer, gaps = BlindClient(model.terms(), source(12)), owner(model), []
        for _ in range(40):
            pending, data = client.ask([[0]])
            request = Request.decode(data, model.terms())
            hostile = request.columns.copy()
            hostile[0, 0] += np.uint64(1 << SCALE_BITS - 9)
            answer = scorer.answer("lender-a", replace(request, columns=hostile).encode(model.terms()))
            gaps.append(pending.open(answer).parts[0, 0])
        return float(np.abs(np.array(gaps) - 2.0**-3).max())

    assert moved(0) < 2.0**-20
    assert 2.0**-5 < moved(17) <= 2.0**-4 + 2.0**-20


def test_answers_to_one_request_share_nothing_that_cancels() -> None:
    model = drawn_model(FEATURES, 1)
    _, data = BlindClient(model.terms(), source(13)).ask([[1] * FEATURES])
    scorer = owner(model)
    first, second = (Answer.decode(scorer.answer("lender-a", data), model.terms(), 1).c1 for _ in range(2))
    gap = (first - second).astype(np.int64).astype(float) / 2.0**63
    assert abs(gap.mean()) < 0.05
    assert gap.std() == pytest.approx(3**-0.5, rel=0.05)  # uniform, as ring-LWE says
    undrowned = Undrowned(model, Quota.extractable(2), MemoryCount(), source(14))
    once, again = (Answer.decode(undrowned.answer("lender-a", data), model.terms(), 1).c1 for _ in range(2))
    assert np.array_equal(once, again)


def test_the_drowning_sample_has_its_noise() -> None:
    """c1 - a u is noise, not zero: without it, u would follow from linear algebra, and the weights from u."""
    model = BlindModel((0.0,), (0,), SALT, flood=0)
    _, data = BlindClient(model.terms(), source(15)).ask([[1]])
    request = Request.decode(data, model.terms())
    scorer = BlindScorer(model, Quota.extractable(1), MemoryCount(), source(16))
    c0, c1 = scorer._drown(request, *scorer._combine(request)[0])
    replay = source(16)
    u = ternary(replay)
    noise(replay)
    for drowned, key in ((c0, request.mask), (c1, uniform(request.seed, 0))):
        left = (drowned - times(key, u)).astype(np.int64)
        assert 0 < abs(left).max() <= 21
        assert left.var() == pytest.approx(10.5, rel=0.15)


def test_every_ciphertext_of_a_request_has_its_noise() -> None:
    """Without it the owner divides by a and has the secret, and with it the features."""
    pending, data = BlindClient(MODEL.terms(), source(17)).ask([[0] * FEATURES])
    request = Request.decode(data, MODEL.terms())
    for index, c0 in enumerate((request.mask, *request.columns)):
        phase = c0 + times(uniform(request.seed, index), pending._secret)  # type: ignore[arg-type]
        assert phase.astype(np.int64).var() == pytest.approx(10.5, rel=0.15)
