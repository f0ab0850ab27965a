"""The pool's gRPC face. It answers the same way whatever row a query is for: it could not tell if it wanted to."""

from __future__ import annotations

import time
from pathlib import Path

import grpc

from federation.errors import Refused
from federation.runtime.slots import Slots
from protocols.lookup.context import EpochContext
from protocols.lookup.evidence import keys_hash, sign_answer
from protocols.wire import lookup_pb2 as wire
from server.callers import Callers
from server.lookup.epochs import Code
from server.lookup.pool import Pool
from server.lookup.pool_files import PoolFiles
from server.lookup.record_store import EpochRecord

MAX_QUERIES = 64
MAX_KEYED_QUERIES = 8
"""Of an engine with evaluation keys, which takes some tenths of a second for each: nobody's turn lasts longer."""
MAX_QUERY_BYTES = 256 * 2**10
MAX_KEYS_BYTES = 8 * 2**20
MAX_MESSAGE_BYTES = 12 * 2**20
MAX_SCAN_S = 60.0
_QUERIES, _OTHERS, _CROWD = 8, 4, 32
"""Calls of one caller at once, and callers that together keep nobody else out."""
WORKERS = (_QUERIES + _OTHERS) * _CROWD + 16


class PoolService:
    """`callers` says who calls."""

    def __init__(self, pool: Pool, callers: Callers) -> None:
        self._pool = pool
        self._callers = callers
        self._queries = Slots(total=_QUERIES * _CROWD, each=_QUERIES)
        self._others = Slots(total=_OTHERS * _CROWD, each=_OTHERS)

    def Put(self, request: wire.PutRequest, context: grpc.ServicerContext) -> wire.PutReply:  # noqa: N802
        """A part of the caller's own table."""
        caller = self._caller(context)
        record, epoch = self._pool.current(request.epoch_id)
        with self._others.take(caller):
            if caller not in epoch.institutions:
                raise Refused(Code.NOT_EXPECTED, "table", got=caller, expected="a member of this epoch")
            return wire.PutReply(received=self._pool.put(record, epoch, caller, request.offset, request.part))

    def Table(self, request: wire.TableRequest, context: grpc.ServicerContext) -> wire.Part:  # noqa: N802
        """A part of any member's table, for auditors, once all are there."""
        caller = self._caller(context)
        record, epoch = self._pool.current(request.epoch_id)
        with self._others.take(caller):
            if caller not in epoch.signed.epoch.auditors:
                raise Refused(Code.NOT_EXPECTED, "table", got=caller, expected="an auditor of this epoch")
            if not record.state.has("stored", "pool"):
                raise Refused(Code.TOO_EARLY, "table", got="not all there", expected="all tables")
            if request.institution not in epoch.institutions:
                raise Refused(Code.UNKNOWN, "table", got=request.institution, expected="a member of this epoch")
            files = self._pool.files(record)
            return _part(files, files.table(request.institution), request)

    def Rows(self, request: wire.RowsRequest, context: grpc.ServicerContext) -> wire.Part:  # noqa: N802
        """A part of the signed sum table, for every member of an open epoch."""
        caller = self._caller(context)
        record, _ = self._open(request.epoch_id, caller)
        with self._others.take(caller):
            files = self._pool.files(record)
            return _part(files, files.rows_file, request)

    def Hint(self, request: wire.HintRequest, context: grpc.ServicerContext) -> wire.Part:  # noqa: N802
        """A part of the engine's hint."""
        caller = self._caller(context)
        record, _ = self._open(request.epoch_id, caller)
        with self._others.take(caller):
            files = self._pool.files(record)
            return _part(files, files.hint_file, request)

    def Register(self, request: wire.RegisterRequest, context: grpc.ServicerContext) -> wire.RegisterReply:  # noqa: N802
        """The caller's evaluation keys: one set for each member, the last one counts."""
        caller = self._caller(context)
        record, _ = self._open(request.epoch_id, caller)
        with self._others.take(caller):
            if not 0 < len(request.keys) <= MAX_KEYS_BYTES:
                raise Refused(Code.INVALID, "keys", got=f"{len(request.keys)} bytes", expected=f"1 to {MAX_KEYS_BYTES}")
            name = keys_hash(request.keys)
            self._pool.files(record).keep_keys(caller, request.keys, name)
            return wire.RegisterReply(keys_hash=name)

    def Query(self, request: wire.QueryRequest, context: grpc.ServicerContext) -> wire.QueryReply:  # noqa: N802
        """One signed answer for each query.

        1. the caller is a member of the open epoch;  2. number and sizes;  3. its registered keys;  4. the scan;
        5. the pool's signature over epoch, keys, query and answer.
        """
        caller = self._caller(context)
        record, epoch = self._open(request.epoch_id, caller)
        with self._queries.take(caller):
            most = MAX_KEYED_QUERIES if request.keys_hash else MAX_QUERIES
            if not 1 <= len(request.queries) <= most:
                raise Refused(Code.INVALID, "queries", got=len(request.queries), expected=f"1 to {most}")
            if max(map(len, request.queries)) > MAX_QUERY_BYTES:
                raise Refused(Code.INVALID, "query", got="too many bytes", expected=f"at most {MAX_QUERY_BYTES}")
            scanner = self._pool.scanner
            if scanner is None:
                raise Refused(Code.BUSY, "pool", got="a scan that is not ready", expected="one: ask again")
            end = min(context.time_remaining() or MAX_SCAN_S, MAX_SCAN_S)
            started = time.monotonic()
            answers = scanner.answer(
                caller,
                request.queries,
                keys=self._pool.files(record).keys_file(caller, request.keys_hash) if request.keys_hash else None,
                keys_hash=request.keys_hash,
                seconds=end - (time.monotonic() - started),
                wanted=context.is_active,
            )
            reply = wire.QueryReply()
            for query, answer in zip(request.queries, answers, strict=True):
                signature = sign_answer(self._pool.key, epoch.epoch_id, request.keys_hash, query, answer)
                reply.answers.add(answer=answer, signature=signature)
            return reply

    def _caller(self, context: grpc.ServicerContext) -> str:
        return self._callers.member(context).institution

    def _open(self, epoch_id: bytes, caller: str) -> tuple[EpochRecord, EpochContext]:
        record, epoch = self._pool.current(epoch_id)
        if not record.state.opened or record.state.closing:
            code = Code.CLOSED if record.state.closing else Code.TOO_EARLY
            raise Refused(code, "epoch", got=f"phase {record.state.phase}", expected="an open epoch")
        if caller not in epoch.institutions:
            raise Refused(Code.NOT_EXPECTED, "epoch", got=caller, expected="a member of this epoch")
        return record, epoch


def _part(files: PoolFiles, file: Path, request: wire.TableRequest | wire.RowsRequest | wire.HintRequest) -> wire.Part:
    """What `request` asks of `file`. Raises Refused if it is not there, or ends before the offset."""
    data, size = files.read_part(file, request.offset, request.limit)
    return wire.Part(data=data, offset=request.offset, size=size)
