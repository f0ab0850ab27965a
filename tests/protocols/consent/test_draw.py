"""The sample of a spot check: the same for everybody, of the stated chance, and nobody's choice."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from consent_world import drawn_bytes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.consent.draw import (
    KIND,
    MARGIN,
    MAX_BYTES,
    MILLION,
    Draw,
    SignedDraw,
    check_place,
    commit_seed,
    detection,
    drawn,
    joint_seed,
    rate_for,
    sample,
)
from protocols.errors import EncodingError, MessageError, ProofError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import entry_hash, inclusion_path, leaf_hash, node_hash
from protocols.transparency import root as tree_root

KEYS = {name: SigningKey.from_seed(hashlib.sha256(name.encode()).digest()) for name in ("ombudsman", "regulator")}
SEEDS = {name: drawn_bytes(f"seed of {name}") for name in KEYS}
ROOT = drawn_bytes("root")


def draw(**changes: Any) -> Draw:
    seeds = {name: commit_seed(seed) for name, seed in SEEDS.items()}
    return replace(Draw(seeds, rate=200_000, first=0, size=500), **changes)


def signed(of: Draw) -> SignedDraw:
    return SignedDraw(of, {name: of.sign(key) for name, key in KEYS.items()})


def node(leaves: list[bytes]) -> Any:
    def read(level: int, index: int) -> bytes:
        return leaves[index] if level == 0 else node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


def test_a_coin_is_the_hmac_of_rfc_2104() -> None:
    """HMAC-SHA256 written out, for another way to the same coins."""
    seed, message = bytes(range(32)), b"fedscore/v1/consent/draw/coin\x00" + ROOT
    inner, outer = (bytes(byte ^ pad for byte in seed.ljust(64, b"\x00")) for pad in (0x36, 0x5C))
    for index in range(64):
        first = hashlib.sha256(inner + message + index.to_bytes(8, "big")).digest()
        coin = int.from_bytes(hashlib.sha256(outer + first).digest()[:8], "big")
        rate = -(-(coin + 1) * MILLION // 2**64)  # the smallest that draws it
        assert drawn(seed, ROOT, index, rate)
        assert not drawn(seed, ROOT, index, rate - 1)


def test_the_sample_is_written_down() -> None:
    """Computed from the documented form, without this code."""
    assert sample(draw(rate=50_000), SEEDS, ROOT, range(100)) == (26, 34, 59, 69, 81, 92, 98)


@given(seed=st.binary(min_size=32, max_size=32), low=st.integers(1, MILLION), more=st.integers(0, MILLION))
@settings(max_examples=50, deadline=None)
def test_a_larger_rate_draws_a_larger_sample(seed: bytes, low: int, more: int) -> None:
    for index in range(20):
        assert not drawn(seed, ROOT, index, low) or drawn(seed, ROOT, index, min(MILLION, low + more))
        assert drawn(seed, ROOT, index, MILLION)


def test_the_sample_does_not_depend_on_the_order_and_repeats() -> None:
    leaves = list(range(500))
    first = sample(draw(), SEEDS, ROOT, leaves)
    assert first == sample(draw(), SEEDS, ROOT, [*reversed(leaves), 7, 7])
    assert first == tuple(sorted(first))
    part = [index for index in leaves if index % 3]
    assert sample(draw(), SEEDS, ROOT, part) == tuple(index for index in first if index % 3)
    assert first != sample(draw(), SEEDS, drawn_bytes("another root"), leaves)


def test_as_many_are_drawn_as_the_rate_says() -> None:
    """20,000 coins of .2: five standard deviations are 283."""
    count = len(sample(draw(size=20_000), SEEDS, ROOT, range(20_000)))
    assert abs(count - 4_000) <= 283


@pytest.mark.parametrize(("of_500", "chance"), [(50, 0.65), (100, 0.89), (150, 0.97)])
def test_the_chance_to_find_ten_forgeries_among_500(of_500: int, chance: float) -> None:
    rate = of_500 * MILLION // 500
    assert round(detection(10, rate), 2) == chance
    forged = range(0, 500, 50)
    found = sum(any(drawn(bytes([a, b]), ROOT, index, rate) for index in forged) for a in range(30) for b in range(50))
    assert abs(found / 1_500 - chance) < 0.06  # five standard deviations and more


@given(forged=st.integers(1, 1000), chance=st.floats(0.001, 0.9999))
@example(forged=1, chance=0.0010000000000000002)
@settings(max_examples=100, deadline=None)
def test_the_rate_for_a_chance_is_the_smallest(forged: int, chance: float) -> None:
    rate = rate_for(forged, chance)
    assert detection(forged, rate) >= chance
    assert rate == 1 or detection(forged, rate - 1) < chance


@pytest.mark.parametrize(("forged", "chance"), [(0, 0.5), (1, 0.0), (1, 1.0)])
def test_a_chance_that_no_rate_gives_is_refused(forged: int, chance: float) -> None:
    with pytest.raises(MessageError):
        rate_for(forged, chance)


def test_a_draw_is_signed_by_all_who_hold_a_seed() -> None:
    publics = {name: key.public for name, key in KEYS.items()}
    whole = signed(draw())
    again = SignedDraw.decode(whole.encode())
    assert (again.encode(), again.hash) == (whole.encode(), whole.hash)
    again.verify(publics)
    for bad in (
        replace(whole, draw=draw(rate=1)),
        replace(whole, draw=draw(size=501)),
        replace(whole, signatures={"regulator": whole.signatures["regulator"]}),
        replace(whole, signatures=dict.fromkeys(KEYS, whole.signatures["regulator"])),
        signed(draw(seeds={"regulator": bytes(32)})),
    ):
        with pytest.raises(SignatureError):
            bad.verify(publics)
    assert whole.hash == entry_hash(KIND, whole.encode())


@pytest.mark.parametrize("change", [{"rate": 0}, {"rate": MILLION + 1}, {"first": -1}, {"first": 500}, {"seeds": {}}])
def test_a_draw_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        draw(**change)


def test_documents_of_another_form_are_refused() -> None:
    with pytest.raises(MessageError):
        SignedDraw.decode(bytes(MAX_BYTES + 1))
    with pytest.raises(EncodingError):
        SignedDraw.decode(b" " + signed(draw()).encode())
    for bad in ({"seeds": {"": bytes(32)}}, {"seeds": {"regulator": b"short"}}):
        with pytest.raises(MessageError):
            draw(**bad)


def test_who_reveals_another_seed_or_none_is_named() -> None:
    for seeds in ({"regulator": SEEDS["regulator"]}, SEEDS | {"ombudsman": bytes(32)}, SEEDS | {"ombudsman": b"short"}):
        with pytest.raises(ProofError, match="seed of ombudsman"):
            joint_seed(draw(), seeds)
    with pytest.raises(ProofError, match="seed of stranger"):
        joint_seed(draw(), SEEDS | {"stranger": bytes(32)})


def test_leaves_outside_of_the_draw_are_refused() -> None:
    for leaves in ([500], [3, 500], [9]):
        with pytest.raises(MessageError):
            sample(draw(first=10), SEEDS, ROOT, leaves)
    with pytest.raises(MessageError):
        sample(draw(), SEEDS, b"short", [3])
    assert sample(draw(rate=MILLION), SEEDS, ROOT, []) == ()


def grind(last_known: int, spared: int) -> tuple[SignedDraw, dict[str, bytes], list[bytes]]:
    """A regulator alone picks the seed that spares one entry, as if its draw were the log's last entry."""
    before = [leaf_hash(bytes([index])) for index in range(last_known)]
    for attempt in range(200):
        seeds = {"regulator": drawn_bytes(f"attempt {attempt}")}
        made = Draw({"regulator": commit_seed(seeds["regulator"])}, rate=900_000, first=0, size=last_known + 1)
        placed = SignedDraw(made, {"regulator": made.sign(KEYS["regulator"])})
        leaves = [*before, placed.hash]
        if spared not in sample(made, seeds, tree_root(leaves), range(last_known)):
            return placed, seeds, leaves
    raise AssertionError("no seed spares it")


def test_a_draw_committed_to_last_could_be_ground_and_is_refused() -> None:
    placed, seeds, leaves = grind(20, spared=5)
    root = tree_root(leaves)
    assert 5 not in sample(placed.draw, seeds, root, range(20))  # the attack, with its check off
    with pytest.raises(ProofError, match="entries after it"):
        check_place(placed, 20, inclusion_path(node(leaves), 20, 21), root)


def test_a_coordinator_that_knew_the_seed_would_shape_the_root_and_does_not_know_it() -> None:
    entries = [leaf_hash(bytes([index])) for index in range(40)]
    made = draw(rate=900_000, size=41)
    roots = (tree_root([*entries, leaf_hash(b"pad %d" % index)]) for index in range(400))
    chosen = next(root for root in roots if 5 not in sample(made, SEEDS, root, [5]))  # with both seeds: it succeeds
    assert sample(made, SEEDS, chosen, [5]) == ()
    spared = 0
    for number in range(300):  # with the regulator's seed alone, the choice is worth nothing
        other = SEEDS | {"ombudsman": drawn_bytes(f"ombudsman {number}")}
        fresh = draw(rate=900_000, seeds={name: commit_seed(seed) for name, seed in other.items()})
        spared += not sample(fresh, other, chosen, [5])
    assert spared <= 60  # 30 expected, five standard deviations 26


def test_a_draw_stands_in_the_log_before_what_decides_it() -> None:
    placed = signed(draw(size=40))
    leaves = [leaf_hash(bytes([index])) for index in range(40)]
    leaves[20] = placed.hash
    root, path = tree_root(leaves), inclusion_path(node(leaves), 20, 40)
    check_place(placed, 20, path, root)
    for index, taken, against in ((19, path, root), (20, path[:-1], root), (20, path, bytes(32))):
        with pytest.raises(ProtocolError):
            check_place(placed, index, taken, against)
    with pytest.raises(ProofError, match="entries after it"):
        check_place(placed, 40 - MARGIN, path, root)
