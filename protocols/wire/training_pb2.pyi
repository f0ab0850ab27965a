from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    TRAIN: _ClassVar[Phase]
    EVALUATE: _ClassVar[Phase]
PHASE_UNSPECIFIED: Phase
TRAIN: Phase
EVALUATE: Phase

class Envelope(_message.Message):
    __slots__ = ("version", "kind", "body", "signer", "signature")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    version: int
    kind: str
    body: bytes
    signer: str
    signature: bytes
    def __init__(self, version: _Optional[int] = ..., kind: _Optional[str] = ..., body: _Optional[bytes] = ..., signer: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class HelloRequest(_message.Message):
    __slots__ = ("challenge",)
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    def __init__(self, challenge: _Optional[bytes] = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ("institution", "challenge")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    institution: str
    challenge: bytes
    def __init__(self, institution: _Optional[str] = ..., challenge: _Optional[bytes] = ...) -> None: ...

class PlanProposal(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: bytes
    def __init__(self, plan: _Optional[bytes] = ...) -> None: ...

class PlanApproval(_message.Message):
    __slots__ = ("institution", "plan_hash", "approval")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    institution: str
    plan_hash: bytes
    approval: bytes
    def __init__(self, institution: _Optional[str] = ..., plan_hash: _Optional[bytes] = ..., approval: _Optional[bytes] = ...) -> None: ...

class RoundRequest(_message.Message):
    __slots__ = ("signed_plan", "plan_hash", "phase", "round", "model", "deadline_ms")
    SIGNED_PLAN_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    signed_plan: bytes
    plan_hash: bytes
    phase: Phase
    round: int
    model: bytes
    deadline_ms: int
    def __init__(self, signed_plan: _Optional[bytes] = ..., plan_hash: _Optional[bytes] = ..., phase: _Optional[_Union[Phase, str]] = ..., round: _Optional[int] = ..., model: _Optional[bytes] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class RoundReply(_message.Message):
    __slots__ = ("institution", "plan_hash", "phase", "round", "model_hash", "update", "reservation_hash")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_HASH_FIELD_NUMBER: _ClassVar[int]
    institution: str
    plan_hash: bytes
    phase: Phase
    round: int
    model_hash: bytes
    update: bytes
    reservation_hash: bytes
    def __init__(self, institution: _Optional[str] = ..., plan_hash: _Optional[bytes] = ..., phase: _Optional[_Union[Phase, str]] = ..., round: _Optional[int] = ..., model_hash: _Optional[bytes] = ..., update: _Optional[bytes] = ..., reservation_hash: _Optional[bytes] = ...) -> None: ...

class MaskingAdvertRequest(_message.Message):
    __slots__ = ("signed_plan", "plan_hash")
    SIGNED_PLAN_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    signed_plan: bytes
    plan_hash: bytes
    def __init__(self, signed_plan: _Optional[bytes] = ..., plan_hash: _Optional[bytes] = ...) -> None: ...

class MaskingSetupRequest(_message.Message):
    __slots__ = ("signed_plan", "plan_hash", "adverts")
    class AdvertsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    SIGNED_PLAN_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    ADVERTS_FIELD_NUMBER: _ClassVar[int]
    signed_plan: bytes
    plan_hash: bytes
    adverts: _containers.ScalarMap[str, bytes]
    def __init__(self, signed_plan: _Optional[bytes] = ..., plan_hash: _Optional[bytes] = ..., adverts: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class UnmaskingRequest(_message.Message):
    __slots__ = ("signed_plan", "plan_hash", "unmasking")
    SIGNED_PLAN_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    UNMASKING_FIELD_NUMBER: _ClassVar[int]
    signed_plan: bytes
    plan_hash: bytes
    unmasking: bytes
    def __init__(self, signed_plan: _Optional[bytes] = ..., plan_hash: _Optional[bytes] = ..., unmasking: _Optional[bytes] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("institution", "code", "field", "got", "expected", "request_hash")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    GOT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    institution: str
    code: str
    field: str
    got: str
    expected: str
    request_hash: bytes
    def __init__(self, institution: _Optional[str] = ..., code: _Optional[str] = ..., field: _Optional[str] = ..., got: _Optional[str] = ..., expected: _Optional[str] = ..., request_hash: _Optional[bytes] = ...) -> None: ...
