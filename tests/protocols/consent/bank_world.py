"""A bank that logs inquiries and can open them, and one that speaks the protocol without its node's checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from consent_world import AUTHORITIES, NOW, PURPOSE, SCOPE, Person, consent, drawn_bytes

from protocols.consent.check import Revocations
from protocols.consent.consent import Consent
from protocols.consent.opening import Opening, SignedOpening, Terms
from protocols.consent.receipt import SignedReceipt
from protocols.lookup.elgamal import make_tag
from protocols.lookup.leaf import Leaf, SignedLeaf, blinded_hash, receipt_hash
from protocols.lookup.ticket_querier import LeafOpening
from protocols.oprf.group import base, hash_to_group, hash_to_scalar, multiply
from protocols.signing import SigningKey

OVERSIGHT = base(hash_to_scalar(b"oversight"))
BANK = SigningKey.from_seed(drawn_bytes("bank-a"))


@dataclass(frozen=True)
class Logged:
    """A leaf and what opens it."""

    leaf: SignedLeaf
    opening: Opening

    @property
    def answer(self) -> SignedOpening:
        return self.opening.sign(BANK)


def log(
    person: Person,
    receipt: SignedReceipt | Consent | bytes,
    number: int = 0,
    *,
    key: SigningKey = BANK,
    **changes: Any,
) -> Logged:
    """An inquiry about `person` that states `receipt`: whether that covers it or not. `changes` are of the leaf."""
    given = consent(person, receipt, number) if isinstance(receipt, SignedReceipt) else receipt
    data = given if isinstance(given, bytes) else given.encode()
    serial = "00" * 16 if isinstance(given, bytes) else given.serial
    secrets = LeafOpening(hash_to_scalar(b"blind %d" % number), drawn_bytes(f"nonce {number}"), data)
    element = hash_to_group(person.identifier)
    leaf = Leaf(
        querier="bank-a",
        epoch_id=bytes(32),
        qid=drawn_bytes(f"qid {number}", 16),
        purpose=PURPOSE,
        receipt_serial=serial,
        receipt_hash=receipt_hash(secrets.nonce, data),
        blinded_hash=blinded_hash(multiply(secrets.blind, element)),
        tag=make_tag(element, secrets.nonce, OVERSIGHT),
        ephemeral=drawn_bytes(f"ephemeral {number}"),
        issued_at=NOW,
    )
    signed = replace(leaf, **changes).sign(key)
    return Logged(signed, Opening(signed.hash, person.identifier, secrets))


TERMS = Terms(SCOPE, OVERSIGHT, AUTHORITIES, Revocations())
