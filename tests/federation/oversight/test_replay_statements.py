"""What is said of replays in the log: read as it was said, from its signer alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from replay_world import CHAIN, REGULATOR
from rounds_world import key_of

from federation.oversight.replay import BeaconStatement, Draw, ReplayCommitment, ReplayResult
from protocols.errors import MessageError


def test_statements_are_read_as_they_were_said_and_from_their_signer_alone() -> None:
    hashes = {"seed_commitment": "a" * 64, "record_root": "b" * 64, "code_digest": "c" * 64}
    beacon = BeaconStatement(9, "a" * 64, 1, CHAIN.preimage(1).hex())
    said = [
        ReplayCommitment("bank-a", "spring", "train", 1, 1, **hashes),
        beacon,
        Draw("bank-a", "spring", "evaluate", 0, 1, deadline=5),
        ReplayResult("bank-a", "spring", "train", 1, 1, "a" * 64, "", "c" * 64, ("seed_missing",)),
    ]
    for each in said:
        assert type(each).read(each.entry(REGULATOR), REGULATOR.public) == each
        with pytest.raises(MessageError, match="signer"):
            type(each).read(each.entry(REGULATOR), key_of("bank-b").public)
        other = said[0] if each is not said[0] else beacon
        with pytest.raises(MessageError, match="kind"):
            type(each).read(other.entry(REGULATOR), REGULATOR.public)


@pytest.mark.parametrize(
    "change",
    [{"attempt": 0}, {"round": -1}, {"phase": "guess"}, {"institution": "Bank A"}, {"run_id": ""}, {"deadline": -1}],
)
def test_a_draw_that_is_none_is_refused(change: dict[str, object]) -> None:
    good = Draw("bank-a", "spring", "train", 1, 1, deadline=5)
    with pytest.raises(MessageError):
        replace(good, **change)  # type: ignore[arg-type]
    with pytest.raises(MessageError):
        Draw.from_json({**good.to_json(), "more": 1})


def test_a_result_cannot_say_that_it_matches_where_it_does_not() -> None:
    result = ReplayResult("bank-a", "spring", "train", 1, 1, "a" * 64, "b" * 64, "c" * 64, ("update_differs",))
    with pytest.raises(MessageError, match="matches"):
        ReplayResult.from_json({**result.to_json(), "matches": True})
    with pytest.raises(MessageError, match="update_hash"):
        replace(result, update_hash="", findings=())
