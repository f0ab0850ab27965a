"""Passes of set-up that are timed apart: the table in one process and in two, and enrolment with nobody beside it."""

from __future__ import annotations

import os
import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.lookup.table import TableChunk

_EPOCH = bytes(32)
_CHUNK, _CHUNKS = 8192, 24  # slots: some nine seconds of one core


def two_processes() -> dict[str, float]:
    """Wall seconds of the table pass over the same rows in one process and in two, and how much faster two are."""
    from federation.lookup.parallel import spread
    from protocols.lookup.table import TableKey, build_rows
    from protocols.oprf.group import random_scalar

    key = TableKey("bank-0", _EPOCH, random_scalar(os.urandom), {"bank-1": os.urandom(32), "bank-2": os.urandom(32)})
    chunks = _chunks()
    took = {}
    for processes in (1, 2):
        started = time.monotonic()
        for _ in spread(partial(build_rows, key), chunks, processes=processes):
            pass
        took[processes] = time.monotonic() - started
    return {"one_s": took[1], "two_s": took[2], "speedup": took[1] / took[2]}


def enrolling(members: int, customers: int = 2048) -> tuple[float, float]:
    """CPU seconds for one customer: of the member that enrols it among `members`, and of one that evaluates for it.

    In the deployment, all members enrol at once and share the machine's cores with each other and the relay.
    """
    from protocols.oprf.enrolment import Enrolment, evaluate
    from protocols.oprf.joint_key import KeyShare

    context, shares = b"a benchmark", {f"bank-{number}": KeyShare.generate(os.urandom) for number in range(members)}
    clock = [time.process_time()]
    state, blinded = Enrolment.start([os.urandom(16) for _ in range(customers)], os.urandom)
    clock.append(time.process_time())
    answers = {name: evaluate(share, blinded, os.urandom, context) for name, share in shares.items()}
    clock.append(time.process_time())
    state.finish(answers, {name: share.public for name, share in shares.items()}, context)
    clock.append(time.process_time())
    start, evaluated, finish = (later - earlier for earlier, later in pairwise(clock))
    return (start + finish) / customers, evaluated / members / customers


def _chunks() -> list[TableChunk]:
    """Chunks of random elements; the same ones in every chunk, which nothing that is timed can tell."""
    import numpy as np

    from protocols.lookup.parameters import COEFFICIENTS
    from protocols.lookup.table import TableChunk
    from protocols.oprf.group import hash_to_group

    points = b"".join(hash_to_group(os.urandom(16)) for _ in range(_CHUNK))
    empty, none = np.zeros(0, np.int64), np.zeros((0, COEFFICIENTS), np.int32)
    return [TableChunk(first * _CHUNK, _CHUNK, points, empty, none) for first in range(_CHUNKS)]
