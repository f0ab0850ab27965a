from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SecaggAdvert(_message.Message):
    __slots__ = ("plan_id", "member", "channel", "masks", "seeds")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    plan_id: bytes
    member: str
    channel: bytes
    masks: _containers.RepeatedScalarFieldContainer[bytes]
    seeds: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, plan_id: _Optional[bytes] = ..., member: _Optional[str] = ..., channel: _Optional[bytes] = ..., masks: _Optional[_Iterable[bytes]] = ..., seeds: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SecaggShares(_message.Message):
    __slots__ = ("setup_id", "member", "bundles")
    SETUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    setup_id: bytes
    member: str
    bundles: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, setup_id: _Optional[bytes] = ..., member: _Optional[str] = ..., bundles: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SecaggUnmasking(_message.Message):
    __slots__ = ("setup_id", "round", "survivors", "cells")
    SETUP_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    setup_id: bytes
    round: int
    survivors: _containers.RepeatedScalarFieldContainer[str]
    cells: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, setup_id: _Optional[bytes] = ..., round: _Optional[int] = ..., survivors: _Optional[_Iterable[str]] = ..., cells: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SecaggReveal(_message.Message):
    __slots__ = ("setup_id", "member", "round", "survivors", "shares")
    SETUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    setup_id: bytes
    member: str
    round: int
    survivors: _containers.RepeatedScalarFieldContainer[str]
    shares: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, setup_id: _Optional[bytes] = ..., member: _Optional[str] = ..., round: _Optional[int] = ..., survivors: _Optional[_Iterable[str]] = ..., shares: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SecaggSetup(_message.Message):
    __slots__ = ("adverts", "shares")
    class AdvertsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    class SharesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    ADVERTS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    adverts: _containers.ScalarMap[str, bytes]
    shares: _containers.ScalarMap[str, bytes]
    def __init__(self, adverts: _Optional[_Mapping[str, bytes]] = ..., shares: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class SecaggState(_message.Message):
    __slots__ = ("version", "plan_id", "member", "channel", "rounds", "adverts")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    ADVERTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    plan_id: bytes
    member: str
    channel: bytes
    rounds: _containers.RepeatedCompositeFieldContainer[SecaggRound]
    adverts: _containers.RepeatedCompositeFieldContainer[SecaggAdvert]
    def __init__(self, version: _Optional[int] = ..., plan_id: _Optional[bytes] = ..., member: _Optional[str] = ..., channel: _Optional[bytes] = ..., rounds: _Optional[_Iterable[_Union[SecaggRound, _Mapping]]] = ..., adverts: _Optional[_Iterable[_Union[SecaggAdvert, _Mapping]]] = ...) -> None: ...

class SecaggRound(_message.Message):
    __slots__ = ("number", "mask", "seed", "coins", "masked", "survivors")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    COINS_FIELD_NUMBER: _ClassVar[int]
    MASKED_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    number: int
    mask: bytes
    seed: bytes
    coins: bytes
    masked: bytes
    survivors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, number: _Optional[int] = ..., mask: _Optional[bytes] = ..., seed: _Optional[bytes] = ..., coins: _Optional[bytes] = ..., masked: _Optional[bytes] = ..., survivors: _Optional[_Iterable[str]] = ...) -> None: ...
