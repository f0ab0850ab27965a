"""What the log promises, and the one form of what it holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.canonical import canonical
from protocols.errors import EncodingError, MessageError, ProofError, ProtocolError, SignatureError, StageError
from protocols.transparency import (
    Checkpoint,
    Entry,
    LogKey,
    Promise,
    VerifierKey,
    check_kept,
    entry_bytes,
    entry_hash,
    inclusion_path,
    leaf_hash,
    node_hash,
    read_entry,
    root,
    verify_promise,
)

KEY = LogKey.from_seed("example.com/log", bytes(32))
OTHER = LogKey.from_seed("example.com/log", bytes([1]) * 32)
NOW = 1_900_000_000
LEAF = leaf_hash(b"an entry")
PROMISE = Promise.make(KEY, leaf_hash=LEAF, index=5, issued_at=NOW, merge_delay_s=60)


def test_a_promise_comes_back_and_holds() -> None:
    again = Promise.decode(PROMISE.encode())
    assert again == PROMISE
    verify_promise(again, LEAF, KEY.public, NOW)


@pytest.mark.parametrize(
    "changed", [{"index": 6}, {"issued_at": NOW - 1}, {"merge_delay_s": 61}, {"signature": bytes(64)}, {"origin": "o"}]
)
def test_nothing_of_a_promise_can_be_changed(changed: dict[str, object]) -> None:
    with pytest.raises(SignatureError):
        verify_promise(replace(PROMISE, **changed), LEAF, KEY.public, NOW)  # type: ignore[arg-type]


def test_a_promise_for_another_entry_or_by_another_key() -> None:
    with pytest.raises(SignatureError, match="leaf_hash"):
        verify_promise(PROMISE, leaf_hash(b"another"), KEY.public, NOW)
    forged = Promise.make(OTHER, leaf_hash=LEAF, index=5, issued_at=NOW, merge_delay_s=60)
    with pytest.raises(SignatureError):
        verify_promise(forged, LEAF, KEY.public, NOW)
    renamed = VerifierKey("other.example/log", KEY.public.key)
    with pytest.raises(SignatureError, match="origin"):
        verify_promise(PROMISE, LEAF, renamed, NOW)


def test_a_promise_from_the_future() -> None:
    with pytest.raises(MessageError, match="issued_at"):
        verify_promise(PROMISE, LEAF, KEY.public, NOW - 301)


@given(st.sampled_from(sorted(json.loads(PROMISE.encode()))), st.none() | st.integers() | st.text() | st.booleans())
def test_promises_of_another_form(field: str, value: object) -> None:
    document = json.loads(PROMISE.encode()) | {field: value}
    try:
        verify_promise(Promise.decode(canonical(document)), LEAF, KEY.public, NOW)
    except ProtocolError:
        return
    assert document == json.loads(PROMISE.encode())


@given(st.binary(max_size=300))
def test_bytes_that_are_no_promise(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Promise.decode(data)


def test_a_kept_promise_and_three_broken_ones() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(5)] + [LEAF]
    stored = {(0, index): leaf for index, leaf in enumerate(leaves)} | {
        (1, index): node_hash(leaves[2 * index], leaves[2 * index + 1]) for index in range(3)
    }
    stored[2, 0] = node_hash(stored[1, 0], stored[1, 1])
    path = inclusion_path(lambda level, index: stored[level, index], 5, 6)
    check_kept(PROMISE, Checkpoint(KEY.name, 6, root(leaves)), path)
    dropped = Checkpoint(KEY.name, 6, root([*leaves[:5], leaf_hash(b"another entry")]))
    with pytest.raises(ProofError):
        check_kept(PROMISE, dropped, path)
    with pytest.raises(StageError):
        check_kept(PROMISE, Checkpoint(KEY.name, 5, root(leaves[:5])), [])
    with pytest.raises(MessageError, match="origin"):
        check_kept(PROMISE, Checkpoint("other.example", 6, root(leaves)), path)


def test_an_entry_has_one_form() -> None:
    body = canonical({"claim": [1, "é", None]})
    data = entry_bytes("a-kind", body)
    assert data == canonical({"v": 1, "kind": "a-kind", "body": {"claim": [1, "é", None]}})
    assert read_entry(data) == Entry("a-kind", body)
    assert entry_hash("a-kind", body) == leaf_hash(data)


@pytest.mark.parametrize("body", [b"", b"{", b'{"b":1,"a":2}', b'{"a": 1}', b"{}}", b'1,"kind":"x","v":1}'])
def test_a_body_that_is_not_canonical_is_no_entry(body: bytes) -> None:
    with pytest.raises(EncodingError):
        entry_bytes("a-kind", body)


@pytest.mark.parametrize("kind", ["", "A", 'x"', "é", "a" * 33, "-a", "a\n"])
def test_kinds_of_another_form(kind: str) -> None:
    with pytest.raises(MessageError):
        entry_bytes(kind, b"{}")


@pytest.mark.parametrize(
    "document", [{}, [], {"body": 1, "kind": "a", "v": 2}, {"body": 1, "kind": 3, "v": 1}, {"body": 1, "v": True}]
)
def test_data_that_is_no_entry(document: object) -> None:
    with pytest.raises(MessageError):
        read_entry(canonical(document))  # type: ignore[arg-type]
