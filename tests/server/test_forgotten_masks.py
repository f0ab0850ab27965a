"""Whoever steals a member's home after the fact, and has what it sent: what is there to open it with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from masked_world import QUARTET, Watched, masked_plan
from numpy.typing import NDArray
from rounds_world import COORDINATOR, Handler, key_of, make_plan, sign

from clients.institution.mask_book import MaskBook
from clients.institution.masking import MaskFiles, Masking, MasksMissing
from federation.errors import ConfigurationError
from federation.privacy.stages import SharedNoise
from federation.rounds.masking import masks_of
from federation.rounds.plan import TrainingPlan
from federation.runtime.private_files import draft_of, read_private
from federation.training.sums import SumRecipe
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.secagg import Member
from protocols.wire.training_pb2 import MaskingAdvertRequest, Refusal, RoundReply

VICTIM = "bank-a"


class Wire:
    """What the victim sent, round by round: vectors under masks, and the models that they were computed from."""

    def __init__(self, watched: Watched) -> None:
        self.replies: list[RoundReply] = []
        watched.world.lie(VICTIM, self._listen)

    def _listen(self, handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = handler(envelope)
            if read_envelope(answer).kind == "RoundReply":
                self.replies.append(open_envelope(answer, RoundReply, key_of(VICTIM).public))
            return answer

        return handle


def opened(watched: Watched, reply: RoundReply, number: int) -> NDArray[np.int64]:
    """The vector in `reply`, by the victim's own file: a mask under zeros is a mask. Raises MasksMissing."""
    sent = np.frombuffer(reply.update, "<u8").astype(np.uint64)
    thief = Masking(VICTIM, key_of(VICTIM), watched.world.banks[VICTIM].masks, os.urandom)
    return (sent - thief.mask_again(watched.world.plan, number, np.zeros_like(sent), reply.model_hash)).view(np.int64)


def test_with_secrets_kept_a_theft_after_the_run_opens_every_round_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Member, "finish", lambda self, _: self)
    watched = Watched()
    wire = Wire(watched)
    watched.world.driver().run()
    for number in (1, 2, 3):
        assert np.array_equal(opened(watched, wire.replies[number - 1], number), watched.computed[VICTIM, number])


def test_a_theft_after_the_run_opens_none() -> None:
    watched = Watched()
    wire = Wire(watched)
    watched.world.driver().run()
    assert len(wire.replies) == watched.world.plan.rounds + 1
    for number, reply in enumerate(wire.replies, start=1):
        with pytest.raises(MasksMissing):
            opened(watched, reply, number)


def test_where_members_may_drop_the_last_sum_alone_could_still_be_asked_for() -> None:
    watched = Watched(masked_plan(QUARTET, droppers=1))
    wire = Wire(watched)
    watched.world.driver().run()
    plan, bank = watched.world.plan, watched.world.banks[VICTIM]
    for number in range(1, plan.rounds + 1):
        with pytest.raises(MasksMissing):
            opened(watched, wire.replies[number - 1], number)
    opened(watched, wire.replies[-1], plan.rounds + 1)
    watched.world.clock.now = plan.expires + 1.0
    bank.restart()
    assert bank.masks.runs() == set()


def test_an_answer_whose_masks_are_gone_is_sent_again_as_it_was() -> None:
    watched = Watched()
    asked, answers = [], []

    def twice(handler: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if read_envelope(envelope).kind == "RoundRequest":
                asked.append(envelope)
                answers.extend([handler(envelope), handler(asked[0])])
                return answers[-2]
            return handler(envelope)

        return handle

    watched.world.lie(VICTIM, twice)
    watched.world.driver().run()
    assert len(answers) == 2 * (watched.world.plan.rounds + 1)
    assert set(answers[1::2]) == {answers[0]}


def test_masks_of_a_run_that_is_over_are_not_made_anew() -> None:
    watched = Watched()
    watched.world.driver().run()
    bank, plan = watched.world.banks[VICTIM], watched.world.plan
    watched.world.clock.now = plan.expires + 1.0
    request = MaskingAdvertRequest(signed_plan=sign(plan).canonical(), plan_hash=bytes.fromhex(plan.hash))
    answer = bank.node.handle(seal(request, COORDINATOR))
    assert open_envelope(answer, Refusal, key_of(VICTIM).public).code == "plan_expired"
    assert bank.masks.runs() == set()


def masking(folder: Path) -> Masking:
    book = MaskBook.open(f"sqlite:///{folder.parent / 'institution.db'}")
    return Masking(VICTIM, key_of(VICTIM), MaskFiles(folder, book), os.urandom)


def prepared(folder: Path, plan: TrainingPlan) -> None:
    others = {
        name: Member.start(masks_of(plan), name, key_of(name), os.urandom)[1] for name in plan.by_name if name != VICTIM
    }
    own = masking(folder)
    own.share(plan, {**others, VICTIM: own.advert(plan)})


def test_a_new_process_reads_the_masks_of_a_large_federation(tmp_path: Path) -> None:
    """Its file has the adverts of K members and R rounds: more than a key is allowed to have."""
    names, recipe = (VICTIM, *(f"bank-x{number:02d}" for number in range(79))), SumRecipe.of("a")
    privacy = recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=SharedNoise(members=len(names)))
    plan = make_plan(names, recipe=recipe, privacy=privacy, quorum=len(names))
    prepared(tmp_path / "masks", plan)
    with pytest.raises(ConfigurationError, match="more than 65536 bytes"):
        read_private(tmp_path / "masks" / plan.run_id)
    masking(tmp_path / "masks").ready(plan)


def test_what_a_process_left_when_it_was_killed_goes_with_the_rest(tmp_path: Path) -> None:
    plan = masked_plan()
    prepared(tmp_path / "masks", plan)
    left = draft_of(tmp_path / "masks" / plan.run_id)
    left.write_bytes((tmp_path / "masks" / plan.run_id).read_bytes())
    masking(tmp_path / "masks").forget(set())
    assert list((tmp_path / "masks").iterdir()) == []


def test_an_older_state_cannot_be_read_off_the_disk(tmp_path: Path) -> None:
    plan, disk = masked_plan(), tmp_path / "what is left once a name is gone"
    prepared(tmp_path / "masks", plan)
    disk.hardlink_to(tmp_path / "masks" / plan.run_id)
    older = disk.read_bytes()
    own = masking(tmp_path / "masks")
    own.sent(plan, 1, own.mask(plan, 1, np.zeros(8, np.uint64), b"\x01" * 32))
    assert len(disk.read_bytes()) == len(older)
    assert not any(older[at : at + 16] in disk.read_bytes() for at in range(0, len(older), 16))
