"""Several processes on one log, and processes that die at any moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from log_samples import KEY, append_some, append_until_killed, open_log, url_of

from protocols.transparency import Promise, open_checkpoint, verify_consistency, verify_inclusion, verify_promise

KILLS = 6


@pytest.fixture(scope="module")
def context() -> multiprocessing.context.ForkServerContext:
    """Children fork from a small server that has the log imported, not from this process with its threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["server.log"])
    return context


def test_killed_at_any_moment_the_log_keeps_every_promise(
    context: multiprocessing.context.ForkServerContext, tmp_path: Path
) -> None:
    url, promised = url_of(tmp_path), tmp_path / "promised"
    promised.touch()
    moments = random.Random(20300101)
    open_log(url).close()
    old = None
    for kill in range(KILLS):
        size = promised.stat().st_size
        child = context.Process(target=append_until_killed, args=(url, str(promised), kill))
        child.start()
        deadline = time.monotonic() + 30
        while promised.stat().st_size <= size:
            assert time.monotonic() < deadline, "the child appended nothing in 30 seconds"
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)
        assert child.exitcode == -signal.SIGKILL

        log = open_log(url)
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


def test_processes_that_append_together_share_one_log(
    context: multiprocessing.context.ForkServerContext, tmp_path: Path
) -> None:
    """They open a file that does not exist yet, too: the migration is raced for as well."""
    url = url_of(tmp_path)
    children = [context.Process(target=append_some, args=(url, name, 15)) for name in "abc"]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    log = open_log(url)
    assert log.verify() == 3 * 15 + 15
    log.close()
