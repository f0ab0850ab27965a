"""Who holds the oversight key: nobody who does not possess a share of it, and nobody alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random as Deterministic
from typing import Any

import pytest

from protocols.canonical import canonical, parse_canonical
from protocols.consent.holders import HolderStatement, OversightKey, SignedHolder
from protocols.errors import MessageError, ProofError, ProtocolError, SignatureError
from protocols.oprf.group import base, multiply, subtract
from protocols.oprf.joint_key import KeyShare
from protocols.signing import SigningKey

RANDOM = Deterministic(3).randbytes
LOG, COORDINATOR = (SigningKey.from_seed(bytes([number]) * 32).public for number in (1, 2))
KEYS = {"ombudsman": SigningKey.from_seed(b"o" * 32), "regulator": SigningKey.from_seed(b"r" * 32)}
SHARES = {name: KeyShare.generate(RANDOM) for name in KEYS}


def statement(holder: str, **changes: Any) -> HolderStatement:
    said = HolderStatement(holder, LOG, COORDINATOR, SHARES[holder].public, f"{holder}.example:9490", "-----PEM-----\n")
    return replace(said, **changes)


def signed(name: str, **changes: Any) -> SignedHolder:
    return statement(name, **changes).sign(KEYS[name], SHARES[name], RANDOM)


def test_two_holders_make_one_key_whoever_is_named_first() -> None:
    both = [signed(name) for name in KEYS]
    key = OversightKey.of(both)
    assert key == OversightKey.of(both[::-1]) == OversightKey.decode(key.encode())
    secrets = [int.from_bytes(share.secret, "little") for share in SHARES.values()]
    total = sum(secrets) % (2**252 + 27742317777372353535851937790883648493)
    assert key.public == base(total.to_bytes(32, "little"))
    assert len(key.fingerprint.split()) == 16
    assert key.fingerprint != OversightKey.of([both[0], signed("regulator", address="elsewhere:1")]).fingerprint


def rogue(own: KeyShare) -> SignedHolder:
    """The regulator publishes Y' - Y_1, so that the sum is its own Y', and proves what it can."""
    public = subtract(own.public, SHARES["ombudsman"].public)
    said = statement("regulator", public=public)
    proof = statement("regulator", public=own.public).sign(KEYS["regulator"], own, RANDOM).proof
    document = canonical({"statement": said.to_json(), "proof": proof.hex()})
    return SignedHolder(
        said, proof, KEYS["regulator"].public, KEYS["regulator"].sign("fedscore/v1/consent/holder", document)
    )


def test_a_rogue_key_would_be_the_regulators_alone_and_is_refused() -> None:
    own = KeyShare.generate(RANDOM)
    lie = rogue(own)
    with pytest.raises(ProofError, match="regulator"):
        OversightKey.of([signed("ombudsman"), lie])
    # With the proof off: the joint key is Y', whose secret one holder has; it opens every tag by itself.
    from protocols.lookup.elgamal import make_tag
    from protocols.oprf.joint_key import joint_public

    joint = joint_public([SHARES["ombudsman"].public, lie.statement.public])
    person = base(KeyShare.generate(RANDOM).secret)
    tag = make_tag(person, b"n" * 32, joint)
    assert joint == own.public
    assert subtract(tag[32:], multiply(own.secret, tag[:32])) == person


def other_federation(holder: SignedHolder) -> SignedHolder:
    return replace(holder, statement=replace(holder.statement, log=KEYS["regulator"].public))


def other_proof(holder: SignedHolder) -> SignedHolder:
    return replace(holder, proof=signed("ombudsman").proof)


def other_address(holder: SignedHolder) -> SignedHolder:
    return replace(holder, statement=replace(holder.statement, address="evil.example:1"))


def other_key(holder: SignedHolder) -> SignedHolder:
    return replace(holder, key=KEYS["ombudsman"].public)


@pytest.mark.parametrize("change", [other_federation, other_proof, other_address, other_key])
def test_a_statement_that_was_changed_is_refused(change: Callable[[SignedHolder], SignedHolder]) -> None:
    with pytest.raises((ProofError, SignatureError), match="regulator"):
        change(signed("regulator")).check()


def test_a_proof_for_one_federation_or_name_serves_no_other() -> None:
    proof = signed("regulator").proof
    for said in (statement("regulator", coordinator=LOG), statement("regulator", name="other")):
        document = canonical({"statement": said.to_json(), "proof": proof.hex()})
        key = KEYS["regulator"]
        again = SignedHolder(said, proof, key.public, key.sign("fedscore/v1/consent/holder", document))
        with pytest.raises(ProofError):
            again.check()


def test_one_holder_twice_or_alone_is_no_joint_key() -> None:
    one = signed("ombudsman")
    twin = statement("regulator", public=SHARES["ombudsman"].public).sign(
        KEYS["regulator"], SHARES["ombudsman"], RANDOM
    )
    same = statement("regulator").sign(KEYS["ombudsman"], SHARES["regulator"], RANDOM)
    elsewhere = signed("regulator", log=COORDINATOR)
    for holders in ([one], [], [one, one], [one, twin], [one, same], [one, elsewhere]):
        with pytest.raises(MessageError, match="holders"):
            OversightKey.of(holders)


@pytest.mark.parametrize("place", range(0, 1400, 37))
def test_a_document_with_one_byte_changed_is_refused_or_another_one(place: int) -> None:
    key = OversightKey.of([signed(name) for name in KEYS])
    data = bytearray(key.encode())
    data[place % len(data)] ^= 1
    with pytest.raises((ProtocolError, UnicodeDecodeError)):
        OversightKey.decode(bytes(data))


def test_what_is_no_statement_is_refused() -> None:
    for changes in ({"name": ""}, {"name": "x" * 41}, {"address": "a\nb"}, {"authority": "é"}, {"public": bytes(32)}):
        with pytest.raises(MessageError):
            statement("regulator", **changes)
    with pytest.raises(MessageError):
        OversightKey.decode(b"x" * 40_000)
    value = parse_canonical(signed("regulator").encode())
    with pytest.raises(MessageError):
        SignedHolder.decode(canonical({**value, "more": 1}))  # type: ignore[dict-item]
