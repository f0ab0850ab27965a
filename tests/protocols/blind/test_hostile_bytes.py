"""Thousands of mutated messages: typed errors or answers, never anything else, and the next question is answered."""

from __future__ import annotations

import numpy as np
import pytest
from blind_world import drawn_model, owner, scored, source

from protocols.blind import BlindClient, BlindScorer, MemoryCount, Quota
from protocols.errors import MessageError, ProtocolError

MODEL = drawn_model(20, 5, flood=14)
SOAK = pytest.mark.soak


def mutated(message: bytes, rng: np.random.Generator) -> bytes:
    """A message cut, stretched, flipped in its head or its body, spliced, or made up."""
    kind, data = int(rng.integers(8)), bytearray(message)
    at = int(rng.integers(len(data)))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        return bytes(data) + rng.bytes(int(rng.integers(1, 64)))
    if kind == 2:
        data[rng.integers(60)] ^= int(rng.integers(1, 256))
    elif kind == 3:
        data[56:60] = rng.bytes(4)
    elif kind == 4:
        return rng.bytes(int(rng.integers(300)))
    elif kind == 5:
        return bytes(data[at:]) + bytes(data[:at])
    elif kind == 6:
        data[at : at + 1] = b""
    else:  # of the right size: a valid request, whatever it encrypts
        data[60:] = rng.bytes(len(data) - 60)
    return bytes(data)


@pytest.mark.parametrize("messages", [5_000, pytest.param(25_000, marks=SOAK)])
def test_scorers_refuse_by_name_or_answer(messages: int) -> None:
    rng = np.random.default_rng(messages)
    scorer = BlindScorer(MODEL, Quota.extractable(2**40), MemoryCount(), source(1))
    _, request = BlindClient(MODEL.terms(), source(2)).ask(np.ones((3, 20), dtype=int))
    fields, answered = [], 0
    for _ in range(messages):
        try:
            answered += len(scorer.answer("lender-a", mutated(request, rng))) > 0
        except MessageError as error:
            fields.append(error.field)
    assert len(fields) + answered == messages
    assert set(fields) == {"blind.request", "blind.request.applicants"}
    assert answered > 0.05 * messages
    values = np.random.default_rng(3).integers(0, 2, size=(1, 20))
    assert np.abs(scored(MODEL, values, scorer).parts - scored(MODEL, values).parts).max() < 2.0**-5


@pytest.mark.parametrize("messages", [5_000, pytest.param(25_000, marks=SOAK)])
def test_clients_refuse_by_name_or_open(messages: int) -> None:
    rng = np.random.default_rng(messages)
    client = BlindClient(MODEL.terms(), source(2))
    _, request = client.ask(np.ones((3, 20), dtype=int))
    answer = owner(MODEL).answer("lender-a", request)
    pending, _ = client.ask(np.ones((3, 20), dtype=int))
    opened = 0
    for _ in range(messages):
        try:
            parts = pending.open(mutated(answer, rng)).parts
        except ProtocolError:
            continue
        opened += 1
        assert np.isfinite(parts).all()
        assert np.abs(parts).max() <= 128
        pending, _ = client.ask(np.ones((3, 20), dtype=int))
    assert 0.05 * messages < opened < 0.3 * messages
