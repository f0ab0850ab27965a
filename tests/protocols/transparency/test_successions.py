"""A quorum whose witnesses hand their keys over: one key counts at each size."""

from __future__ import annotations

import pytest

from protocols.errors import MessageError, SignatureError
from protocols.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    LogKey,
    Quorum,
    Succession,
    WitnessKey,
    attach,
    cosign,
    split_note,
)

LOG = LogKey.from_seed("example.com/log", bytes(32))
OLD, NEW, THIRD, MEMBER = (WitnessKey.from_seed(f"w{n}", bytes([n]) * 32) for n in range(1, 5))
PINNED = Quorum.of([OLD.public, MEMBER.public], required=[OLD.public])
CHAIN = (Succession(OLD.public, NEW.public, 5), Succession(NEW.public, THIRD.public, 9))


def note(size: int, *keys: WitnessKey) -> bytes:
    root = EMPTY_ROOT if size == 0 else bytes(32)
    plain = Checkpoint(LOG.name, size, root).note(LOG)
    return attach(plain, [cosign(split_note(plain)[0], key, 1_900_000_000) for key in keys])


@pytest.mark.parametrize(("size", "holder"), [(5, OLD), (6, NEW), (9, NEW), (10, THIRD)])
def test_one_key_of_the_chain_counts_at_each_size(size: int, holder: WitnessKey) -> None:
    quorum = PINNED.following(CHAIN)
    assert set(quorum.check(note(size, holder, MEMBER), LOG.public).times) == {holder.name, MEMBER.name}
    others = [key for key in (OLD, NEW, THIRD) if key is not holder]
    with pytest.raises(SignatureError, match=f"required.*none by {holder.name}"):
        quorum.check(note(size, *others, MEMBER), LOG.public)
    assert PINNED.check(note(size, OLD, MEMBER), LOG.public)  # who knows of no handover holds to the old key


@pytest.mark.parametrize("pinned", [OLD, NEW, THIRD])
def test_any_key_of_the_chain_names_it(pinned: WitnessKey) -> None:
    quorum = Quorum.of([pinned.public, MEMBER.public], required=[pinned.public]).following(CHAIN)
    assert quorum == PINNED.following(CHAIN)


def test_two_keys_of_one_chain_are_not_two_witnesses() -> None:
    with pytest.raises(MessageError, match="one key twice"):
        Quorum.of([OLD.public, NEW.public]).following(CHAIN)


@pytest.mark.parametrize(
    "chain",
    [
        (CHAIN[0], Succession(OLD.public, THIRD.public, 7)),
        (CHAIN[0], Succession(MEMBER.public, NEW.public, 7)),
        (*CHAIN, Succession(THIRD.public, OLD.public, 12)),
        (Succession(OLD.public, OLD.public, 1),),
    ],
    ids=["branches", "joins", "leads back", "stands still"],
)
def test_what_is_no_chain_is_refused(chain: tuple[Succession, ...]) -> None:
    with pytest.raises(MessageError, match=r"quorum\.successions"):
        Quorum((OLD.public,), 0, successions=chain)
    with pytest.raises(MessageError):
        PINNED.following(chain)
