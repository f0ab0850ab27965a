"""What an answer costs whoever asked: the pool sees it as the time until the next question."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_world import PURPOSE, QueryWorld, evil, occupied, opened
from world import Epoch

from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable
from protocols.lookup.packing import pack
from protocols.lookup.parameters import RECORD_BYTES
from protocols.signing import VerifyingKey


def test_a_failure_costs_the_work_that_a_success_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written or verified after a failure alone, the pool sees as a pause before the next question."""
    world, epoch = opened("lwe")
    asking, done = world.asking("bank-02", epoch, tmp_path), list[tuple[Any, ...]]()
    verified = VerifyingKey.verify

    def verify(self: VerifyingKey, label: str, *of: bytes) -> None:
        done.append(("verify", label))
        verified(self, label, *of)

    monkeypatch.setattr(VerifyingKey, "verify", verify)
    world.ask(asking, world.identifiers[:1])  # what is made for the first question is there
    for name in ("pwrite", "fsync"):

        def noted(*of: Any, name: str = name, real: Any = getattr(os, name)) -> Any:
            done.append((name, *(len(one) for one in of if isinstance(one, bytes))))
            return real(*of)

        monkeypatch.setattr(os, name, noted)
    costs: dict[str, set[tuple[Any, ...]]] = {}
    for kind, flip in (("success", 0), ("failure", 255)):
        evil(asking).change = lambda answer, flip=flip: answer[:-1] + bytes([answer[-1] ^ flip])  # type: ignore[misc]
        for identifier in world.identifiers[:5]:
            asking.tickets(batch := [Asked(Question("-", PURPOSE), identifier)])
            done.clear()
            asking.read(batch)
            costs.setdefault(kind, set()).add(tuple(done))
    assert costs["failure"] == costs["success"]
    assert len(costs["success"]) == 1
    assert [name for name, *_ in next(iter(costs["success"]))].count("fsync") == 1


def last_byte(epoch: Epoch, row: int) -> int:
    """The upper bits of a row's last coefficient: from 252 on there is no such record."""
    assert epoch.audited is not None
    return pack(epoch.audited.rows.values[row])[RECORD_BYTES - 1]


def pushed(answer: bytes, by: int) -> bytes:
    """An answer with the last byte of its record moved on; the table stands in the upper half of sixteen bits."""
    numbers = np.frombuffer(answer, dtype="<u2").copy()
    numbers[RECORD_BYTES - 1 : RECORD_BYTES] += np.uint16(by << 8)  # as an array, which wraps around
    return numbers.tobytes()


Works = dict[bool, set[tuple[str, ...]]]


def works_of(world: QueryWorld, epoch: Epoch, asking: Asking, patch: pytest.MonkeyPatch) -> Works:
    """What is verified of an answer that is pushed so far that one row's record is none, for that row and for others
    whose records stay what a record can be."""
    row, done, works = occupied(world, epoch), list[str](), Works()
    by, verified = 0xFF - last_byte(epoch, row), VerifyingKey.verify

    def verify(self: VerifyingKey, label: str, *of: bytes) -> None:
        done.append(label)
        verified(self, label, *of)

    evil(asking).change = partial(pushed, by=by)
    others = [one for one in world.identifiers if (last_byte(epoch, world.row_of(epoch, one)) + by) % 256 < 252]
    batch = [Asked(Question("-", PURPOSE), one) for one in [*world.in_row(epoch, row)[:1], *others[:8]]]
    asking.tickets(batch)
    with patch.context() as patched:
        patched.setattr(VerifyingKey, "verify", verify)
        for asked in batch:
            done.clear()
            asking.read([asked])
            assert isinstance(asked.found, Unavailable)
            works.setdefault(world.row_of(epoch, asked.identifier) == row, set()).add(tuple(done))
    return works


def test_a_record_that_is_none_costs_the_work_of_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool knows the table, and with it of which rows a push makes no records."""
    world, epoch = opened("lwe")
    works = works_of(world, epoch, world.asking("bank-02", epoch, tmp_path), monkeypatch)
    assert works[True] == works[False]
    assert [len(work) for work in works[True]] == [1 + world.parameters.quorum]


def test_without_signatures_to_verify_a_push_tells_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, epoch = opened("lwe")
    monkeypatch.setattr(OpenEpoch, "no_signatures", b"")
    works = works_of(world, epoch, world.asking("bank-02", epoch, tmp_path), monkeypatch)
    assert works[True] == {("fedscore/v1/lookup/answered",)}
    assert works[True].isdisjoint(works[False])
