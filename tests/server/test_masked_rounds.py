"""Rounds under masks through nodes and driver: the model is that of the plain sums, and nobody sends a plain vector."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from masked_world import QUARTET, TRIO, Watched, masked_plan
from rounds_world import COORDINATOR, Handler, key_of

from clients.institution.masking import Masking, MasksMissing
from federation.rounds import RunFailed, update_hash
from federation.rounds.masking import masks_of
from federation.rounds.vectors import to_bytes
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.secagg import Member, Unmasking
from protocols.wire.training_pb2 import MaskingSetupRequest, RoundReply, UnmaskingRequest
from server.masking import MASKS, SURVIVORS


def kind(envelope: bytes) -> str:
    return read_envelope(envelope).kind


def silent(*when: str, after: int = 0) -> Callable[[Handler], Handler]:
    """A member that does not answer these kinds of requests, once it has answered `after` of them."""

    def between(handler: Handler) -> Handler:
        seen = 0

        def handle(envelope: bytes) -> bytes:
            nonlocal seen
            if kind(envelope) in when:
                seen += 1
                if seen > after:
                    raise ConnectionError
            return handler(envelope)

        return handle

    return between


def test_the_model_is_that_of_the_plain_sums_and_no_answer_is_plain() -> None:
    watched, seen = Watched(), []

    def tap(handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = handler(envelope)
            if kind(answer) == "RoundReply":
                seen.append(answer)
            return answer

        return handle

    for name in TRIO:
        watched.world.lie(name, tap)
    model = watched.world.driver().run()
    assert np.array_equal(model.vector, watched.expected())
    assert len(seen) == len(TRIO) * (watched.world.plan.rounds + 1)
    for answer in seen:
        words = np.frombuffer(RoundReply.FromString(read_envelope(answer).body).update, dtype="<u8")
        high = np.bincount(words >> np.uint64(60), minlength=16)  # of plain integers all ones or all zeros
        assert high[0] + high[15] < 0.5 * len(words)
    evaluation = watched.world.store().evaluation()
    assert evaluation is not None
    evaluation.verify(watched.world.plan)
    share = watched.world.plan.privacy.evaluation_noise_share()
    assert evaluation.sd == pytest.approx(float(share) * 3**0.5)


def test_a_member_that_drops_out_is_left_out_of_one_sum_and_back_in_the_next() -> None:
    watched = Watched(masked_plan(QUARTET, droppers=1))

    def away_in_round_two(handler: Handler) -> Handler:
        rounds = 0

        def handle(envelope: bytes) -> bytes:
            nonlocal rounds
            rounds += kind(envelope) == "RoundRequest"
            if kind(envelope) == "RoundRequest" and rounds == 2:
                raise ConnectionError
            return handler(envelope)

        return handle

    watched.world.lie("bank-d", away_in_round_two)
    model = watched.world.driver().run()
    settled = json.loads((watched.world.folder / SURVIVORS).read_bytes())
    assert settled["2"] == list(TRIO)
    assert settled["1"] == settled["3"] == list(QUARTET)
    assert np.array_equal(model.vector, watched.expected({2: TRIO}))


def test_a_driver_that_dies_before_a_sum_is_open_opens_the_same_one() -> None:
    watched = Watched(masked_plan(QUARTET, droppers=1))
    for name in TRIO:
        watched.world.lie(name, silent("UnmaskingRequest"))
    watched.world.lie("bank-d", silent("RoundRequest"))
    with pytest.raises(RunFailed, match="sum 1"):
        watched.world.driver(attempts=1).run()
    fresh = {number: bank.node.handle for number, bank in enumerate(watched.world.banks.values(), start=10)}
    watched.world.handlers = fresh  # everybody is back, and bank-d would answer now
    model = watched.world.driver().run()
    assert json.loads((watched.world.folder / SURVIVORS).read_bytes())["1"] == list(TRIO)
    assert np.array_equal(model.vector, watched.expected({1: TRIO}))


def test_without_tolerance_one_silent_member_ends_the_run_and_nothing_opens() -> None:
    watched = Watched()
    watched.world.lie("bank-c", silent("RoundRequest", after=1))
    with pytest.raises(RunFailed, match=r"round 2.*bank-c"):
        watched.world.driver(attempts=1).run()
    checkpoint = watched.world.store().checkpoint()
    assert checkpoint is not None
    assert checkpoint.round == 1


def test_a_node_asked_again_after_a_crash_sends_the_same_masked_vector() -> None:
    watched = Watched(masked_plan(QUARTET, droppers=1))
    bank = watched.world.banks["bank-a"]

    def dies_before_the_state_is_kept(handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if kind(envelope) != "RoundRequest" or bank.computation.computed:
                return bank.node.handle(envelope)
            before = bank.masks.read(watched.world.plan.run_id)
            bank.node.handle(envelope)
            assert before is not None
            bank.masks.write(watched.world.plan.run_id, before)
            bank.restart()
            raise ConnectionError

        return handle

    watched.world.lie("bank-a", dies_before_the_state_is_kept)
    watched.world.pace = replace(watched.world.pace, patience=60.0, grace=30.0, max_asks=3)
    model = watched.world.driver().run()
    assert np.array_equal(model.vector, watched.expected())


def test_no_round_without_its_masks_and_nothing_is_spent() -> None:
    watched = Watched()
    (watched.world.folder / MASKS).write_bytes(b"")
    for bank in watched.world.banks.values():
        bank.masks.write(watched.world.plan.run_id, b"")
    with pytest.raises(RunFailed, match="masks"):
        watched.world.driver(attempts=1).run()
    assert all(bank.computation.computed == 0 for bank in watched.world.banks.values())


def test_a_swapped_advert_is_refused_by_whom_it_would_have_deceived() -> None:
    watched = Watched()
    plan = watched.world.plan

    secagg, forged = masks_of(plan), key_of("somebody")
    other = replace(secagg, members={**secagg.members, "bank-b": forged.public})
    theirs = Member.start(other, "bank-b", forged, os.urandom)[1]

    def swap(handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if kind(envelope) == "MaskingSetupRequest":
                request = open_envelope(envelope, MaskingSetupRequest, COORDINATOR.public)
                request.adverts["bank-b"] = theirs
                envelope = seal(request, COORDINATOR)
            return handler(envelope)

        return handle

    watched.world.lie("bank-a", swap)
    with pytest.raises(RunFailed, match=r"masks.*") as caught:
        watched.world.driver(attempts=1).run()
    assert "bank-a" in str(caught.value)
    assert all(bank.computation.computed == 0 for bank in watched.world.banks.values())


def test_a_replay_masks_again_and_finds_a_share_of_noise_that_was_left_out() -> None:
    watched = Watched()
    bank, plan = watched.world.banks["bank-a"], watched.world.plan
    kept: list[bytes] = []  # as a run with replay keeps it
    forgotten = bank.masks.write
    bank.masks.write = lambda run, state: (kept.append(state), forgotten(run, state))[1]  # type: ignore[method-assign]
    watched.world.driver().run()
    forgotten(plan.run_id, kept[1])
    masking = Masking("bank-a", key_of("bank-a"), bank.masks, os.urandom)
    record = watched.world.store().model()
    assert record is not None
    sent, told = record.checkpoint[1].updates["bank-a"], bytes.fromhex(record.checkpoint[1].model_hash)
    computed = watched.computed["bank-a", 2].view(np.uint64)
    assert update_hash(to_bytes(masking.mask_again(plan, 2, computed, told))).hex() == sent
    assert update_hash(to_bytes(masking.mask_again(plan, 2, computed + 1, told))).hex() != sent
    masking.forget({plan.run_id})
    assert update_hash(to_bytes(masking.mask_again(plan, 2, computed, told))).hex() == sent
    masking.forget(set())
    with pytest.raises(MasksMissing):
        masking.mask_again(plan, 2, computed, told)
    with pytest.raises(MasksMissing):
        Masking("bank-a", key_of("bank-a"), bank.masks, os.urandom).mask_again(plan, 2, computed, told)


def test_two_lists_of_survivors_are_refused() -> None:
    watched = Watched(masked_plan(QUARTET, droppers=1))
    requests: list[bytes] = []

    def keep(handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if kind(envelope) == "UnmaskingRequest":
                requests.append(envelope)
            return handler(envelope)

        return handle

    watched.world.lie("bank-a", keep)
    watched.world.driver().run()
    request = open_envelope(requests[0], UnmaskingRequest, COORDINATOR.public)
    told = Unmasking.decode(masks_of(watched.world.plan), request.unmasking)
    request.unmasking = replace(told, survivors=TRIO).encode()
    answer = watched.world.banks["bank-a"].node.handle(seal(request, COORDINATOR))
    assert kind(answer) == "Refusal"
    assert watched.world.banks["bank-a"].refusals()[-1] == "no_masks"
