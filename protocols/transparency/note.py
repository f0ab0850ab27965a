"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint (https://c2sp.org).

>>> key = LogKey.from_seed("example.com/log", bytes(32))
>>> note = Checkpoint("example.com/log", 0, EMPTY_ROOT).note(key)
>>> open_checkpoint(note, key.public).size
0

A note is a text, an empty line, and signature lines of: em dash, key name, base64(key id || signature). Lines by keys
that the reader does not know are ignored, so cosignatures of witnesses ride along. The Ed25519 signature is over the
text itself, as the format demands; it is never 32 bytes long, so none is a signature under a label (`signing`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency.merkle import EMPTY_ROOT, HASH_BYTES

MAX_NOTE_BYTES = 2**16
MAX_SIGNATURES = 100
_DASH = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class NoteKey:
    """A public key that signs notes, and its name. Raises MessageError for a name no signature line can carry."""

    TYPE: ClassVar[bytes]  # signature type of C2SP signed-note
    PREFIX: ClassVar[str]  # of the federation's names for such keys

    name: str
    key: VerifyingKey

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MessageError("key name", got=self.name[:64] or "nothing", expected="no spaces, plus or control signs")

    @classmethod
    def of(cls, key: VerifyingKey) -> Self:
        """Under the federation's name for `key`: whoever knows the key (from the roster) knows the name."""
        return cls(cls.PREFIX + key.key_id, key)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Of NAME+KEYID+BASE64, as Go's sumdb/note writes it. Raises MessageError or SignatureError."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = read_base64("verifier key", encoded)
        if data[:1] != cls.TYPE:
            raise MessageError(
                "verifier key", got=f"type {data[:1].hex() or 'none'}", expected=f"type {cls.TYPE.hex()}"
            )
        key = cls(name, VerifyingKey(data[1:]))
        if key.key_id.hex() != key_id:
            raise MessageError("verifier key id", got=key_id[:64], expected=key.key_id.hex())
        return key

    @property
    def text(self) -> str:
        encoded = base64.b64encode(self.TYPE + self.key.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || newline || type || public key), its first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.TYPE + self.key.raw).digest()[:4]

    def line(self, signature: bytes) -> bytes:
        """The signature line, newline included, that carries `signature` of this key."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + signature).decode()}\n".encode()

    def signatures_in(self, note: bytes) -> list[bytes]:
        """What the lines of this name and key id carry, NOT yet verified. Raises MessageError (form)."""
        mine = (self.name, self.key_id)
        return [signature for name, key_id, signature in _signatures(split_note(note)[1]) if (name, key_id) == mine]

    def verify_bare(self, message: bytes, signature: bytes) -> None:
        """Raises SignatureError unless `signature` is this key's Ed25519 signature over the very bytes of `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(
                "note", got="a signature that does not verify", expected=f"one by {self.name} {self.key_id.hex()}"
            ) from error


class VerifierKey(NoteKey):
    """A log's public key; its name is the origin of the log's checkpoints."""

    TYPE = b"\x01"
    PREFIX = "fedscore/log/"

    def verify_text(self, text: bytes, signature: bytes) -> None:
        """Raises SignatureError unless `signature` is this key's over the text of a note."""
        self.verify_bare(text, signature)


class LogKey:
    """A log's signing key and its name, which is the origin of its checkpoints. Never printed."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._labelled = SigningKey(key)
        self.public = VerifierKey(name, self._labelled.public)

    @classmethod
    def generate(cls) -> LogKey:
        """A fresh key from the operating system's generator, under the federation's name for it."""
        return cls._named(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> LogKey:
        """The key of a 32-byte seed (RFC 8032, section 5.1.5)."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes) -> LogKey:
        """As `to_pem` wrote it. Raises SignatureError unless `pem` holds an unencrypted Ed25519 key in PKCS #8."""
        SigningKey.from_pem(pem)
        return cls._named(cast(Ed25519PrivateKey, load_pem_private_key(pem, password=None)))

    @classmethod
    def _named(cls, key: Ed25519PrivateKey) -> LogKey:
        return cls(VerifierKey.of(SigningKey(key).public).name, key)

    def to_pem(self) -> bytes:
        return self._labelled.to_pem()

    @property
    def name(self) -> str:
        return self.public.name

    def sign(self, label: str, payload: bytes) -> bytes:
        """A signature under a domain label: for everything of a log that is no note."""
        return self._labelled.sign(label, payload)

    def sign_text(self, text: bytes) -> bytes:
        """The bare signature over the text of a note. Raises MessageError for a text that no note can have."""
        _check_text(text)
        return self._key.sign(text)

    def __repr__(self) -> str:
        return f"LogKey({self.public.text!r})"


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: `root` over its first `size` entries. Raises MessageError for values it cannot have."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(ord(c) < 32 for c in self.origin):
            raise MessageError("checkpoint.origin", got=self.origin[:64] or "nothing", expected="one line of text")
        if not 0 <= self.size < 2**63:
            raise MessageError("checkpoint.size", got=self.size, expected="0 .. 2^63 - 1")
        if len(self.root) != HASH_BYTES:
            raise MessageError("checkpoint.root", got=f"{len(self.root)} bytes", expected=f"{HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MessageError("checkpoint.root", got=self.root.hex(), expected="the hash of the empty tree")

    @property
    def text(self) -> bytes:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    def note(self, key: LogKey) -> bytes:
        """The signed note. Raises MessageError where `key` is not this origin's."""
        if key.name != self.origin:
            raise MessageError("checkpoint.origin", got=self.origin, expected=key.name)
        return sign_note(self.text, key)


def sign_note(text: bytes, *keys: LogKey) -> bytes:
    """`text` signed by every key. Raises MessageError for a text that no note can have."""
    lines = [key.public.line(key.sign_text(text)) for key in keys]
    return text + b"\n" + b"".join(lines)


def split_note(note: bytes) -> tuple[bytes, bytes]:
    """The text and the signature lines of a note. Raises MessageError (size, form of the text)."""
    if len(note) > MAX_NOTE_BYTES:
        raise MessageError("note", got=f"{len(note)} bytes", expected=f"at most {MAX_NOTE_BYTES}")
    end = note.rfind(b"\n\n")
    text, signatures = note[: end + 1], note[end + 2 :]
    _check_text(text)
    return text, signatures


def open_note(note: bytes, verifier: VerifierKey) -> bytes:
    """The text of a note that `verifier` signed. Raises MessageError (form) or SignatureError."""
    text, _ = split_note(note)
    found = verifier.signatures_in(note)
    if not found:
        raise SignatureError("note", got="no signature", expected=f"one by {verifier.name} {verifier.key_id.hex()}")
    for signature in found:
        verifier.verify_text(text, signature)
    return text


def open_checkpoint(note: bytes, verifier: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that its log signed; the key's name is the origin asked for.

    Raises MessageError (form, origin) or SignatureError. Extension lines are refused: nobody could audit them.
    """
    lines = open_note(note, verifier).decode().split("\n")
    if len(lines) != 4:
        raise MessageError("checkpoint", got=f"{len(lines) - 1} lines", expected="origin, size and root")
    origin, size, root, _ = lines
    if origin != verifier.name:
        raise MessageError("checkpoint.origin", got=origin[:64], expected=verifier.name)
    if not _SIZE.fullmatch(size):
        raise MessageError("checkpoint.size", got=size[:64], expected="decimal digits, no leading zero")
    return Checkpoint(origin, int(size), read_base64("checkpoint.root", root))


def _check_text(text: bytes) -> None:
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise MessageError("note", got="bytes that are not UTF-8", expected="text") from error
    if len(text) < 2 or not decoded.endswith("\n"):
        raise MessageError("note", got="no text", expected="lines, an empty line, signature lines")
    if _CONTROL.search(decoded):
        raise MessageError("note", got="a control character", expected="text and newlines")


def _signatures(data: bytes) -> list[tuple[str, bytes, bytes]]:
    """(name, key id, signature) of each line."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MessageError("note", got="bytes that are not UTF-8", expected="signature lines") from error
    lines = text.split("\n")
    if lines.pop() != "" or not 0 < len(lines) <= MAX_SIGNATURES:
        raise MessageError("note", got=f"{len(lines)} lines", expected=f"1 to {MAX_SIGNATURES} signature lines")
    return [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name:
        raise MessageError("note", got="a line of another form", expected="em dash, key name, signature")
    data = read_base64("note signature", encoded)
    if len(data) < 5:
        raise MessageError("note signature", got=f"{len(data)} bytes", expected="a key id and a signature")
    return name, data[:4], data[4:]


def read_base64(field: str, text: str) -> bytes:
    """Standard base64 (RFC 4648, section 4) in its one form. Raises MessageError for any other."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(field, got="no base64", expected="base64 (RFC 4648, section 4)") from error
    if base64.b64encode(data).decode() != text:
        raise MessageError(field, got="base64 of another form", expected="its one form")
    return data
