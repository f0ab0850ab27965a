"""A log that breaks a promise, or has two histories, is found by every member when an epoch closes."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clients.institution.lookup.log_check import LogCheck, check_log, last_checkpoint
from federation.errors import Refused
from federation.runtime.rpc import Unreachable
from protocols.lookup.reconcile import Kind
from protocols.transparency import Checkpoint, LogKey, Promise, VerifierKey, leaf_hash, node_hash, root

NOW = 1_900_000_000
SEED = bytes(32)
KEY = LogKey.from_seed(VerifierKey.of(LogKey.from_seed("any", SEED).public.key).name, SEED)


def leaves(count: int, tag: str = "entry") -> list[bytes]:
    return [leaf_hash(f"{tag} {number}".encode()) for number in range(count)]


class Log:
    """A log of `hashes`; proofs by definition (RFC 6962, section 2.1). `away` says which calls get no answer."""

    def __init__(self, hashes: list[bytes], away: str = "") -> None:
        self.hashes, self.away = hashes, away

    def current(self) -> bytes:
        self._ask("current")
        return Checkpoint(KEY.name, len(self.hashes), root(self.hashes)).note(KEY)

    def inclusion(self, leaf: bytes, size: int) -> tuple[int, list[bytes]]:
        self._ask("inclusion")
        if leaf not in self.hashes:
            raise Refused("unknown", "leaf", got="none", expected="an entry")
        index = self.hashes.index(leaf)
        return index, path(index, self.hashes[:size])

    def consistency(self, old: int, size: int) -> list[bytes]:
        self._ask("consistency")
        return subproof(old, self.hashes[:size], whole=True)

    def _ask(self, call: str) -> None:
        if call == self.away:
            raise Unreachable(f"Log.{call}", got="away", expected="an answer")


def split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def path(at: int, hashes: list[bytes]) -> list[bytes]:
    if len(hashes) <= 1:
        return []
    k = split(len(hashes))
    if at < k:
        return [*path(at, hashes[:k]), root(hashes[k:])]
    return [*path(at - k, hashes[k:]), root(hashes[:k])]


def subproof(old: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    if old == len(hashes):
        return [] if whole else [root(hashes)]
    k = split(len(hashes))
    if old <= k:
        return [*subproof(old, hashes[:k], whole=whole), root(hashes[k:])]
    return [*subproof(old - k, hashes[k:], whole=False), root(hashes[:k])]


def part(folder: Path) -> Any:
    return SimpleNamespace(
        clock=lambda: NOW,
        folders=SimpleNamespace(path=folder),
        context=SimpleNamespace(log_key=KEY.public.key),
        record=SimpleNamespace(counter=3),
    )


def promise(leaf: bytes, index: int, issued_at: int = NOW - 100) -> bytes:
    return Promise.make(KEY, leaf_hash=leaf, index=index, issued_at=issued_at, merge_delay_s=60).encode()


def checked(folder: Path, log: Log, promises: dict[bytes, bytes] | None = None, until: float = math.inf) -> LogCheck:
    found = check_log(part(folder), cast(Any, log), promises or {}, until)
    found.remember(part(folder))
    return found


def kinds(found: LogCheck) -> list[Kind]:
    return [finding.kind for finding in found.findings]


def test_a_log_that_keeps_its_word_leaves_nothing_to_find(tmp_path: Path) -> None:
    grown = leaves(9)
    promises = {leaf: promise(leaf, index) for index, leaf in enumerate(grown) if index % 2}
    for size in (4, 4, 9):  # the first time, nothing new, grown
        held = {leaf: made for leaf, made in promises.items() if leaf in grown[:size]}
        assert checked(tmp_path, Log(grown[:size]), held).findings == ()
        seen = last_checkpoint(part(tmp_path))
        assert seen is not None
        assert (seen.size, seen.root) == (size, root(grown[:size]))


def test_a_leaf_that_was_promised_and_left_out_is_found(tmp_path: Path) -> None:
    grown = leaves(6)
    lost, moved = leaf_hash(b"promised, and never entered"), grown[2]
    found = checked(
        tmp_path, Log(grown), {lost: promise(lost, 3), moved: promise(moved, 4), grown[5]: promise(grown[5], 5)}
    )
    assert kinds(found) == [Kind.PROMISE_BROKEN, Kind.PROMISE_BROKEN]
    assert {finding.leaf_hash for finding in found.findings} == {lost, moved}


@pytest.mark.parametrize(("issued_at", "kind"), [(NOW - 61, Kind.PROMISE_BROKEN), (NOW - 10, Kind.NOT_CHECKED)])
def test_a_checkpoint_too_small_breaks_a_promise_once_its_time_is_over(
    issued_at: int, kind: Kind, tmp_path: Path
) -> None:
    grown = leaves(6)
    found = checked(tmp_path, Log(grown), {grown[0]: promise(grown[0], 8, issued_at)})
    assert kinds(found) == [kind]


@pytest.mark.parametrize("other", [leaves(9, "another"), leaves(4, "another"), leaves(3)])
def test_a_log_with_another_history_is_found_and_its_note_kept(other: list[bytes], tmp_path: Path) -> None:
    checked(tmp_path, Log(leaves(4)))
    log = Log(other)
    found = checked(tmp_path, log)
    assert kinds(found) == [Kind.HISTORY_CHANGED]
    assert found.checkpoint is None
    assert (tmp_path / "conflict-000003.note").read_bytes() == log.current()
    kept = last_checkpoint(part(tmp_path))
    assert kept is not None
    assert kept.root == root(leaves(4))  # what is remembered is the history seen first


@pytest.mark.parametrize("away", ["current", "consistency", "inclusion"])
def test_what_the_relay_withholds_is_told_and_not_taken_for_agreement(away: str, tmp_path: Path) -> None:
    checked(tmp_path, Log(leaves(4)))
    grown = leaves(9)
    assert kinds(checked(tmp_path, Log(grown, away), {grown[1]: promise(grown[1], 1)})) == [Kind.NOT_CHECKED]


def test_a_log_that_asks_for_patience_has_broken_no_promise(tmp_path: Path) -> None:
    grown = leaves(9)
    log = Log(grown)
    refusals = iter(["too_many", "unknown"])

    def refused(leaf: bytes, size: int) -> tuple[int, list[bytes]]:
        raise Refused(next(refusals), "calls", got="more than allowed", expected="500 a second")

    log.inclusion = refused  # type: ignore[method-assign]
    found = checked(tmp_path, log, {leaf: promise(leaf, at) for at, leaf in enumerate(grown[:2])})
    assert kinds(found) == [Kind.NOT_CHECKED, Kind.PROMISE_BROKEN]


def test_there_is_an_end_to_checking(tmp_path: Path) -> None:
    grown = leaves(9)
    assert kinds(checked(tmp_path, Log(grown), {grown[1]: promise(grown[1], 1)}, until=0.0)) == [Kind.NOT_CHECKED]


def test_a_checkpoint_of_somebody_else_is_none(tmp_path: Path) -> None:
    log = Log(leaves(4))
    log.current = lambda: Checkpoint(KEY.name, 4, root(leaves(4))).note(LogKey.from_seed(KEY.name, bytes([1]) * 32))  # type: ignore[method-assign]
    assert kinds(checked(tmp_path, log)) == [Kind.NOT_CHECKED]
    assert last_checkpoint(part(tmp_path)) is None


def test_the_proofs_of_this_test_are_those_of_the_rfc() -> None:
    a, b, c = leaves(3)
    assert path(2, [a, b, c]) == [node_hash(a, b)]
