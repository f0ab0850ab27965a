"""Cosignatures of witnesses: C2SP tlog-cosignature, Ed25519 (`cosignature/v1`, signature type 0x04).

>>> from protocols.transparency.merkle import EMPTY_ROOT
>>> from protocols.transparency.note import Checkpoint, LogKey, split_note
>>> log, witness = LogKey.from_seed("example.com/log", bytes(32)), WitnessKey.from_seed("example.com/w1", bytes(32))
>>> note = Checkpoint("example.com/log", 0, EMPTY_ROOT).note(log)
>>> line = cosign(split_note(note)[0], witness, now=1679315147)
>>> cosignature_time(attach(note, [line]), witness.public)
1679315147

A cosignature says: at this time, the largest tree of this origin that I have seen and checked has this root. What is
signed starts with a line of its own, so it is no signature of a log, and it is never 32 bytes long, so it is none under
a label (`protocols.signing`). The message does not name the witness: a key has one name only (see `Quorum`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency.note import MAX_SIGNATURES, NoteKey, split_note

_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


class WitnessVerifier(NoteKey):
    """A witness's public key, named `fedscore/witness/` and the key's id unless it says otherwise."""

    TYPE = b"\x04"
    PREFIX = "fedscore/witness/"


class WitnessKey:
    """A witness's signing key, for cosignatures alone. Never printed."""

    def __init__(self, key: Ed25519PrivateKey, name: str = "") -> None:
        self._key = key
        public = SigningKey(key).public
        self.public = WitnessVerifier(name, public) if name else WitnessVerifier.of(public)

    @classmethod
    def generate(cls) -> WitnessKey:
        """A fresh key from the operating system's generator."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> WitnessKey:
        """The key of a 32-byte seed (RFC 8032, section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed), name)

    @classmethod
    def from_pem(cls, pem: bytes) -> WitnessKey:
        """As `to_pem` wrote it. Raises SignatureError unless `pem` holds an unencrypted Ed25519 key in PKCS #8."""
        SigningKey.from_pem(pem)
        return cls(cast(Ed25519PrivateKey, load_pem_private_key(pem, password=None)))

    def to_pem(self) -> bytes:
        return SigningKey(self._key).to_pem()

    @property
    def name(self) -> str:
        return self.public.name

    def sign_at(self, text: bytes, time: int) -> bytes:
        """The 64 bytes over `text` and `time` (Unix seconds)."""
        return self._key.sign(_message(text, time))

    def __repr__(self) -> str:
        return f"WitnessKey({self.public.text!r})"


def cosign(text: bytes, key: WitnessKey, now: float) -> bytes:
    """The signature line of `key` over the text of a checkpoint, at `now` (Unix seconds).

    Only `WitnessState.consider` tells whether a witness may. Raises MessageError for a time outside 1 .. 2^63 - 1.
    """
    time = int(now)
    if not 0 < time < 2**63:
        raise MessageError("cosignature.time", got=time, expected="1 .. 2^63 - 1")
    return key.public.line(time.to_bytes(_TIME_BYTES, "big") + key.sign_at(text, time))


def verify_cosignature(text: bytes, cosignature: bytes, witness: WitnessVerifier) -> int:
    """The time (Unix seconds) that `witness` signed with `text`, by the 72 bytes of a line. Raises SignatureError."""
    if len(cosignature) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise SignatureError("cosignature", got=f"{len(cosignature)} bytes", expected="8 of time, 64 of signature")
    time = int.from_bytes(cosignature[:_TIME_BYTES], "big")
    if not 0 < time < 2**63:
        raise SignatureError("cosignature.time", got=time, expected="1 .. 2^63 - 1")
    witness.verify_bare(_message(text, time), cosignature[_TIME_BYTES:])
    return time


def cosignature_in(note: bytes, witness: WitnessVerifier) -> tuple[int, bytes] | None:
    """When `witness` first cosigned `note`, and the line that says so; None if it did not.

    Raises MessageError (form), and SignatureError for a line in its name that does not verify: the note is malformed.
    """
    text, _ = split_note(note)
    found = witness.signatures_in(note)
    return min(((verify_cosignature(text, each, witness), witness.line(each)) for each in found), default=None)


def cosignature_time(note: bytes, witness: WitnessVerifier) -> int | None:
    """The time alone; raises as above."""
    found = cosignature_in(note, witness)
    return None if found is None else found[0]


def attach(note: bytes, lines: Iterable[bytes]) -> bytes:
    """The note with further signature lines, each once. Raises MessageError for what is no line, or too many."""
    text, signatures = split_note(note)
    held = signatures.splitlines(keepends=True)
    joined = list(dict.fromkeys([*held, *lines]))
    if len(joined) > MAX_SIGNATURES:
        raise MessageError("note", got=f"{len(joined)} signature lines", expected=f"at most {MAX_SIGNATURES}")
    if any(line.count(b"\n") != 1 or not line.endswith(b"\n") for line in joined):
        raise MessageError("note", got="more or less than a line", expected="signature lines")
    return text + b"\n" + b"".join(joined)


def _message(text: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (time, text)
