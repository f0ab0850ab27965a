"""Several processes on one log, and processes that die at any moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_samples import KEY, NOW, append_some, append_until_killed, open_log, publish_until_killed, url_of

from protocols.transparency import (
    Promise,
    WitnessState,
    open_checkpoint,
    verify_consistency,
    verify_inclusion,
    verify_promise,
)
from server.log import LogStore

KILLS = 6
MOMENTS = random.Random(20300101)
Context = multiprocessing.context.ForkServerContext


@pytest.fixture(scope="module")
def context() -> Context:
    """Children fork from a small server that has the log imported, not from this process with its threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["server.log"])
    return context


def kill_once_it_tells(context: Context, target: Callable[..., None], arguments: tuple[Any, ...], told: Path) -> None:
    """Run `target` in a process until it has written to `told`, a moment longer, and kill it."""
    size = told.stat().st_size
    child = context.Process(target=target, args=arguments)
    child.start()
    deadline = time.monotonic() + 240
    while told.stat().st_size <= size:
        assert time.monotonic() < deadline, "the child did nothing in 240 seconds"
        time.sleep(0.002)
    time.sleep(MOMENTS.uniform(0, 0.1))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(240)
    assert child.exitcode == -signal.SIGKILL


def test_killed_at_any_moment_the_log_keeps_every_promise(context: Context, database_url: str, tmp_path: Path) -> None:
    promised = tmp_path / "promised"
    promised.touch()
    open_log(database_url).close()
    old = None
    for kill in range(KILLS):
        kill_once_it_tells(context, append_until_killed, (database_url, str(promised), kill), promised)
        log = open_log(database_url)
        log.verify()
        checkpoint = open_checkpoint(log.checkpoint(), KEY.public)
        if old is not None:
            proof = log.consistency(old.size, checkpoint.size)
            verify_consistency(proof, old.size, checkpoint.size, old.root, checkpoint.root)
        old = checkpoint
        lines = promised.read_bytes().split(b"\n")[:-1]
        for line in lines[-20:]:
            promise = Promise.decode(line)
            verify_promise(promise, promise.leaf_hash, KEY.public, promise.issued_at)
            inclusion = log.inclusion(promise.leaf_hash)
            assert inclusion.index == promise.index
            verify_inclusion(inclusion.path, promise.leaf_hash, promise.index, checkpoint.size, checkpoint.root)
        log.close()
    assert old is not None
    assert old.size >= len(lines) >= KILLS


def test_killed_at_any_moment_no_checkpoint_goes_back(context: Context, database_url: str, tmp_path: Path) -> None:
    """A witness with a memory follows every note that was ever shown, in the order shown, across all the deaths."""
    shown, anchor = tmp_path / "shown", tmp_path / "log.checkpoint"
    shown.touch()
    open_log(database_url).close()
    state, read = WitnessState(), 0
    for kill in range(KILLS):
        kill_once_it_tells(context, publish_until_killed, (database_url, str(shown), str(anchor), kill), shown)
        log = LogStore.open(database_url, KEY, lambda: NOW, anchor=anchor)  # and none is behind its anchor
        notes = [bytes.fromhex(line.decode()) for line in shown.read_bytes().split(b"\n")[:-1]]
        for note in notes[read:]:
            size = open_checkpoint(note, KEY.public).size
            state = state.consider(note, log.consistency(state.size, size), KEY.public)
            assert log.published(size) == note  # with the cosignature that was acknowledged
        assert len(notes) > read
        read = len(notes)
        newest = open_checkpoint(log.checkpoint(), KEY.public)
        state = state.consider(log.checkpoint(), log.consistency(state.size, newest.size), KEY.public)
        log.close()
    assert state.size > KILLS


def test_processes_that_append_together_share_one_log(context: Context, tmp_path: Path) -> None:
    """They open a file that does not exist yet, too: the migration is raced for as well."""
    url = url_of(tmp_path)
    children = [context.Process(target=append_some, args=(url, name, 15)) for name in "abc"]
    for child in children:
        child.start()
    for child in children:
        child.join(240)
        assert child.exitcode == 0
    log = open_log(url)
    assert log.verify() == 3 * 15 + 15
    log.close()
