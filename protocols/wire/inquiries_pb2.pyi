from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Question(_message.Message):
    __slots__ = ("request", "identity", "salt", "tags")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    identity: bytes
    salt: bytes
    tags: bytes
    def __init__(self, request: _Optional[bytes] = ..., identity: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., tags: _Optional[bytes] = ...) -> None: ...

class BlindRequest(_message.Message):
    __slots__ = ("question", "steps")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    question: Question
    steps: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, question: _Optional[_Union[Question, _Mapping]] = ..., steps: _Optional[_Iterable[bytes]] = ...) -> None: ...

class BlindReply(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: bytes
    def __init__(self, step: _Optional[bytes] = ...) -> None: ...

class DecryptRequest(_message.Message):
    __slots__ = ("question", "steps", "order")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    question: Question
    steps: _containers.RepeatedScalarFieldContainer[bytes]
    order: bytes
    def __init__(self, question: _Optional[_Union[Question, _Mapping]] = ..., steps: _Optional[_Iterable[bytes]] = ..., order: _Optional[bytes] = ...) -> None: ...

class DecryptReply(_message.Message):
    __slots__ = ("decryption",)
    DECRYPTION_FIELD_NUMBER: _ClassVar[int]
    decryption: bytes
    def __init__(self, decryption: _Optional[bytes] = ...) -> None: ...
