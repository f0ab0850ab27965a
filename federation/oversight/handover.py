"""A regulator hands its witness key over: said by the old key, with the new one's consent, in force by its place.

>>> from protocols.signing import SigningKey
>>> old, new, coordinator = (SigningKey.from_seed(bytes([number]) * 32) for number in range(3))
>>> entry = hand_over(coordinator.public, old, new)
>>> said = Handover.read(entry, coordinator.public)
>>> (said.old, said.new) == (old.public, new.public)
True

Nobody else has a say in it: not the coordinator, who must not exchange the regulator, and not the regulator's signing
key, for which key that is, is the coordinator's word. A witness key cosigns bare texts and signs this under labels
(`protocols.signing`); neither can be taken for the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from federation.oversight.fields import require_keys
from protocols.canonical import canonical
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement

HANDOVER = "handover"
POSSESSION = "fedscore/v1/handover/possession"
_PROOF = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True)
class Handover:
    """`new` witnesses in the place of `old` whatever covers the entry that says this."""

    old: VerifyingKey
    new: VerifyingKey

    @classmethod
    def read(cls, entry: Entry, coordinator: VerifyingKey) -> Handover:
        """What both keys signed in the federation of `coordinator`. That `old` was a regulator's is for the roster.

        Raises MessageError (form, another federation, one key twice) or SignatureError (either signature).
        """
        statement = Statement.read(entry)
        said = require_keys(HANDOVER, statement.content, {"coordinator", "new", "possession"})
        if said["coordinator"] != coordinator.hex:
            raise MessageError(f"{HANDOVER}.coordinator", got=str(said["coordinator"])[:70], expected=coordinator.hex)
        old, new = statement.signer, _key(said["new"])
        if new == old:
            raise MessageError(f"{HANDOVER}.new", got="the old key", expected="another key")
        proof = said["possession"]
        if not isinstance(proof, str) or not _PROOF.fullmatch(proof):
            expected = "128 lower-case hexadecimal digits"
            raise MessageError(f"{HANDOVER}.possession", got=str(proof)[:32], expected=expected)
        try:
            new.verify(POSSESSION, _held(coordinator, old, new), bytes.fromhex(proof))
        except SignatureError as error:
            got, expected = "one that does not verify", f"a signature by the new key {new.key_id}"
            raise SignatureError(f"{HANDOVER}.possession", got=got, expected=expected) from error
        return cls(old, new)


def hand_over(coordinator: VerifyingKey, old: SigningKey, new: SigningKey) -> Entry:
    """The log entry; the same keys make the same bytes, so that it can be said again after a crash."""
    proof = new.sign(POSSESSION, _held(coordinator, old.public, new.public))
    content = {"coordinator": coordinator.hex, "new": new.public.hex, "possession": proof.hex()}
    return Statement.sign(HANDOVER, content, old).entry


def _held(coordinator: VerifyingKey, old: VerifyingKey, new: VerifyingKey) -> bytes:
    return canonical({"coordinator": coordinator.hex, "new": new.hex, "old": old.hex})


def _key(value: object) -> VerifyingKey:
    try:
        return VerifyingKey.from_hex(value if isinstance(value, str) else "")
    except SignatureError as error:
        raise MessageError(f"{HANDOVER}.new", got=error.got, expected=error.expected) from error
