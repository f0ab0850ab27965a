from protocols.wire import training_pb2 as _training_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    PENDING: _ClassVar[State]
    ADMITTED: _ClassVar[State]
    REJECTED: _ClassVar[State]
    REVOKED: _ClassVar[State]
STATE_UNSPECIFIED: State
PENDING: State
ADMITTED: State
REJECTED: State
REVOKED: State

class AnnounceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Announcement(_message.Message):
    __slots__ = ("name", "key", "authority", "catalogue_name", "catalogue_version", "catalogue_hash", "bundle_hash", "enrolment_address", "member_address", "fleet_address", "log_key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_NAME_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_HASH_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_HASH_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FLEET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LOG_KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: bytes
    authority: bytes
    catalogue_name: str
    catalogue_version: str
    catalogue_hash: str
    bundle_hash: str
    enrolment_address: str
    member_address: str
    fleet_address: str
    log_key: bytes
    def __init__(self, name: _Optional[str] = ..., key: _Optional[bytes] = ..., authority: _Optional[bytes] = ..., catalogue_name: _Optional[str] = ..., catalogue_version: _Optional[str] = ..., catalogue_hash: _Optional[str] = ..., bundle_hash: _Optional[str] = ..., enrolment_address: _Optional[str] = ..., member_address: _Optional[str] = ..., fleet_address: _Optional[str] = ..., log_key: _Optional[bytes] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("institution", "key", "request", "node_key", "node_proof", "catalogue_hash", "features", "nominal_records", "authority", "nonce", "made_ms", "witness_key", "witness_proof")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NODE_KEY_FIELD_NUMBER: _ClassVar[int]
    NODE_PROOF_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_HASH_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    NOMINAL_RECORDS_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    WITNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    WITNESS_PROOF_FIELD_NUMBER: _ClassVar[int]
    institution: str
    key: bytes
    request: bytes
    node_key: bytes
    node_proof: bytes
    catalogue_hash: str
    features: _containers.RepeatedScalarFieldContainer[str]
    nominal_records: int
    authority: bytes
    nonce: bytes
    made_ms: int
    witness_key: bytes
    witness_proof: bytes
    def __init__(self, institution: _Optional[str] = ..., key: _Optional[bytes] = ..., request: _Optional[bytes] = ..., node_key: _Optional[bytes] = ..., node_proof: _Optional[bytes] = ..., catalogue_hash: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., nominal_records: _Optional[int] = ..., authority: _Optional[bytes] = ..., nonce: _Optional[bytes] = ..., made_ms: _Optional[int] = ..., witness_key: _Optional[bytes] = ..., witness_proof: _Optional[bytes] = ...) -> None: ...

class EnrolReply(_message.Message):
    __slots__ = ("institution", "application", "state")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    institution: str
    application: bytes
    state: State
    def __init__(self, institution: _Optional[str] = ..., application: _Optional[bytes] = ..., state: _Optional[_Union[State, str]] = ...) -> None: ...

class CollectRequest(_message.Message):
    __slots__ = ("institution", "authority", "made_ms")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    institution: str
    authority: bytes
    made_ms: int
    def __init__(self, institution: _Optional[str] = ..., authority: _Optional[bytes] = ..., made_ms: _Optional[int] = ...) -> None: ...

class CollectReply(_message.Message):
    __slots__ = ("institution", "state", "certificate")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    institution: str
    state: State
    certificate: bytes
    def __init__(self, institution: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class RosterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ("institution", "key", "nominal_records", "features")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NOMINAL_RECORDS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    institution: str
    key: bytes
    nominal_records: int
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, institution: _Optional[str] = ..., key: _Optional[bytes] = ..., nominal_records: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class Roster(_message.Message):
    __slots__ = ("members", "announcement", "made_ms")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    announcement: Announcement
    made_ms: int
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., announcement: _Optional[_Union[Announcement, _Mapping]] = ..., made_ms: _Optional[int] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("request", "authority", "made_ms")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    authority: bytes
    made_ms: int
    def __init__(self, request: _Optional[bytes] = ..., authority: _Optional[bytes] = ..., made_ms: _Optional[int] = ...) -> None: ...

class RenewReply(_message.Message):
    __slots__ = ("certificate",)
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    def __init__(self, certificate: _Optional[bytes] = ...) -> None: ...
