"""The joint key: what an honest ceremony gives, and the rogue key that takes it over."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from protocols.errors import MessageError, ProofError
from protocols.oprf.group import IDENTITY, ORDER, base, subtract, sum_of
from protocols.oprf.joint_key import KeyShare, Opening, check_opening, commit, joint_public, open_all

CONTEXT = b"roster 1"
HONEST = ("alpha", "beta")
SHARES = {name: KeyShare.generate(os.urandom) for name in (*HONEST, "mallory")}


def ceremony(context: bytes = CONTEXT) -> tuple[dict[str, bytes], dict[str, Opening]]:
    made = {name: commit(share, name, context, os.urandom) for name, share in SHARES.items()}
    return {n: commitment for n, (commitment, _) in made.items()}, {n: opening for n, (_, opening) in made.items()}


def test_the_joint_public_key_is_that_of_the_sum_of_the_secrets() -> None:
    commitments, openings = ceremony()
    total = sum(int.from_bytes(share.secret, "little") for share in SHARES.values()) % ORDER
    assert open_all(commitments, openings, CONTEXT) == base(total.to_bytes(32, "little"))


def test_commitments_hide_the_keys_and_two_of_them_differ() -> None:
    first, openings = ceremony()
    second, _ = ceremony()
    assert not set(first.values()) & set(second.values())
    assert not set(first.values()) & {opening.public for opening in openings.values()}


def test_a_rogue_key_takes_over_the_joint_key_where_nothing_is_proved_and_is_refused_here() -> None:
    """Mallory speaks last: its public key is its own key less the sum of the others', whose secret it does not know."""
    mine = KeyShare.generate(os.urandom)
    honest = [SHARES[name].public for name in HONEST]
    rogue = subtract(mine.public, sum_of(honest))
    stolen = joint_public([*honest, rogue])
    assert stolen == mine.public == base(mine.secret)  # and with it the pseudonym of anyone: mine.secret * H(id)

    commitments, openings = ceremony()
    _, of_mine = commit(mine, "mallory", CONTEXT, os.urandom)
    for proof in (of_mine.proof, openings["alpha"].proof, os.urandom(31) + b"\0" + os.urandom(31) + b"\0"):
        fake = Opening(rogue, proof, os.urandom(32))
        commitments["mallory"] = _commitment_to(fake)
        with pytest.raises(ProofError, match=r"mallory: got no proof of possession"):
            open_all(commitments, {**openings, "mallory": fake}, CONTEXT)


def test_whoever_sees_the_others_keys_cannot_choose_its_own_any_more() -> None:
    commitments, openings = ceremony()
    _, another = commit(KeyShare.generate(os.urandom), "mallory", CONTEXT, os.urandom)
    with pytest.raises(ProofError, match=r"key of mallory: got another opening"):
        open_all(commitments, {**openings, "mallory": another}, CONTEXT)


def test_a_key_cannot_be_copied_from_another_member_or_another_roster() -> None:
    _, openings = ceremony()
    copied = openings["alpha"]
    with pytest.raises(ProofError, match="mallory"):
        check_opening(copied, _commitment_to(copied), "mallory", CONTEXT)
    _, older = ceremony(b"roster 0")
    with pytest.raises(ProofError, match="mallory"):
        check_opening(older["mallory"], _commitment_to(older["mallory"]), "mallory", CONTEXT)


@pytest.mark.parametrize("public", [IDENTITY, b"\xff" * 32])
def test_what_is_no_key_is_refused(public: bytes) -> None:
    _, openings = ceremony()
    forged = replace(openings["mallory"], public=public)
    with pytest.raises(ProofError, match="public key of mallory"):
        check_opening(forged, _commitment_to(forged), "mallory", CONTEXT)
    with pytest.raises(MessageError, match="public key"):
        joint_public([SHARES["alpha"].public, public])


def test_keys_that_cancel_are_refused() -> None:
    key = SHARES["alpha"].public
    with pytest.raises(MessageError, match="joint public key: got the identity"):
        joint_public([key, subtract(IDENTITY, key)])
    with pytest.raises(MessageError, match="joint public key"):
        joint_public([])


@pytest.mark.parametrize("missing", ["commitment", "opening"])
def test_who_is_missing_is_named(missing: str) -> None:
    commitments, openings = ceremony()
    (commitments if missing == "commitment" else openings).pop("beta")
    with pytest.raises(ProofError, match=f"key of beta: got .*{missing}"):
        open_all(commitments, openings, CONTEXT)


def test_a_share_shows_its_public_key_only() -> None:
    share = SHARES["alpha"]
    assert share.public == base(share.secret)
    assert repr(share) == f"KeyShare(public={share.public!r})"
    for secret in (bytes(32), ORDER.to_bytes(32, "little"), b""):
        with pytest.raises(MessageError, match="key share"):
            KeyShare(secret)


def test_an_opening_has_fixed_sizes() -> None:
    _, openings = ceremony()
    for name in ("public", "proof", "salt"):
        with pytest.raises(MessageError, match=name):
            replace(openings["alpha"], **{name: b"short"})


def _commitment_to(opening: Opening) -> bytes:
    """What a cheat publishes that chose its opening before."""
    from protocols.oprf import joint_key

    return joint_key._commitment(opening, "mallory", CONTEXT)
