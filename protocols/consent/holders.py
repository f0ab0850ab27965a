"""The oversight key: who holds it, each with a share, and where each is asked. One document, the same for everybody.

    said = HolderStatement("ombudsman", log_key, coordinator_key, share.public, address, authority)
    signed = said.sign(signing_key, share, os.urandom)              # with a proof that the share is possessed
    key = OversightKey.of([signed, the_others])                     # ProofError, MessageError or SignatureError
    key.public                                                      # Y, for the roster of the private query

A holder that published its key last could publish Y' - Y_1, and hold Y' alone: so each proves that it knows the secret
behind its own (Ristenpart and Yilek, EUROCRYPT 2007). Who speaks last may still choose among keys whose secrets it
knows, which opens no tag: the other's share is in the sum whatever it chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.oprf.group import Element, Random, check_element
from protocols.oprf.joint_key import KeyShare, check_possession, joint_public, prove_key
from protocols.signing import SigningKey, VerifyingKey

MAX_BYTES = 2**15
MAX_HOLDERS = 8
_STATEMENT = "fedscore/v1/consent/holder"
_KEY = "fedscore/v1/consent/oversight-key"
_PEM = 4096


@dataclass(frozen=True)
class HolderStatement:
    """One holder and its share. Raises MessageError, or SignatureError for what is no key.

    name: 1 to 40 characters; log, coordinator: the federation it is for, by the keys of its log and its coordinator;
    public: Y_i; address: host:port where persons ask; authority: PEM, what its TLS certificate there is signed with.
    """

    name: str
    log: VerifyingKey
    coordinator: VerifyingKey
    public: Element
    address: str
    authority: str

    def __post_init__(self) -> None:
        for field, most in (("name", 40), ("address", 280), ("authority", _PEM)):
            value = getattr(self, field)
            plain = value.isascii() and (value.isprintable() or field == "authority")
            if not 0 < len(value) <= most or not plain:
                raise MessageError(f"holder.{field}", got=f"{len(value)} characters", expected=f"1 to {most}, ASCII")
        check_element(self.public, f"key of {self.name}")

    @property
    def context(self) -> bytes:
        """What the proof of possession is bound to beside the name: the federation."""
        return digest(_STATEMENT, self.log.raw + self.coordinator.raw)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "name": self.name,
            "log": self.log.hex,
            "coordinator": self.coordinator.hex,
            "public": self.public.hex(),
            "address": self.address,
            "authority": self.authority,
        }

    @classmethod
    def from_json(cls, value: Any) -> HolderStatement:
        fields = take(value, "holder", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "holder")
        return cls(
            name=text(fields["name"], "holder.name"),
            log=VerifyingKey.from_hex(text(fields["log"], "holder.log")),
            coordinator=VerifyingKey.from_hex(text(fields["coordinator"], "holder.coordinator")),
            public=from_hex(fields["public"], "holder.public", 32),
            address=text(fields["address"], "holder.address"),
            authority=text(fields["authority"], "holder.authority"),
        )

    def sign(self, key: SigningKey, share: KeyShare, random: Random) -> SignedHolder:
        """Raises MessageError for the share of another key."""
        if share.public != self.public:
            raise MessageError(f"key of {self.name}", got="another share", expected="its own")
        proof = prove_key(share, self.name, self.context, random)
        return SignedHolder(self, proof, key.public, key.sign(_STATEMENT, _signed(self, proof)))


@dataclass(frozen=True)
class SignedHolder:
    """A statement, the proof of possession (64 bytes), and the holder's signature under its own signing key."""

    statement: HolderStatement
    proof: bytes
    key: VerifyingKey
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.proof, "holder.proof", 64)
        sized(self.signature, "holder.signature", 64)

    def check(self) -> HolderStatement:
        """The statement. Raises ProofError (it does not possess its share) or SignatureError, naming the holder."""
        said = self.statement
        try:
            self.key.verify(_STATEMENT, _signed(said, self.proof), self.signature)
        except SignatureError as error:
            raise SignatureError(f"holder {said.name}", got=error.got, expected=error.expected) from error
        check_possession(said.public, self.proof, said.name, said.context)
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement.to_json(),
            "proof": self.proof.hex(),
            "key": self.key.hex,
            "signature": self.signature.hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> SignedHolder:
        fields = take(value, "signed holder", cls.__dataclass_fields__)
        return cls(
            HolderStatement.from_json(fields["statement"]),
            from_hex(fields["proof"], "holder.proof", 64),
            VerifyingKey.from_hex(text(fields["key"], "holder.key")),
            from_hex(fields["signature"], "holder.signature", 64),
        )

    def encode(self) -> bytes:
        return canonical(self.to_json())

    @classmethod
    def decode(cls, data: bytes) -> SignedHolder:
        """NOT yet checked. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        return cls.from_json(_parse(data, "holder"))


@dataclass(frozen=True)
class OversightKey:
    """All holders in the order of their names, checked. Raises MessageError, ProofError or SignatureError."""

    holders: tuple[SignedHolder, ...]

    def __post_init__(self) -> None:
        said = [holder.check() for holder in self.holders]
        names = [each.name for each in said]
        if not 2 <= len(said) <= MAX_HOLDERS or names != sorted(set(names)):
            raise MessageError("holders", got=len(said), expected=f"2 to {MAX_HOLDERS}, in order, each once")
        if len({holder.key.raw for holder in self.holders}) < len(said) or len(set(self.shares.values())) < len(said):
            raise MessageError("holders", got="one key for two of them", expected="a key and a share for each")
        if len({each.context for each in said}) > 1:
            raise MessageError("holders", got="two federations", expected="one log and one coordinator")
        _ = self.public

    @classmethod
    def of(cls, holders: Sequence[SignedHolder]) -> OversightKey:
        """In whatever order they come."""
        return cls(tuple(sorted(holders, key=lambda holder: holder.statement.name)))

    @property
    def shares(self) -> dict[str, Element]:
        """Y_i by name."""
        return {holder.statement.name: holder.statement.public for holder in self.holders}

    @cached_property
    def public(self) -> Element:
        """Y, the sum of all Y_i: what stands in the roster."""
        return joint_public(self.shares.values())

    @property
    def log(self) -> VerifyingKey:
        return self.holders[0].statement.log

    @property
    def coordinator(self) -> VerifyingKey:
        return self.holders[0].statement.coordinator

    def holder(self, name: str) -> HolderStatement:
        """Raises MessageError for a stranger."""
        for holder in self.holders:
            if holder.statement.name == name:
                return holder.statement
        raise MessageError("holder", got=name, expected=" or ".join(self.shares))

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits in groups of four, over all of the document: what people compare."""
        digits = digest(_KEY, self.encode()).hex()
        return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))

    def encode(self) -> bytes:
        return canonical({"version": 1, "holders": [holder.to_json() for holder in self.holders]})

    @classmethod
    def decode(cls, data: bytes) -> OversightKey:
        """Checked. Raises MessageError, EncodingError, ProofError or SignatureError."""
        fields = take(_parse(data, "oversight key"), "oversight key", ("version", "holders"))
        version_one(fields["version"], "oversight key")
        if not isinstance(fields["holders"], list):
            raise MessageError("holders", got=type(fields["holders"]).__name__, expected="a list")
        return cls(tuple(SignedHolder.from_json(each) for each in fields["holders"]))


def _signed(statement: HolderStatement, proof: bytes) -> bytes:
    return canonical({"statement": statement.to_json(), "proof": proof.hex()})


def _parse(data: bytes, name: str) -> Any:
    if len(data) > MAX_BYTES:
        raise MessageError(name, got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
    return parse_canonical(data)
