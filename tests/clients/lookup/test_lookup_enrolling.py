"""Enrolment by the member that enrols: real evaluations by three members, the relay between them replaced by a loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.institution.lookup import enrolling
from clients.institution.lookup.enrolling import batch_stream, enrol, enrolment_context, split_points
from clients.institution.lookup.folders import RosterFolder
from federation.runtime.rpc import Unreachable
from protocols.errors import MessageError, ProofError
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Roster, RosterMember
from protocols.oprf.enrolment import evaluate
from protocols.oprf.group import hash_to_group, multiply, sum_of
from protocols.oprf.joint_key import KeyShare
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire

NAMES = ("bank-a", "bank-b", "bank-c")
SHARES = {name: KeyShare.generate(os.urandom) for name in NAMES}
KEY = SigningKey.from_seed(bytes(32)).public
ROSTER = Roster(
    members=tuple(
        RosterMember(name, SigningKey.from_seed(bytes([number + 1]) * 32).public, SHARES[name].public, 100)
        for number, name in enumerate(NAMES)
    ),
    coordinator_key=KEY,
    log_key=KEY,
    parameters=Parameters(engine="mirror"),
)
IDENTIFIERS = [f"id-{number}".encode() for number in range(10)]


class Relay:
    """Has every member evaluate a batch; counts as the real one does: the same batch once."""

    def __init__(self, *, fails_at: int = 99, liar: str = "", twice: str = "") -> None:
        self.batches: list[bytes] = []
        self.fails_at, self.liar, self.twice = fails_at, liar, twice

    def enrol(self, batch: wire.EnrolBatch) -> wire.EnrolReply:
        if len(self.batches) == self.fails_at:
            raise Unreachable("Relay.Enrol", got="unavailable", expected="an answer")
        self.batches.append(batch.points)
        context = enrolment_context(ROSTER.id, "bank-a", batch.points)
        reply = wire.EnrolReply(charged=sum(len(points) // 32 for points in set(self.batches)))
        for name, share in SHARES.items():
            used = KeyShare.generate(os.urandom) if name == self.liar else share
            evaluated, proof = evaluate(used, split_points(batch.points), os.urandom, context)
            for _ in range(1 + (name == self.twice)):
                reply.evaluations.add(institution=name, points=b"".join(evaluated), proof=proof)
        return reply


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Relay], int]:
    monkeypatch.setattr(enrolling, "ENROL_POINTS", 3)
    folder = RosterFolder(tmp_path)

    def enrolled(relay: Relay) -> int:
        return enrol(
            relay,  # type: ignore[arg-type]
            folder,
            ROSTER,
            "bank-a",
            1,
            IDENTIFIERS,
            random=os.urandom,
            processes=1,
            progress=lambda done, total: None,
        )

    return enrolled


def test_every_pseudonym_is_the_joint_key_times_the_identifier(run: Callable[[Relay], int], tmp_path: Path) -> None:
    relay = Relay()
    assert run(relay) == 10
    assert len(relay.batches) == 4
    found = RosterFolder(tmp_path).pseudonyms.load().of(IDENTIFIERS)
    for identifier, point in zip(IDENTIFIERS, found, strict=True):
        plain = sum_of([multiply(share.secret, hash_to_group(identifier)) for share in SHARES.values()])
        assert point.tobytes() == plain
    assert run(relay) == 10  # nothing is new: nothing is asked
    assert len(relay.batches) == 4


def test_what_was_interrupted_is_sent_again_as_the_same_bytes(run: Callable[[Relay], int]) -> None:
    relay = Relay(fails_at=2)
    with pytest.raises(Unreachable):
        run(relay)
    lost = Relay()
    lost.batches = relay.batches[:2]
    assert run(lost) == 10  # charged once each, though one of them may have come twice
    assert len({point for points in lost.batches for point in split_points(points)}) == 10


def test_a_member_that_uses_another_key_is_named_and_nothing_is_kept(
    run: Callable[[Relay], int], tmp_path: Path
) -> None:
    lying, honest = Relay(liar="bank-c"), Relay()
    with pytest.raises(ProofError, match="bank-c"):
        run(lying)
    assert len(RosterFolder(tmp_path).pseudonyms.load()) == 0
    assert run(honest) == 10
    assert honest.batches[0] == lying.batches[0]  # it was charged for, so it is sent as it was


def test_a_member_answers_once(run: Callable[[Relay], int]) -> None:
    """Of two answers one would be used and the other shown to whoever asks what was answered."""
    with pytest.raises(MessageError, match="evaluations: got two of bank-b, expected one of each member"):
        run(Relay(twice="bank-b"))


def test_no_two_blinds_of_a_batch_are_the_same() -> None:
    """With one r for all, a relay divides r H(id) by r H(id'): who enrolled both is then seen in any other batch."""
    stream = batch_stream(b"s" * 32, [b"a", b"b"])
    assert len({stream(64) for _ in range(100)}) == 100
