from protocols.wire import training_pb2 as _training_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Refusal(_message.Message):
    __slots__ = ("code", "where", "got", "expected", "party")
    CODE_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    GOT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    code: str
    where: str
    got: str
    expected: str
    party: str
    def __init__(self, code: _Optional[str] = ..., where: _Optional[str] = ..., got: _Optional[str] = ..., expected: _Optional[str] = ..., party: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("counter", "kind", "party", "body")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    counter: int
    kind: str
    party: str
    body: bytes
    def __init__(self, counter: _Optional[int] = ..., kind: _Optional[str] = ..., party: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...

class Recorded(_message.Message):
    __slots__ = ("sequence", "step")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    step: _training_pb2.Envelope
    def __init__(self, sequence: _Optional[int] = ..., step: _Optional[_Union[_training_pb2.Envelope, _Mapping]] = ...) -> None: ...

class ViewRequest(_message.Message):
    __slots__ = ("counter", "after", "wait_ms")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    counter: int
    after: int
    wait_ms: int
    def __init__(self, counter: _Optional[int] = ..., after: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class Waiting(_message.Message):
    __slots__ = ("party", "what")
    PARTY_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    party: str
    what: str
    def __init__(self, party: _Optional[str] = ..., what: _Optional[str] = ...) -> None: ...

class EpochView(_message.Message):
    __slots__ = ("counter", "phase", "steps", "more", "waiting", "owed", "pool_address", "pool_key", "log_key", "done", "total")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    OWED_FIELD_NUMBER: _ClassVar[int]
    POOL_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    POOL_KEY_FIELD_NUMBER: _ClassVar[int]
    LOG_KEY_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    counter: int
    phase: str
    steps: _containers.RepeatedCompositeFieldContainer[Recorded]
    more: bool
    waiting: _containers.RepeatedCompositeFieldContainer[Waiting]
    owed: _containers.RepeatedScalarFieldContainer[str]
    pool_address: str
    pool_key: bytes
    log_key: str
    done: int
    total: int
    def __init__(self, counter: _Optional[int] = ..., phase: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[Recorded, _Mapping]]] = ..., more: _Optional[bool] = ..., waiting: _Optional[_Iterable[_Union[Waiting, _Mapping]]] = ..., owed: _Optional[_Iterable[str]] = ..., pool_address: _Optional[str] = ..., pool_key: _Optional[bytes] = ..., log_key: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: _training_pb2.Envelope
    def __init__(self, step: _Optional[_Union[_training_pb2.Envelope, _Mapping]] = ...) -> None: ...

class SubmitReply(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("counter", "name", "size", "offset", "part", "reader")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    counter: int
    name: bytes
    size: int
    offset: int
    part: bytes
    reader: str
    def __init__(self, counter: _Optional[int] = ..., name: _Optional[bytes] = ..., size: _Optional[int] = ..., offset: _Optional[int] = ..., part: _Optional[bytes] = ..., reader: _Optional[str] = ...) -> None: ...

class UploadReply(_message.Message):
    __slots__ = ("received",)
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    received: int
    def __init__(self, received: _Optional[int] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("name", "offset", "limit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    offset: int
    limit: int
    def __init__(self, name: _Optional[bytes] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("data", "offset", "size")
    DATA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    offset: int
    size: int
    def __init__(self, data: _Optional[bytes] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class EnrolBatch(_message.Message):
    __slots__ = ("roster_id", "counter", "points")
    ROSTER_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    roster_id: bytes
    counter: int
    points: bytes
    def __init__(self, roster_id: _Optional[bytes] = ..., counter: _Optional[int] = ..., points: _Optional[bytes] = ...) -> None: ...

class Evaluated(_message.Message):
    __slots__ = ("institution", "points", "proof")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    institution: str
    points: bytes
    proof: bytes
    def __init__(self, institution: _Optional[str] = ..., points: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class EnrolReply(_message.Message):
    __slots__ = ("evaluations", "charged")
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    evaluations: _containers.RepeatedCompositeFieldContainer[Evaluated]
    charged: int
    def __init__(self, evaluations: _Optional[_Iterable[_Union[Evaluated, _Mapping]]] = ..., charged: _Optional[int] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("leaves",)
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    leaves: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, leaves: _Optional[_Iterable[bytes]] = ...) -> None: ...

class AppendReply(_message.Message):
    __slots__ = ("promises",)
    PROMISES_FIELD_NUMBER: _ClassVar[int]
    promises: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, promises: _Optional[_Iterable[bytes]] = ...) -> None: ...

class TicketOrder(_message.Message):
    __slots__ = ("leaf", "promise", "blinded")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    BLINDED_FIELD_NUMBER: _ClassVar[int]
    leaf: bytes
    promise: bytes
    blinded: bytes
    def __init__(self, leaf: _Optional[bytes] = ..., promise: _Optional[bytes] = ..., blinded: _Optional[bytes] = ...) -> None: ...

class TicketRequest(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[TicketOrder]
    def __init__(self, orders: _Optional[_Iterable[_Union[TicketOrder, _Mapping]]] = ...) -> None: ...

class Statement(_message.Message):
    __slots__ = ("institution", "document")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    institution: str
    document: bytes
    def __init__(self, institution: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class TicketOutcome(_message.Message):
    __slots__ = ("evaluations", "combined", "openings", "refusal")
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    COMBINED_FIELD_NUMBER: _ClassVar[int]
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    evaluations: _containers.RepeatedCompositeFieldContainer[Statement]
    combined: bytes
    openings: _containers.RepeatedCompositeFieldContainer[Statement]
    refusal: Refusal
    def __init__(self, evaluations: _Optional[_Iterable[_Union[Statement, _Mapping]]] = ..., combined: _Optional[bytes] = ..., openings: _Optional[_Iterable[_Union[Statement, _Mapping]]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class TicketReply(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[TicketOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[TicketOutcome, _Mapping]]] = ...) -> None: ...

class FirstTask(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[TicketOrder]
    def __init__(self, orders: _Optional[_Iterable[_Union[TicketOrder, _Mapping]]] = ...) -> None: ...

class SecondOrder(_message.Message):
    __slots__ = ("leaf", "blinded", "evaluations", "combined")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    BLINDED_FIELD_NUMBER: _ClassVar[int]
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    COMBINED_FIELD_NUMBER: _ClassVar[int]
    leaf: bytes
    blinded: bytes
    evaluations: _containers.RepeatedCompositeFieldContainer[Statement]
    combined: bytes
    def __init__(self, leaf: _Optional[bytes] = ..., blinded: _Optional[bytes] = ..., evaluations: _Optional[_Iterable[_Union[Statement, _Mapping]]] = ..., combined: _Optional[bytes] = ...) -> None: ...

class SecondTask(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[SecondOrder]
    def __init__(self, orders: _Optional[_Iterable[_Union[SecondOrder, _Mapping]]] = ...) -> None: ...

class EnrolTask(_message.Message):
    __slots__ = ("batch", "institution", "promise")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    batch: _training_pb2.Envelope
    institution: str
    promise: bytes
    def __init__(self, batch: _Optional[_Union[_training_pb2.Envelope, _Mapping]] = ..., institution: _Optional[str] = ..., promise: _Optional[bytes] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("id", "deadline_ms", "enrol", "first", "second")
    ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    ENROL_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    deadline_ms: int
    enrol: EnrolTask
    first: FirstTask
    second: SecondTask
    def __init__(self, id: _Optional[bytes] = ..., deadline_ms: _Optional[int] = ..., enrol: _Optional[_Union[EnrolTask, _Mapping]] = ..., first: _Optional[_Union[FirstTask, _Mapping]] = ..., second: _Optional[_Union[SecondTask, _Mapping]] = ...) -> None: ...

class Answered(_message.Message):
    __slots__ = ("document", "evaluated", "refusal")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    evaluated: Evaluated
    refusal: Refusal
    def __init__(self, document: _Optional[bytes] = ..., evaluated: _Optional[_Union[Evaluated, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("task", "answers")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    task: bytes
    answers: _containers.RepeatedCompositeFieldContainer[Answered]
    def __init__(self, task: _Optional[bytes] = ..., answers: _Optional[_Iterable[_Union[Answered, _Mapping]]] = ...) -> None: ...

class WorkRequest(_message.Message):
    __slots__ = ("session", "finished", "wait_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    finished: _containers.RepeatedCompositeFieldContainer[Finished]
    wait_ms: int
    def __init__(self, session: _Optional[bytes] = ..., finished: _Optional[_Iterable[_Union[Finished, _Mapping]]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class WorkReply(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("epoch_id", "offset", "part")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    offset: int
    part: bytes
    def __init__(self, epoch_id: _Optional[bytes] = ..., offset: _Optional[int] = ..., part: _Optional[bytes] = ...) -> None: ...

class PutReply(_message.Message):
    __slots__ = ("received",)
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    received: int
    def __init__(self, received: _Optional[int] = ...) -> None: ...

class TableRequest(_message.Message):
    __slots__ = ("epoch_id", "institution", "offset", "limit")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    institution: str
    offset: int
    limit: int
    def __init__(self, epoch_id: _Optional[bytes] = ..., institution: _Optional[str] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class RowsRequest(_message.Message):
    __slots__ = ("epoch_id", "offset", "limit")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    offset: int
    limit: int
    def __init__(self, epoch_id: _Optional[bytes] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class HintRequest(_message.Message):
    __slots__ = ("epoch_id", "offset", "limit")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    offset: int
    limit: int
    def __init__(self, epoch_id: _Optional[bytes] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("epoch_id", "keys")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    keys: bytes
    def __init__(self, epoch_id: _Optional[bytes] = ..., keys: _Optional[bytes] = ...) -> None: ...

class RegisterReply(_message.Message):
    __slots__ = ("keys_hash",)
    KEYS_HASH_FIELD_NUMBER: _ClassVar[int]
    keys_hash: bytes
    def __init__(self, keys_hash: _Optional[bytes] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("epoch_id", "keys_hash", "queries")
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_HASH_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    epoch_id: bytes
    keys_hash: bytes
    queries: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, epoch_id: _Optional[bytes] = ..., keys_hash: _Optional[bytes] = ..., queries: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("answer", "signature")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    answer: bytes
    signature: bytes
    def __init__(self, answer: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class QueryReply(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ...) -> None: ...
