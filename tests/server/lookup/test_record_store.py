"""The record of epochs and its blobs: append-only, once for each party, bounded, the same after a crash."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from federation.errors import Refused
from federation.runtime.database import writing
from protocols.canonical import canonical
from protocols.errors import MessageError
from protocols.lookup.parameters import Parameters
from protocols.signing import SigningKey
from server.lookup.blob_store import BlobStore
from server.lookup.proposals import Candidate, Terms, close_epoch, open_epoch
from server.lookup.record_store import RecordStore, Said
from server.lookup.relay import own_step

KEY = SigningKey.from_seed(bytes(32))
NAMES = ("a", "b", "c")
TERMS = Terms(Parameters(engine="mirror", quorum=2), "11" * 32, "22" * 32, KEY.public.hex, KEY.public.hex)


@pytest.fixture
def store(database_url: str) -> RecordStore:
    return RecordStore.open(database_url)


def nothing(_counter: int, _said: Said) -> None:
    """A log that is not looked at."""


def opened(store: RecordStore, names: tuple[str, ...] = NAMES) -> int:
    keys = [SigningKey.from_seed(bytes([number]) * 32).public.hex for number in range(1, len(names) + 1)]
    members = [Candidate(name, key, 10) for name, key in zip(names, keys, strict=True)]
    return open_epoch(store, KEY, members, TERMS, 1000.0, nothing).counter


def said(kind: str, party: str, body: dict[str, int] | None = None) -> Said:
    return own_step(KEY, 1, kind, canonical(body or {}), party=party)


def test_the_same_step_has_one_place_and_another_is_refused(store: RecordStore) -> None:
    counter = opened(store)
    assert store.append(counter, said("commit", "a")) == (2, True)
    assert store.append(counter, said("commit", "a")) == (2, False)
    with pytest.raises(Refused) as other:
        store.append(counter, said("commit", "a", {"another": 1}))
    assert other.value.code == "conflict"
    assert [step.party for step in store.epoch(counter).steps] == ["relay", "a"]


def test_what_the_content_check_refuses_is_not_recorded(store: RecordStore) -> None:
    counter = opened(store)

    def refuse(_record: object) -> None:
        raise Refused("proof", "a", got="a lie", expected="no lie")

    with pytest.raises(Refused):
        store.append(counter, said("commit", "a"), check=refuse)
    assert store.position() == (1, 1)


@pytest.mark.parametrize("statement", ["UPDATE lookup_steps SET party = 'x'", "DELETE FROM lookup_steps"])
def test_nobody_rewrites_the_record(store: RecordStore, statement: str) -> None:
    opened(store)
    with pytest.raises(DatabaseError), writing(store.engine) as connection:
        connection.execute(text(statement))


def test_an_epoch_begins_when_the_last_is_closed_and_members_are_enough(store: RecordStore) -> None:
    with pytest.raises(Refused):
        opened(store, NAMES[:2])
    opened(store)
    with pytest.raises(Refused) as busy:
        opened(store)
    assert busy.value.code == "conflict"
    close_epoch(store, KEY, "operator", nothing)
    for party in (*NAMES, "relay"):
        store.append(1, said("erased", party))
    assert opened(store) == 2
    assert store.epoch(2).proposal["new_keys"]  # the first ceremony was never finished
    assert store.epoch(1).state.parties.auditors != store.epoch(2).state.parties.auditors  # they take turns


def test_nothing_is_proposed_that_no_member_could_compare(store: RecordStore) -> None:
    members = [Candidate(name, SigningKey.from_seed(name.encode() * 32).public.hex, 10) for name in NAMES]
    with pytest.raises(MessageError, match=r"proposal\.oversight"):
        open_epoch(store, KEY, members, replace(TERMS, oversight="00" * 32), 1000.0, nothing)
    assert store.current() is None


def test_a_close_is_said_once(store: RecordStore) -> None:
    opened(store)
    close_epoch(store, KEY, "operator", nothing)
    with pytest.raises(Refused) as again:
        close_epoch(store, KEY, "operator", nothing)
    assert again.value.code == "closed"


def anywhere(counter: int) -> bool:
    return True


DATA = bytes(range(256)) * 20
NAME = hashlib.sha256(DATA).digest()


@pytest.fixture
def blobs(store: RecordStore, tmp_path: Path) -> BlobStore:
    (tmp_path / "lookup").mkdir(mode=0o700)
    (tmp_path / "lookup" / "epochs").mkdir(mode=0o700)
    (tmp_path / "lookup" / "epochs" / "1").mkdir(mode=0o700)
    return BlobStore(store.engine, tmp_path / "lookup", member_bytes=10_000)


def send(blobs: BlobStore, data: bytes = DATA, *, reader: str = "", owner: str = "a", step: int = 1000) -> bytes:
    name, received = hashlib.sha256(data).digest(), 0
    while received < len(data):
        part = data[received : received + step]
        received = blobs.receive(1, owner, name, len(data), received, part, reader=reader)
    return name


def test_an_upload_goes_on_where_it_stopped_and_may_repeat(blobs: BlobStore) -> None:
    assert blobs.receive(1, "a", NAME, len(DATA), 0, DATA[:100], reader="") == 100
    assert blobs.receive(1, "a", NAME, len(DATA), 0, DATA[:100], reader="") == 100
    assert blobs.receive(1, "a", NAME, len(DATA), 100, DATA[100:], reader="") == len(DATA)
    assert blobs.read(1, "a", NAME, size=len(DATA)) == DATA
    assert blobs.receive(1, "a", NAME, len(DATA), 0, DATA[:100], reader="") == len(DATA)


def test_a_whole_of_another_digest_is_thrown_away(blobs: BlobStore) -> None:
    assert blobs.receive(1, "a", NAME, len(DATA), 0, DATA[:-1] + b"x", reader="") == 0
    with pytest.raises(Refused):
        blobs.read(1, "a", NAME)
    send(blobs)
    assert blobs.read(1, "a", NAME) == DATA


def test_only_its_reader_fetches_a_blob_and_only_its_owner_names_it(blobs: BlobStore) -> None:
    send(blobs, reader="b")
    assert blobs.fetch(NAME, "b", 10, 5, admits=anywhere) == (DATA[10:15], len(DATA))
    for other in ("a", "c"):
        with pytest.raises(Refused) as refusal:
            blobs.fetch(NAME, other, 0, 0, admits=anywhere)
        assert refusal.value.code == "unknown"
    with pytest.raises(Refused) as outsider:
        blobs.fetch(NAME, "b", 0, 0, admits=lambda counter: counter != 1)
    assert outsider.value.code == "unknown"
    with pytest.raises(Refused):
        blobs.read(1, "b", NAME)
    with pytest.raises(Refused):
        blobs.check_reader(1, "a", NAME, "relay")


def test_the_same_bytes_of_two_members_are_two_blobs(blobs: BlobStore) -> None:
    send(blobs, reader="relay")
    send(blobs, reader="c", owner="b")
    assert (
        blobs.read(1, "a", NAME) == blobs.read(1, "b", NAME) == blobs.fetch(NAME, "c", 0, 0, admits=anywhere)[0] == DATA
    )
    with pytest.raises(Refused):
        blobs.fetch(NAME, "b", 0, 0, admits=anywhere)


def test_nobody_fills_the_disk(blobs: BlobStore) -> None:
    send(blobs)
    with pytest.raises(Refused) as full:
        send(blobs, b"z" * 6000)
    assert full.value.code == "quota"
    with pytest.raises(Refused):
        blobs.receive(1, "b", NAME, 2**40, 0, b"", reader="")
    send(blobs, b"z" * 6000, owner="b")


def test_an_epoch_that_is_erased_leaves_no_blob(blobs: BlobStore, tmp_path: Path) -> None:
    send(blobs)
    blobs.erase(1)
    assert not list(tmp_path.glob("lookup/epochs/1/blobs/*"))
    with pytest.raises(Refused) as gone:
        blobs.fetch(NAME, "a", 0, 0, admits=anywhere)
    assert gone.value.code == "closed"
