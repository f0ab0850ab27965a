"""What a pool signs, and how an auditor proves that it answered from another table.

    signature = sign_answer(pool_key, epoch_id, keys_hash, query, answer)             # the pool, each answer
    verdict = judge(prepared, hand_over, keys, pool_key=..., institution=..., key=...)  # an auditor, at the epoch's end

Engines answer deterministically, so an auditor that holds the rows recomputes what an honest pool would have sent. A
verdict names hashes only: the index stays in the encryption, and whoever holds the rows can repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.engines.base import Prepared
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.signing import SigningKey, VerifyingKey

_ANSWERED = "fedscore/v1/lookup/answered"
_VERDICT = "fedscore/v1/lookup/verdict"
_MAX_VERDICT = 4096
MAX_VERDICTS = 27
"""Of one auditor and epoch: as many as fit into a step (31 KiB), whatever the auditor is called."""


def keys_hash(keys: bytes) -> bytes:
    """The name of a client's evaluation keys; b"" for an engine that has none."""
    return digest("fedscore/v1/lookup/keys", keys) if keys else b""


def query_hash(query: bytes) -> bytes:
    return digest("fedscore/v1/lookup/query", query)


def answer_hash(answer: bytes) -> bytes:
    return digest("fedscore/v1/lookup/answer", answer)


def sign_answer(key: SigningKey, epoch_id: bytes, keys_hash: bytes, query: bytes, answer: bytes) -> bytes:
    """The pool's 64 bytes under one answer."""
    return key.sign(_ANSWERED, _answered(epoch_id, keys_hash, query_hash(query), answer_hash(answer)))


def check_answer(
    pool: VerifyingKey, epoch_id: bytes, keys_hash: bytes, query: bytes, answer: bytes, signature: bytes
) -> None:
    """Raises SignatureError unless the pool answered this query with these bytes in this epoch."""
    pool.verify(_ANSWERED, _answered(epoch_id, keys_hash, query_hash(query), answer_hash(answer)), signature)


@dataclass(frozen=True)
class HandOver:
    """One query as it went out and the answer as it came back, signed by the pool."""

    epoch_id: bytes
    keys_hash: bytes
    query: bytes
    answer: bytes
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.epoch_id, "hand-over epoch", 32)
        sized(self.signature, "hand-over signature", 64)
        if self.keys_hash:
            sized(self.keys_hash, "hand-over keys", 32)


class Outcome(StrEnum):
    """SAME: an honest pool's answer. DIFFERENT: not from this table. REFUSED: a query that no engine answers.
    UNSIGNED: the pool never signed this, or the keys are not those it names: nothing against the pool."""

    SAME = "same"
    DIFFERENT = "different"
    REFUSED = "refused"
    UNSIGNED = "unsigned"


@dataclass(frozen=True)
class Verdict:
    """What an auditor found, signed by it, the pool's own signature inside. `expected_hash` is b"" for no answer."""

    epoch_id: bytes
    auditor: str
    outcome: Outcome
    keys_hash: bytes
    query_hash: bytes
    answer_hash: bytes
    expected_hash: bytes
    pool_signature: bytes
    signature: bytes = b""

    def encode(self) -> bytes:
        return canonical(self._document() | {"signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> Verdict:
        """NOT yet verified. Raises MessageError or EncodingError."""
        if len(data) > _MAX_VERDICT:
            raise MessageError("verdict", got=f"{len(data)} bytes", expected=f"at most {_MAX_VERDICT}")
        fields = take(parse_canonical(data), "verdict", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "verdict")
        outcome = text(fields["outcome"], "verdict.outcome")
        if outcome not in set(Outcome):
            raise MessageError("verdict.outcome", got=outcome, expected=", ".join(Outcome))
        return cls(
            epoch_id=from_hex(fields["epoch_id"], "verdict.epoch_id", 32),
            auditor=text(fields["auditor"], "verdict.auditor"),
            outcome=Outcome(outcome),
            keys_hash=_maybe(fields["keys_hash"], "verdict.keys_hash"),
            query_hash=from_hex(fields["query_hash"], "verdict.query_hash", 32),
            answer_hash=from_hex(fields["answer_hash"], "verdict.answer_hash", 32),
            expected_hash=_maybe(fields["expected_hash"], "verdict.expected_hash"),
            pool_signature=from_hex(fields["pool_signature"], "verdict.pool_signature", 64),
            signature=from_hex(fields["signature"], "verdict.signature", 64),
        )

    def verify(self, auditor: VerifyingKey, pool: VerifyingKey) -> None:
        """Raises SignatureError unless the auditor says so and, where it speaks about an answer, the pool signed it."""
        auditor.verify(_VERDICT, self.encode_unsigned(), self.signature)
        if self.outcome != Outcome.UNSIGNED:
            signed = _answered(self.epoch_id, self.keys_hash, self.query_hash, self.answer_hash)
            pool.verify(_ANSWERED, signed, self.pool_signature)
        if self.outcome not in self._shown():
            raise SignatureError("verdict", got=self.outcome, expected="the outcome that its hashes show")

    @property
    def accuses(self) -> bool:
        """Whether this is proof against the pool: it signed an answer to a good query that the rows do not give."""
        return self.outcome == Outcome.DIFFERENT

    def encode_unsigned(self) -> bytes:
        """What the auditor signs."""
        return canonical(self._document())

    def _shown(self) -> tuple[Outcome, ...]:
        """The outcomes that the hashes allow."""
        if not self.expected_hash:
            return Outcome.REFUSED, Outcome.UNSIGNED
        return (Outcome.SAME if self.expected_hash == self.answer_hash else Outcome.DIFFERENT,)

    def _document(self) -> dict[str, Any]:
        return {
            "version": 1,
            "epoch_id": self.epoch_id.hex(),
            "auditor": self.auditor,
            "outcome": str(self.outcome),
            "keys_hash": self.keys_hash.hex(),
            "query_hash": self.query_hash.hex(),
            "answer_hash": self.answer_hash.hex(),
            "expected_hash": self.expected_hash.hex(),
            "pool_signature": self.pool_signature.hex(),
        }


def judge(
    prepared: Prepared,
    hand_over: HandOver,
    keys: bytes,
    *,
    epoch_id: bytes,
    pool: VerifyingKey,
    auditor: str,
    key: SigningKey,
) -> Verdict:
    """The auditor's verdict. `prepared` is its own, of `epoch_id`; nothing in a hand-over makes it fail."""
    outcome, expected = _compare(prepared, hand_over, keys, epoch_id, pool)
    verdict = Verdict(
        epoch_id=hand_over.epoch_id,
        auditor=auditor,
        outcome=outcome,
        keys_hash=hand_over.keys_hash,
        query_hash=query_hash(hand_over.query),
        answer_hash=answer_hash(hand_over.answer),
        expected_hash=expected,
        pool_signature=hand_over.signature,
    )
    return replace(verdict, signature=key.sign(_VERDICT, verdict.encode_unsigned()))


def _compare(
    prepared: Prepared, given: HandOver, keys: bytes, epoch_id: bytes, pool: VerifyingKey
) -> tuple[Outcome, bytes]:
    if given.epoch_id != epoch_id or keys_hash(keys) != given.keys_hash:
        return Outcome.UNSIGNED, b""
    try:
        check_answer(pool, given.epoch_id, given.keys_hash, given.query, given.answer, given.signature)
        [expected] = prepared.answer([given.query], keys or None)
    except SignatureError:
        return Outcome.UNSIGNED, b""
    except MessageError:
        return Outcome.REFUSED, b""
    return (Outcome.SAME if expected == given.answer else Outcome.DIFFERENT), answer_hash(expected)


def _answered(epoch_id: bytes, keys_hash: bytes, query_hash: bytes, answer_hash: bytes) -> bytes:
    """Three parts of 32 bytes, and one of 32 or none."""
    return epoch_id + query_hash + answer_hash + keys_hash


def _maybe(value: Any, field: str) -> bytes:
    return from_hex(value, field, 32) if value != "" else b""
