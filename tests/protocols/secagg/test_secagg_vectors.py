"""Known answers: made by a second implementation (`vectors/make_vectors.py`), given by this one byte for byte."""

from __future__ import annotations

import doctest
import json
import runpy
from collections.abc import Callable
from hashlib import shake_256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.envelope import read_envelope
from protocols.secagg import Collector, Member, SecaggPlan, from_wire, plan, shamir, to_wire
from protocols.secagg.keys import pair_key, self_key
from protocols.secagg.masks import WORD_BYTES
from protocols.secagg.secrets import Kind
from protocols.secagg.sharing import Place, open_share
from protocols.signing import SigningKey, VerifyingKey

FOLDER = Path(__file__).parent / "vectors"
KNOWN: dict[str, Any] = json.loads((FOLDER / "secagg_v1.json").read_text())
NAMES = list(KNOWN["plan"]["members"])
PLAN = SecaggPlan(
    bytes.fromhex(KNOWN["plan"]["context"]),
    {name: VerifyingKey.from_hex(key) for name, key in KNOWN["plan"]["members"].items()},
    KNOWN["plan"]["rounds"],
    KNOWN["plan"]["threshold"],
    KNOWN["plan"]["fewest"],
)
KEYS = {name: SigningKey.from_seed(bytes.fromhex(seed)) for name, seed in KNOWN["enrolled_seeds"].items()}


def generator(name: str) -> Callable[[int], bytes]:
    at = 0

    def random(count: int) -> bytes:
        nonlocal at
        at += count
        return shake_256(b"secagg vectors " + name.encode()).digest(at)[at - count :]

    return random


def run() -> tuple[Collector, dict[str, Member]]:
    collector, states = Collector(PLAN), {}
    for name in NAMES:
        states[name], advert = Member.start(PLAN, name, KEYS[name], generator(name))
        assert read_envelope(advert).body.hex() == KNOWN["adverts"][name]
        collector.advert(name, advert)
    for name in NAMES:
        states[name], shares = states[name].share(collector.adverts)
        collector.shares(name, shares)
    return collector, states


def test_the_file_is_what_its_generator_makes() -> None:
    assert runpy.run_path(str(FOLDER / "make_vectors.py"))["text"]() == (FOLDER / "secagg_v1.json").read_text()


def test_set_up_keys_and_shares() -> None:
    collector, states = run()
    setup = states[NAMES[0]].setup
    assert setup is not None
    assert (PLAN.id.hex(), setup.id.hex()) == (KNOWN["plan_id"], KNOWN["setup_id"])
    for at, key in KNOWN["pair_keys"].items():
        size, number, one, other = at.split("/")
        secret, public = states[one].secrets[int(number)].mask, setup.adverts[other].masks[int(number) - 1]
        basis = bytes.fromhex(KNOWN["bases"][number])
        assert pair_key(secret, public, setup.id, int(number), one, other, basis, int(size)).hex() == key
    for at, key in KNOWN["self_keys"].items():
        size, number, name = at.split("/")
        assert self_key(states[name].secrets[int(number)].seed, setup.id, int(number), name, int(size)).hex() == key
    for at, cell in KNOWN["cells"].items():
        number, what, dealer, receiver = at.split("/")
        place = Place(setup, int(number), Kind[what.upper()], dealer, receiver)
        assert collector._dealt[dealer].cell(receiver, place.round, place.kind).hex() == cell
        assert open_share(place, states[receiver].channel, bytes.fromhex(cell)).hex() == KNOWN["shares"][at]


@pytest.mark.parametrize("size", WORD_BYTES)
def test_masked_vectors_and_their_sum(size: int) -> None:
    """Round 1 with all members, round 2 without the second."""
    collector, states = run()
    for number, gone in ((1, []), (2, ["beta"])):
        basis = bytes.fromhex(KNOWN["bases"][str(number)])
        total = collector.round(number, 4, basis, size)
        for name in NAMES:
            if name not in gone:
                vector = np.array([int(value) for value in KNOWN["vectors"][f"{size}/{name}"]], f"u{size}")
                states[name], masked = states[name].mask(number, vector, basis)
                known = KNOWN["masked"][f"{size}/{number}/{name}"]
                assert to_wire(masked).hex() == known
                total.offer(name, from_wire(bytes.fromhex(known), 4, size))
        for name in total.close():
            states[name], revealed = states[name].reveal(total.unmasking(name))
            total.reveal(name, revealed)
        sent = [KNOWN["vectors"][f"{size}/{name}"] for name in NAMES if name not in gone]
        assert total.total().tolist() == [sum(map(int, column)) % 256**size for column in zip(*sent, strict=True)]


def test_examples_in_docstrings() -> None:
    for module in (plan, shamir):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
