"""What an institution must not lose, and what it must forget: tickets, enrolments, pseudonyms, snapshots, secrets."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.institution.lookup.enrolling import batch_stream, enrolment_context, split_points
from clients.institution.lookup.enrolment_count import EnrolmentCount
from clients.institution.lookup.folders import EpochFolder
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.kept_answers import ANSWERS_FILE, MOST, KeptAnswers, draw
from clients.institution.lookup.pseudonym_store import PseudonymStore
from clients.institution.lookup.snapshot import Snapshot
from federation.errors import ConfigurationError, Refused
from federation.runtime.database import open_engine
from protocols.errors import MessageError
from protocols.lookup.evidence import HandOver
from protocols.lookup.roster import RosterMember
from protocols.oprf.enrolment import Enrolment
from protocols.oprf.group import BASE
from protocols.signing import SigningKey

_CHARGE = """
import os, signal, sys
from clients.institution.lookup.guard_store import GuardStore
from federation.runtime.database import open_engine
from protocols.lookup.ticket import Charge
guard = GuardStore(open_engine(sys.argv[1]), bytes(32))
leaf = {"querier": "bank-a", "day": 1, "limit": 9, "promise": b"p"}
guard.charge([Charge(leaf_hash=bytes([number]) * 32, serial=str(number), **leaf) for number in range(8)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_charges_survive_the_process_that_made_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lookup.db'}"
    ended = subprocess.run([sys.executable, "-c", _CHARGE, url], check=False, timeout=600)
    assert ended.returncode == -signal.SIGKILL
    guard = GuardStore(open_engine(url), bytes(32))
    leaves = [bytes([number]) * 32 for number in range(8)]
    assert guard.charged(leaves) == set(leaves)
    assert guard.used("bank-a", 1) == 8
    assert guard.leaves() == leaves
    assert GuardStore(open_engine(url), b"e" * 32).leaves() == []


def member(customers: int) -> RosterMember:
    return RosterMember("bank-a", SigningKey.from_seed(bytes(32)).public, BASE, customers)


def test_a_member_counts_what_others_enrol_by_itself(tmp_path: Path) -> None:
    count = EnrolmentCount(open_engine(f"sqlite:///{tmp_path / 'lookup.db'}"))
    count.charge(b"r" * 32, member(10), b"first", 6)
    count.charge(b"r" * 32, member(10), b"first", 6)  # sent again: the same batch
    with pytest.raises(Refused) as refused:
        count.charge(b"r" * 32, member(10), b"second", 5)
    assert refused.value.code == "quota"
    count.charge(b"r" * 32, member(10), b"third", 4)
    count.charge(b"q" * 32, member(10), b"fourth", 10)  # another joint key, another count


def test_a_batch_that_is_sent_again_has_the_same_points() -> None:
    identifiers = [b"a", b"b", b"c"]
    first, second = (Enrolment.start(identifiers, batch_stream(b"s" * 32, identifiers))[1] for _ in range(2))
    assert first == second
    others = Enrolment.start([b"a", b"b"], batch_stream(b"s" * 32, [b"a", b"b"]))[1]
    assert not set(first) & set(others)  # another batch, another blinding: nobody sees who is in both
    assert not set(first) & set(Enrolment.start(identifiers, batch_stream(b"t" * 32, identifiers))[1])


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_no_two_batches_share_their_blinding(left: list[bytes], right: list[bytes]) -> None:
    same = batch_stream(b"s" * 32, left)(32) == batch_stream(b"s" * 32, right)(32)
    assert same == (left == right)


def test_proofs_of_an_enrolment_belong_to_one_request_of_one_member() -> None:
    contexts = {
        enrolment_context(roster, name, points) for roster in (b"r", b"q") for name in "ab" for points in (b"p", b"o")
    }
    assert len(contexts) == 8
    with pytest.raises(MessageError):
        split_points(b"p" * 33)


def test_pseudonyms_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    store = PseudonymStore(tmp_path / "pseudonyms")
    names = [f"id-{index}".encode() for index in range(6)]
    points = [bytes([index]) * 32 for index in range(6)]
    assert store.missing([*names, names[0]]) == names
    store.add(names[:2], points[:2])
    store.add(names[2:5], points[2:5])
    again = PseudonymStore(tmp_path / "pseudonyms")
    assert again.missing(names) == names[5:]
    assert again.load().of([names[4], names[0]]).tolist() == [list(points[4]), list(points[0])]
    with pytest.raises(ConfigurationError, match="1 customers not enrolled"):
        again.load().of(names)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "pseudonyms").iterdir()} == {0o600}


def test_a_snapshot_is_what_it_was_and_shows_nobody() -> None:
    snapshot = Snapshot((b"a", b"b"), np.array([0.3, -1.7]), np.full((2, 5), 0.11))
    again = Snapshot.decode(snapshot.encode())
    assert again.identifiers == snapshot.identifiers
    assert np.array_equal(again.records, snapshot.records)
    found = again.of(b"b")
    assert found is not None
    assert found[0].tolist() == [0, 1, -14, 1, 1, 1, 1, 1]
    assert found[1].evidence == -1.7
    assert again.of(b"c") is None
    assert "b'a'" not in repr(again)
    with pytest.raises(ConfigurationError):
        Snapshot((b"a", b"a"), np.zeros(2), np.zeros((2, 5)))


def test_an_erased_epoch_leaves_no_secret_behind(tmp_path: Path) -> None:
    folder = EpochFolder(tmp_path / "000001")
    folder.path.mkdir()
    secret = os.urandom(32)
    assert folder.secret("secrets.key", lambda: secret) == secret
    assert folder.secret("secrets.key", lambda: os.urandom(32)) == secret  # drawn once
    with (tmp_path / "000001" / "secrets.key").open("rb") as held:  # whoever still has the file open reads noise
        folder.erase()
        assert held.read() != secret
    assert not folder.path.exists()


def hand_over(mark: int) -> HandOver:
    return HandOver(bytes(32), b"", bytes([mark]) * 40, bytes([mark]) * 20, bytes(64))


def test_what_failed_or_was_drawn_is_kept_and_nothing_else(tmp_path: Path) -> None:
    folder = EpochFolder(tmp_path / "000001")
    folder.path.mkdir()
    kept = KeptAnswers(folder)
    for mark in range(10):
        kept.keep(hand_over(mark), drawn=mark < 2, failed=True, random=os.urandom)
    for mark in range(100, 130):
        kept.keep(hand_over(mark), drawn=mark < 103, failed=False, random=os.urandom)
    batch = kept.batch(10_000, b"", os.urandom)
    assert sorted(item.query[0] for item in batch.drawn) == [0, 1, 100, 101, 102]
    assert sorted(item.query[0] for item in batch.private) == list(range(2, 10))
    assert [file.name for file in folder.path.iterdir()] == [ANSWERS_FILE]
    few = kept.batch(1_000, b"", os.urandom)  # room for some of both
    assert few.drawn
    assert few.private


def test_every_answer_costs_the_same_bytes_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made, renamed or removed: a file that goes is a pause of .1 ms, and a new one is another."""
    folder, calls = EpochFolder(tmp_path / "000001"), list[tuple[Any, ...]]()
    folder.path.mkdir()
    KeptAnswers(folder).prepare()
    for name in ("pwrite", "fsync", "open", "replace", "rename", "unlink", "link"):
        real = getattr(os, name)

        def noted(*of: Any, name: str = name, real: Any = real, **options: Any) -> Any:
            calls.append((name, *(len(one) for one in of if isinstance(one, bytes))))
            return real(*of, **options)

        monkeypatch.setattr(os, name, noted)
    costs = []
    for drawn in (False, True):
        for failed in (False, True, True):
            calls.clear()
            KeptAnswers(folder).keep(hand_over(1), drawn=drawn, failed=failed, random=os.urandom)
            costs.append(tuple(calls))
    assert len(set(costs)) == 1
    assert [call[0] for call in costs[0]] == ["open", "pwrite", "fsync"]


def test_a_pool_that_always_fails_fills_no_disk_and_hides_nothing_that_was_drawn(tmp_path: Path) -> None:
    folder = EpochFolder(tmp_path / "000001")
    folder.path.mkdir()
    kept = KeptAnswers(folder)
    kept.prepare()
    size = folder.file(ANSWERS_FILE).stat().st_size
    for mark in range(3 * MOST):
        kept.keep(hand_over(mark), drawn=False, failed=True, random=os.urandom)
    kept.keep(hand_over(200), drawn=True, failed=True, random=os.urandom)
    batch = kept.batch(10**6, b"", os.urandom)
    assert len(batch.private) == MOST
    assert [item.query[0] for item in batch.drawn] == [200]
    assert folder.file(ANSWERS_FILE).stat().st_size == size


def test_one_query_in_fifty_is_drawn() -> None:
    assert sum(draw(random.Random(seed).randbytes) for seed in range(5000)) in range(60, 140)
