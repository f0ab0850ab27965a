"""Enrolment: what an applicant signs, and what a coordinator checks before a person decides. Pure.

An application binds four keys to one name: the Ed25519 key signs the envelope, the TLS key signs the certificate
request, the Flower node key and the witness key sign a proof each. It names the authority it is meant for, so it is
worthless elsewhere.
Nothing here makes an institution a member: a person at the coordinator does, after comparing `key_fingerprint` with
what the institution reads out over a channel that is not this network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from federation.errors import Refused
from federation.runtime.node_keys import verify_flower_key
from federation.runtime.pki import key_fingerprint, load_request
from protocols.canonical import digest
from protocols.envelope import VERSION, verify_envelope
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey
from protocols.wire.membership_pb2 import CollectRequest, EnrolRequest, RenewRequest
from protocols.wire.training_pb2 import Envelope

APPLICATION_LABEL = "fedscore/v1/enrolment"
WITNESS_LABEL = "fedscore/v1/enrolment-witness"
MAX_APPLICATION_BYTES = 64 * 2**10
MAX_FEATURES = 1_000
MAX_NOMINAL_RECORDS = 10**12
CLOCK_WINDOW_MS = 5 * 60 * 1000
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_FEATURE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

M = TypeVar("M", bound=Message)


class Code(StrEnum):
    """Why an application or a member's request is refused, in one word that crosses the wire."""

    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    WRONG_PROOF = "wrong_proof"  # a key whose possession is not proved
    OTHER_AUTHORITY = "other_authority"  # made for another federation
    OTHER_CATALOGUE = "other_catalogue"
    STALE = "stale"
    INVALID = "invalid"  # a field outside its limits
    NAME_TAKEN = "name_taken"
    KEY_TAKEN = "key_taken"
    REPLAYED = "replayed"  # this very application was decided before
    UNKNOWN = "unknown"  # no such applicant or member, or not with this key
    WRONG_FINGERPRINT = "wrong_fingerprint"
    WRONG_STATE = "wrong_state"
    NOT_A_MEMBER = "not_a_member"
    REVOKED = "revoked"
    TOO_MANY = "too_many"


@dataclass(frozen=True)
class Application:
    """A verified application: every proof of possession holds. It claims a name; nobody has confirmed it yet."""

    institution: str
    key: VerifyingKey
    request: bytes
    node_key: bytes
    witness_key: VerifyingKey
    catalogue_hash: str
    features: tuple[str, ...]
    nominal_records: int
    envelope: bytes

    @property
    def hash(self) -> bytes:
        """32 bytes that name this application and no other."""
        return digest(APPLICATION_LABEL, self.envelope)

    @property
    def fingerprint(self) -> str:
        return key_fingerprint(self.key)


def node_proof_payload(institution: str, key: bytes, authority: bytes) -> bytes:
    """What the Flower node key and the witness key sign: whose it is, and for which federation."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (institution.encode(), key, authority))


def read_application(envelope: Envelope, *, authority: str, catalogue_hash: str, now_ms: int) -> Application:
    """The application in `envelope`. Raises Refused; `authority` and `catalogue_hash` are the coordinator's (hex).

    1. size and form   2. the envelope's signature by the key it claims   3. meant for this authority, made just now
    4. fields within limits   5. the federation's catalogue   6. TLS key possessed   7. node and witness key possessed
    """
    raw = envelope.SerializeToString(deterministic=True)
    if len(raw) > MAX_APPLICATION_BYTES:
        raise Refused(Code.INVALID, "application", got=f"{len(raw)} bytes", expected=f"<= {MAX_APPLICATION_BYTES}")
    claimed = _claimed_key(envelope)
    request = _opened(envelope, EnrolRequest, claimed)
    check_meant_for_us(request.authority, request.made_ms, authority=authority, now_ms=now_ms)
    _check_fields(request)
    if request.catalogue_hash != catalogue_hash:
        got = request.catalogue_hash[:64] or "none"
        raise Refused(Code.OTHER_CATALOGUE, "catalogue_hash", got=got, expected=catalogue_hash)
    _check_possession(request)
    return Application(
        institution=request.institution,
        key=claimed,
        request=request.request,
        node_key=request.node_key,
        witness_key=VerifyingKey(request.witness_key),
        catalogue_hash=request.catalogue_hash,
        features=tuple(request.features),
        nominal_records=request.nominal_records,
        envelope=raw,
    )


def read_collect(envelope: Envelope, signer: VerifyingKey, *, authority: str, now_ms: int) -> CollectRequest:
    """A verified CollectRequest by `signer`. Raises Refused."""
    request = _opened(envelope, CollectRequest, signer)
    check_meant_for_us(request.authority, request.made_ms, authority=authority, now_ms=now_ms)
    return request


def read_renewal(envelope: Envelope, signer: VerifyingKey, *, authority: str, now_ms: int) -> RenewRequest:
    """A verified RenewRequest by `signer`, with a certificate request that proves its key. Raises Refused."""
    request = _opened(envelope, RenewRequest, signer)
    check_meant_for_us(request.authority, request.made_ms, authority=authority, now_ms=now_ms)
    try:
        load_request(request.request)
    except SignatureError as error:
        raise Refused(Code.WRONG_PROOF, error.field, got=error.got, expected=error.expected) from error
    return request


def claimed_institution(envelope: Envelope) -> str:
    """The name a CollectRequest claims, NOT yet verified: only good for looking up the key that must have signed."""
    return _unverified(envelope, CollectRequest).institution


def check_meant_for_us(meant: bytes, made_ms: int, *, authority: str, now_ms: int) -> None:
    """Raises Refused unless a request names this authority and was made within five minutes of `now_ms`."""
    if meant.hex() != authority:
        raise Refused(Code.OTHER_AUTHORITY, "authority", got=meant.hex()[:64] or "none", expected=authority)
    if abs(made_ms - now_ms) > CLOCK_WINDOW_MS:
        raise Refused(Code.STALE, "made_ms", got=f"{(now_ms - made_ms) // 1000} s old", expected="at most 300 s")


def check_name(institution: str) -> None:
    """Raises Refused unless `institution` is 1 to 40 lower-case letters, digits and inner hyphens."""
    if not _NAME.fullmatch(institution):
        raise Refused(
            Code.INVALID, "institution", got=repr(institution[:64]), expected="a-z, 0-9 and inner hyphens, at most 40"
        )


def _claimed_key(envelope: Envelope) -> VerifyingKey:
    raw = _unverified(envelope, EnrolRequest).key
    if len(raw) != 32:
        raise Refused(Code.INVALID, "key", got=f"{len(raw)} bytes", expected="32 bytes")
    return VerifyingKey(raw)


def _check_fields(request: EnrolRequest) -> None:
    check_name(request.institution)
    if not 1 <= request.nominal_records <= MAX_NOMINAL_RECORDS:
        expected = f"1 to {MAX_NOMINAL_RECORDS}"
        raise Refused(Code.INVALID, "nominal_records", got=request.nominal_records, expected=expected)
    if not 1 <= len(request.features) <= MAX_FEATURES or len(set(request.features)) != len(request.features):
        got = f"{len(request.features)} names"
        raise Refused(Code.INVALID, "features", got=got, expected=f"1 to {MAX_FEATURES} names, each once")
    if not all(_FEATURE.fullmatch(feature) for feature in request.features):
        raise Refused(Code.INVALID, "features", got="a name outside the catalogue's form", expected=_FEATURE.pattern)
    if len(request.nonce) != 16:
        raise Refused(Code.INVALID, "nonce", got=f"{len(request.nonce)} bytes", expected="16 bytes")


def _check_possession(request: EnrolRequest) -> None:
    payload = node_proof_payload(request.institution, request.key, request.authority)
    try:
        load_request(request.request)
        verify_flower_key(request.node_key, payload, request.node_proof)
        VerifyingKey(request.witness_key).verify(WITNESS_LABEL, payload, request.witness_proof)
    except SignatureError as error:
        raise Refused(Code.WRONG_PROOF, error.field, got=error.got, expected=error.expected) from error


def _unverified(envelope: Envelope, kind: type[M]) -> M:
    expected = kind.DESCRIPTOR.name
    if envelope.version != VERSION or envelope.kind != expected:
        got = f"version {envelope.version} {envelope.kind[:64]}"
        raise Refused(Code.UNREADABLE, "envelope", got=got, expected=f"version {VERSION} {expected}")
    message = kind()
    try:
        message.ParseFromString(envelope.body)
    except DecodeError as error:
        raise Refused(Code.UNREADABLE, "envelope.body", got="unreadable bytes", expected=expected) from error
    return message


def _opened(envelope: Envelope, kind: type[M], signer: VerifyingKey) -> M:
    _unverified(envelope, kind)
    try:
        return verify_envelope(envelope, kind, signer)
    except SignatureError as error:
        code = Code.UNSIGNED if error.got == "none" else Code.WRONG_PROOF
        raise Refused(code, error.field, got=error.got, expected=error.expected) from error
