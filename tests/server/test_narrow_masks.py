"""Rounds whose sums stay below 2^31: words of 4 bytes, exact sums, and nothing masked that could wrap around unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from masked_world import QUARTET, TRIO, Watched, coarsen, masked_plan
from rounds_world import Handler, catalogue, evaluation_size, key_of

from federation.rounds import RunFailed
from federation.rounds.evaluation_forms import EvaluationForms
from federation.rounds.rule import rule_of
from federation.rounds.vectors import I64, MaskedForm
from protocols.envelope import read_envelope, seal
from protocols.secagg import Words
from protocols.wire.training_pb2 import RoundReply


def kept(watched: Watched, number: int) -> dict[str, bytes]:
    """What the coordinator got of each member, in round `number`."""
    checkpoint = watched.world.store().checkpoint()
    assert checkpoint is not None
    updates = checkpoint.rounds[number - 1].updates
    return {name: (watched.world.folder / "updates" / named).read_bytes() for name, named in updates.items()}


def says(watched: Watched, name: str, number: int) -> None:
    """`name` computes `number` in the first place of each vector, and nothing elsewhere."""
    train = watched.world.banks[name].computation.train

    def computed(*about: Any) -> I64:
        vector = np.zeros_like(train(*about))
        vector[0] = number
        return vector

    watched.world.banks[name].computation.train = computed  # type: ignore[method-assign]


@pytest.mark.parametrize("droppers", [0, 1])
def test_a_run_in_words_of_4_bytes_is_that_of_the_plain_sums(droppers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    coarsen(monkeypatch)
    watched = Watched(masked_plan(QUARTET, droppers=droppers))

    def away_in_round_two(handler: Handler) -> Handler:
        rounds = 0

        def handle(envelope: bytes) -> bytes:
            nonlocal rounds
            rounds += read_envelope(envelope).kind == "RoundRequest"
            if rounds == 2 and read_envelope(envelope).kind == "RoundRequest":
                raise ConnectionError
            return handler(envelope)

        return handle

    if droppers:
        watched.world.lie("bank-d", away_in_round_two)
    model = watched.world.driver().run()
    survivors = {2: TRIO} if droppers else {}
    assert np.array_equal(model.vector, watched.expected(survivors))
    rule = rule_of(catalogue(), watched.world.plan)
    for number in (1, 2, 3):
        sent = kept(watched, number)
        assert tuple(sent) == survivors.get(number, QUARTET)
        assert {len(data) for data in sent.values()} == {4 * rule.masked_form(number).size}
    assert EvaluationForms(watched.world.plan, evaluation_size()).masked_form.word_bytes == 8


def test_a_member_beyond_its_bound_sends_nothing_and_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    coarsen(monkeypatch)
    watched = Watched()
    form = rule_of(catalogue(), watched.world.plan).masked_form(1)
    says(watched, "bank-a", form.bounds["bank-a"] + 1)
    with pytest.raises(RunFailed, match=r"round 1.*bank-a"):
        watched.world.driver(attempts=1).run()
    bank = watched.world.banks["bank-a"]
    assert bank.refusals()[-1] == "internal"
    assert watched.world.store().checkpoint() is None


def test_without_that_check_sums_wrap_around_and_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members at the end of what a word can tell, each beyond its bound: together they say nothing at all."""

    def unchecked(self: MaskedForm, institution: str, vector: I64) -> Words:
        return vector.astype(f"u{self.word_bytes}")

    coarsen(monkeypatch)
    for allowed in (True, False):
        watched = Watched()
        for name, number in zip(TRIO, (2**31 - 1, 2**31 - 1, 2), strict=True):
            says(watched, name, number)
        with monkeypatch.context() as patch:
            if allowed:
                patch.setattr(MaskedForm, "words", unchecked)
                model = watched.world.driver(attempts=1).run()
                assert np.array_equal(model.vector, rule_of(catalogue(), watched.world.plan).initial())
            else:
                with pytest.raises(RunFailed, match="round 1"):
                    watched.world.driver(attempts=1).run()


def test_a_member_that_answers_in_the_other_words_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def liar(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = honest(envelope)
            if read_envelope(envelope).kind != "RoundRequest":
                return answer
            reply = RoundReply.FromString(read_envelope(answer).body)
            reply.update = np.frombuffer(reply.update, "<u4").astype("<u8").tobytes()
            return seal(reply, key_of("bank-b"))

        return handle

    coarsen(monkeypatch)
    watched = Watched()
    watched.world.lie("bank-b", liar)
    with pytest.raises(RunFailed, match="round 1"):
        watched.world.driver(attempts=1).run()
    assert watched.world.of("round")[0]["refused"] == {"bank-b": "wrong_shape"}
