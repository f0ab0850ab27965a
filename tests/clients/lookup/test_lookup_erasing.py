"""Erasure asks nobody, is checked before it is said, and comes by the clock where nobody closes an epoch."""

from __future__ import annotations

import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clients.institution.lookup import attending, closing, duties
from clients.institution.lookup.channel import PART_BYTES, RelayClient
from clients.institution.lookup.closed_epochs import closed_epochs
from clients.institution.lookup.erasing import GRACE_S, erase_overdue
from clients.institution.lookup.folders import EpochFolder, LookupFolders
from clients.institution.lookup.guard_store import MOST_ASKED, GuardStore
from clients.institution.lookup.reconciling import _leaves
from clients.institution.oversight.log_client import LogClient
from federation.errors import ConfigurationError
from federation.runtime.database import open_engine
from federation.runtime.rpc import Unreachable
from protocols.errors import MessageError
from protocols.lookup.cadence import PastEpoch
from protocols.lookup.ticket import Charge, TicketRefused
from protocols.signing import SigningKey
from protocols.transparency import Entry
from protocols.wire import log_pb2 as log_wire
from protocols.wire import lookup_pb2 as wire

EPOCH = b"e" * 32


@pytest.fixture
def home(tmp_path: Path) -> Any:
    made: Any = SimpleNamespace(
        name="bank-a", path=tmp_path, settings=SimpleNamespace(database_url=f"sqlite:///{tmp_path}/lookup.db")
    )
    folders = LookupFolders(made)
    folders.epoch(1).secret("secrets.key", lambda: b"s" * 64)
    folders.remember(PastEpoch(1, EPOCH, opens_at=1_000, closes_at=2_000, tickets=0, erased=False))
    return made


def part(home: Any, relay: Any) -> Any:
    """A part in an epoch that is closing."""
    folders = LookupFolders(home)
    record = SimpleNamespace(counter=1, has=lambda *_: True, bodies=lambda kind: {}, body=lambda *_: {"count": 0})
    context = SimpleNamespace(epoch_id=EPOCH, institutions=(), log_key=SigningKey.generate().public)
    return SimpleNamespace(
        home=home,
        institution="bank-a",
        record=record,
        context=context,
        folders=folders,
        folder=folders.epoch(1),
        relay=relay,
    )


@pytest.mark.parametrize("failure", [Unreachable("relay", got="away", expected="an answer"), RuntimeError("garbage")])
def test_a_log_that_is_garbled_or_withheld_keeps_no_secret_alive(
    home: Any, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []

    def asked(*_: Any, **__: Any) -> Any:
        there.append((home.path / "lookup" / "epochs" / "000001" / "secrets.key").exists())
        raise failure

    log = SimpleNamespace(current=asked, entries=asked)
    monkeypatch.setattr("clients.institution.lookup.reconciling.LogClient", lambda *_, **__: nullcontext(log))
    assert closing.erased(part(home, SimpleNamespace(fetch=asked))) == {"epoch": EPOCH.hex()}
    assert there == [False]  # asked for its checkpoint, when all was gone
    assert not (home.path / "lookup" / "epochs" / "000001").exists()
    assert LookupFolders(home).past()[0].erased


def test_who_answered_tickets_holds_the_log_to_them_whether_or_not_the_relay_asks_what_it_evaluated(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a coordinator that helps a querier leaves the one question out, and nobody looks at the log."""
    asked: list[str] = []

    def away(*_: Any) -> Any:
        asked.append("checkpoint")
        raise Unreachable("log", got="away", expected="an answer")

    log = SimpleNamespace(current=away)
    monkeypatch.setattr("clients.institution.lookup.reconciling.LogClient", lambda *_, **__: nullcontext(log))
    charge(home, b"l" * 32)
    closing_part = part(home, None)
    closing_part.record.has = lambda kind, party: kind == "epoch"
    closing.erased(closing_part)
    assert asked == ["checkpoint"]
    [closed] = closed_epochs(LookupFolders(home))
    assert [found["kind"] for found in closed.findings] == ["not-checked"]


def test_an_epoch_with_tickets_that_nobody_closes_is_shown_as_not_checked(home: Any) -> None:
    charge(home, b"l" * 32)
    erase_overdue(home, 2_000 + GRACE_S)
    [closed] = closed_epochs(LookupFolders(home))
    assert [(found["kind"], found["party"]) for found in closed.findings] == [("not-checked", "relay")]
    assert "1 ticket" in closed.findings[0]["detail"]


def test_an_epoch_without_tickets_that_nobody_closes_has_nothing_to_be_checked(home: Any) -> None:
    erase_overdue(home, 2_000 + GRACE_S)
    assert closed_epochs(LookupFolders(home)) == []


def test_what_a_member_signs_is_remembered_on_disk_before_it_is_said(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[int] = []
    monkeypatch.setattr(
        "clients.institution.lookup.folders.sync_folder", lambda _: known.append(len(LookupFolders(home).past()))
    )
    LookupFolders(home).remember(PastEpoch(2, EPOCH, opens_at=3_000, closes_at=4_000, tickets=0, erased=False))
    assert known == [2]


def test_an_epoch_that_nobody_closes_is_erased_by_the_clock(home: Any) -> None:
    assert erase_overdue(home, 2_000 + GRACE_S - 1) == ()
    assert (home.path / "lookup" / "epochs" / "000001" / "secrets.key").exists()
    assert erase_overdue(home, 2_000 + GRACE_S) == (1,)
    assert not (home.path / "lookup" / "epochs" / "000001").exists()
    assert LookupFolders(home).past()[0].erased
    with pytest.raises(TicketRefused):
        charge(home, b"l" * 32)
    assert erase_overdue(home, 2_000 + GRACE_S) == ()


def test_the_node_looks_at_the_clock_without_a_relay(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, looked = threading.Event(), threading.Event()
    failing = iter([OSError("the disk is full")])

    def overdue(of: Any, now: float) -> None:
        for error in failing:
            raise error
        looked.set()

    monkeypatch.setattr("clients.institution.lookup.erasing.erase_overdue", overdue)
    monkeypatch.setattr(attending, "OVERDUE_S", 0.01)
    thread = threading.Thread(target=attending._erasing, args=(home, stop), daemon=True)
    thread.start()
    assert looked.wait(10)  # after an error too
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_what_stays_is_not_said_to_be_erased(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(path: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("federation.runtime.private_files.shutil.rmtree", stays)
    with pytest.raises(ConfigurationError, match="busy"):
        closing.erased(part(home, None))
    assert not LookupFolders(home).past()[0].erased


def test_secrets_that_are_written_anew_are_overwritten_where_they_stood(home: Any) -> None:
    folder = LookupFolders(home).epoch(1)
    with folder.file("secrets.key").open("rb") as held:
        folder.replace_secret("secrets.key", b"t" * 80)
        assert held.read() != b"s" * 64
    assert folder.secret_if_there("secrets.key") == b"t" * 80
    assert [file.name for file in folder.path.iterdir()] == ["secrets.key"]


@pytest.mark.parametrize("left", [".secrets.key.4711", ".secrets.key.old"])
def test_what_a_killed_process_left_of_a_secret_is_overwritten_too(home: Any, left: str) -> None:
    folder: EpochFolder = LookupFolders(home).epoch(1)
    folder.file(left).write_bytes(b"s" * 64)
    with folder.file(left).open("rb") as held:
        folder.erase()
        assert held.read() != b"s" * 64


def charge(home: Any, leaf: bytes) -> None:
    guard = GuardStore(open_engine(home.settings.database_url), EPOCH)
    ticket = Charge(querier="bank-b", day=1, leaf_hash=leaf, serial=leaf.hex(), limit=5, promise=b"p" + leaf)
    [refused] = guard.charge([ticket])
    if refused is not None:
        raise refused


def test_one_leaf_is_not_answered_without_end(home: Any) -> None:
    for _ in range(MOST_ASKED):
        charge(home, b"l" * 32)
    with pytest.raises(TicketRefused) as refused:
        charge(home, b"l" * 32)
    assert refused.value.code == "quota"
    charge(home, b"m" * 32)
    guard = GuardStore(open_engine(home.settings.database_url), EPOCH)
    assert guard.used("bank-b", 1) == 2
    assert guard.promises() == {leaf: b"p" + leaf for leaf in (b"l" * 32, b"m" * 32)}


def relay(answer: Any) -> RelayClient:
    made = RelayClient.__new__(RelayClient)
    made._ask = lambda method, request, **_: answer(request)  # type: ignore[method-assign]
    return made


def test_a_blob_is_no_larger_than_it_can_be() -> None:
    sent: list[int] = []

    def endless(request: wire.FetchRequest) -> wire.Part:
        sent.append(request.offset)
        return wire.Part(data=bytes(PART_BYTES), offset=request.offset, size=2**50)

    with pytest.raises(MessageError, match=r"Fetch\.size"):
        relay(endless).fetch(bytes(32), most=3 * PART_BYTES)
    assert sent == [0]


def log(answer: Any) -> LogClient:
    made = LogClient.__new__(LogClient)
    made._ask = lambda method, request, **_: answer(request)  # type: ignore[method-assign]
    return made


def test_a_log_without_end_is_not_read_for_ever(home: Any) -> None:
    data = Entry("lookup-leaf", b"{}").data
    endless = log(
        lambda request: log_wire.EntriesReply(
            entries=[log_wire.Entry(index=request.start, data=data)], next=request.start + 1
        )
    )
    until = time.monotonic() + 0.05
    with pytest.raises(Unreachable):
        list(_leaves(part(home, None), endless, 0, 2**62, until))
    assert len(list(_leaves(part(home, None), endless, 0, 3, time.monotonic() + 20))) == 3  # nor past the checkpoint


def test_entries_come_in_order_and_once() -> None:
    def reply(*places: int) -> Any:
        return lambda request: log_wire.EntriesReply(
            entries=[log_wire.Entry(index=at) for at in places if request.start < 9], next=9
        )

    assert [index for index, _ in log(reply(3, 5)).entries("k", 2)] == [3, 5]
    for places in ((5, 3), (3, 3), (1,), (9,)):
        with pytest.raises(MessageError, match="another order"):
            list(log(reply(*places)).entries("k", 2))


def test_one_bad_task_does_not_end_a_members_duties(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finished: list[wire.Finished] = []
    calls = iter(range(10**9))

    class Relay:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> Relay:
            return self

        def __exit__(self, *_: object) -> None: ...

        def work(self, session: bytes, done: list[wire.Finished], *, wait_ms: int) -> list[wire.Task]:
            finished.extend(done)
            number = next(calls)
            if number == 0:
                raise ValueError("what nobody foresaw")
            if len(finished) > 1:
                stop.set()
            task = wire.Task(id=bytes([number % 256]) * 16, deadline_ms=int(time.time() * 1000) + 60_000)
            task.enrol.batch.body = b"\xff\xff\xff"  # no EnrolBatch
            return [task]

    stop = threading.Event()
    monkeypatch.setattr(duties, "RelayClient", Relay)
    monkeypatch.setattr(duties, "PAUSE_S", 0.01)
    home: Any = SimpleNamespace(name="a", path=tmp_path)
    thread = threading.Thread(target=duties.Duties(home, random=os.urandom).run, args=(stop,), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert {done.answers[0].refusal.code for done in finished} == {"internal"}
