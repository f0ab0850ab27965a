"""The log as members reach it: mutual TLS, real certificates, one log hosted as the coordinator's process hosts it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from log_world import said, witness_key
from membership_world import BUNDLE, Clock, World, catalogue, make_coordinator

from clients.institution.home import InstitutionHome
from clients.institution.oversight.log_client import LogClient
from federation.errors import ConfigurationError, LedgerError, Refused
from federation.oversight.members import MemberStatement
from federation.runtime import rpc
from protocols.canonical import canonical
from protocols.transparency import (
    Entry,
    Promise,
    Tile,
    attach,
    check_kept,
    cosign,
    inclusion_path,
    leaf_hash,
    open_checkpoint,
    split_note,
    tile_nodes,
    verify_consistency,
    verify_inclusion,
    verify_promise,
)
from protocols.wire import log_pb2 as wire
from server.log import LogHost
from server.log.hosting import HostedLog, hosted_log
from server.log.reading import PAGE_BYTES
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore

_LOG = wire.DESCRIPTOR.services_by_name["Log"]


@dataclass(frozen=True)
class Hosted:
    world: World
    log: HostedLog
    aurora: InstitutionHome
    borealis: InstitutionHome


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosted")
    home = make_coordinator(folder / "coordinator")
    store, clock = MembershipStore.open(home.database_url), Clock()
    desk = Desk(home, store, catalogue(), lambda: BUNDLE, clock)
    with (
        hosted_log(home, store) as log,
        serve_membership(desk, beside=log.handlers, workers=log.workers + 8),
    ):
        world = World(folder, home, store, desk, clock, home.enrolment_address, home.member_address)
        aurora, borealis = world.member("aurora"), world.member("borealis")
        for number, member in enumerate((aurora, borealis)):
            witness = witness_key(number).public.key.hex
            statement = MemberStatement(member.name, member.signing_key.public.hex, witness, 1000, "admitted")
            log.store.extend([statement.entry(home.signing_key)])
        yield Hosted(world, log, aurora, borealis)
    store.close()


@contextmanager
def channel(home: InstitutionHome, address: str) -> Iterator[grpc.Channel]:
    keys = home.keys
    credentials = rpc.client_tls(
        (keys / "ca.crt").read_bytes(), key=(keys / "tls.key").read_bytes(), chain=(keys / "tls.crt").read_bytes()
    )
    with rpc.dial(address, credentials=credentials) as opened:
        yield opened


def test_a_member_appends_is_promised_and_finds_it_in_what_a_quorum_cosigned(hosted: Hosted) -> None:
    key = hosted.log.host.key
    entry = said("audit-result", hosted.aurora.signing_key, institution="aurora", passed=True).entry
    with LogClient(hosted.aurora) as log, LogClient(hosted.borealis) as other:
        [data] = log.append([entry])
        promise = Promise.decode(data)
        verify_promise(promise, entry.hash, key, time.time())
        start, after = time.monotonic(), promise.index
        note = log.candidate(after=after, wait_ms=15_000)
        for number, client in enumerate((log, other)):  # two witnesses, and a quorum is both
            client.cosign(attach(note, [cosign(split_note(note)[0], witness_key(number), time.time())]))
        cosigned = log.cosigned(after=after, wait_ms=15_000)
        assert time.monotonic() - start < 10
        checkpoint = hosted.log.host.roster().quorum.check(cosigned, key, time.time()).checkpoint
        index, path = other.inclusion(entry.hash, checkpoint.size)
        verify_inclusion(path, entry.hash, index, checkpoint.size, checkpoint.root)
        assert (index, entry.data) in list(other.entries("audit-result", 0))
        old = open_checkpoint(hosted.log.store.checkpoint(), key)
        log.append([said("audit-result", hosted.aurora.signing_key, institution="aurora", passed=False).entry])
        new = open_checkpoint(hosted.log.store.checkpoint(), key)
        verify_consistency(log.consistency(old.size, new.size), old.size, new.size, old.root, new.root)


def test_what_was_promised_stands_in_the_current_checkpoint_without_witnesses(hosted: Hosted) -> None:
    key, size = hosted.log.host.key, hosted.log.store.size()
    promise = hosted.log.store.append("lookup-leaf", b'{"leaf":1}')
    with LogClient(hosted.aurora) as log:
        checkpoint = open_checkpoint(log.current(), key)
        index, path = log.inclusion(promise.leaf_hash, checkpoint.size)
        assert index == promise.index == size
        check_kept(promise, checkpoint, path)
        assert [at for at, _ in log.entries("lookup-leaf", 0)] == [size]


def test_a_certificate_decides_whose_sayings_are_logged(hosted: Hosted) -> None:
    aurora, borealis = hosted.aurora.signing_key, hosted.borealis.signing_key
    before = hosted.log.store.size()
    for entry in (
        said("replay-commitment", borealis, run_id="r").entry,
        said("audit-result", aurora, institution="borealis").entry,
        said("member", hosted.world.home.signing_key, institution="aurora").entry,
        said("beacon", aurora, size=1).entry,
        Entry("lookup-leaf", canonical({"any": "thing"})),
    ):
        with LogClient(hosted.aurora) as log, pytest.raises(Refused):
            log.append([entry])
    with LogClient(hosted.borealis) as log:  # the same words are heard from whose they are
        log.append([said("replay-commitment", borealis, run_id="r").entry])
    assert hosted.log.store.size() == before + 1


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Append", wire.AppendRequest()),
        ("Append", wire.AppendRequest(entries=[wire.Submission(kind="no kind", body=b"{}")])),
        ("Append", wire.AppendRequest(entries=[wire.Submission(kind="audit-result", body=b"\xff")])),
        ("Checkpoint", wire.CheckpointRequest(which=7)),  # type: ignore[arg-type]
        ("Proof", wire.ProofRequest(leaf_hash=b"short")),
        ("Proof", wire.ProofRequest(old_size=2**63, size=5)),
        ("Proof", wire.ProofRequest(old_size=0, size=2**63)),
        ("Entries", wire.EntriesRequest(start=2**64 - 1)),
        ("Cosign", wire.CosignRequest()),
        ("Cosign", wire.CosignRequest(note=b"\x00" * 70_000)),
    ],
)
def test_what_says_nothing_is_refused_and_not_stumbled_over(hosted: Hosted, method: str, request_: Message) -> None:
    with channel(hosted.aurora, hosted.world.member_address) as opened, pytest.raises(Refused):
        rpc.ask(opened, _LOG, method, request_, timeout=60)


def test_a_page_has_its_size(hosted: Hosted) -> None:
    hosted.log.store.extend([Entry("large", canonical({"at": at, "x": "x" * 60_000})) for at in range(25)])
    with channel(hosted.aurora, hosted.world.member_address) as opened:
        start, seen = 0, 0
        while True:
            reply = rpc.ask(
                opened, _LOG, "Entries", wire.EntriesRequest(start=start, count=20, kind="large"), timeout=10
            )  # type: ignore[arg-type]
            assert sum(len(entry.data) for entry in reply.entries) <= PAGE_BYTES
            seen += len(reply.entries)
            if not reply.entries:
                break
            start = reply.next
        assert seen == 25


def test_a_member_makes_its_proofs_of_tiles(hosted: Hosted) -> None:
    store, key = hosted.log.store, hosted.log.host.key
    store.extend([Entry("tiled", canonical({"at": at})) for at in range(300)])
    checkpoint = open_checkpoint(store.checkpoint(), key)
    with LogClient(hosted.aurora) as log:
        node = tile_nodes(log.tile, checkpoint.size)
        for index, data in log.entries("tiled", 0):
            path = inclusion_path(node, index, checkpoint.size)
            verify_inclusion(path, leaf_hash(data), index, checkpoint.size, checkpoint.root)
        for tile in (Tile(0, 99, 1), Tile(-1, 0, 1)):
            with pytest.raises(Refused) as refused:
                log.tile(tile)
            assert refused.value.code == "unknown"


def test_without_a_members_certificate_nothing_is_said(hosted: Hosted, tmp_path: Path) -> None:
    authority = hosted.world.home.authority_pem
    credentials = rpc.client_tls(authority)
    with rpc.dial(hosted.world.member_address, credentials=credentials) as stranger, pytest.raises(rpc.Unreachable):
        rpc.ask(stranger, _LOG, "Entries", wire.EntriesRequest(), timeout=60)
    gone = hosted.world.member("gone")
    with LogClient(gone) as log:
        assert list(log.entries("nothing", 0)) == []
        hosted.world.store.revoke("gone", "left", 0)
        time.sleep(1.1)
        with pytest.raises(Refused):
            list(log.entries("nothing", 0))


def test_the_tiles_are_served_under_the_coordinators_certificate(hosted: Hosted) -> None:
    home = hosted.world.home
    trusted = ssl.create_default_context(cadata=home.authority_pem.decode())
    url = f"https://127.0.0.1:{home.settings.log}/checkpoint"
    note = httpx.get(url, verify=trusted).content
    assert open_checkpoint(note, home.log_key.public).size > 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http"))
    assert (home.path / "log.checkpoint").exists()


def test_no_second_host_and_none_on_an_older_database(hosted: Hosted, tmp_path: Path) -> None:
    home = hosted.world.home
    with pytest.raises(ConfigurationError, match="cannot be bound"), hosted_log(home, hosted.world.store):
        pass
    other = make_coordinator(tmp_path / "other")
    store = MembershipStore.open(other.database_url)

    def first(host: LogHost) -> None:
        assert host.store.append("example", canonical(0)).index == 0
        with pytest.raises(httpx.ConnectError):  # no door is open yet
            httpx.get(f"http://127.0.0.1:{other.settings.log}/checkpoint", timeout=60.0)

    with hosted_log(other, store, first=first) as log:
        assert log.port == other.settings.log
        log.store.append("example", canonical(1))
        log.store.checkpoint()
    store.close()
    (other.path / "coordinator.db").unlink()
    for left in other.path.glob("coordinator.db-*"):
        left.unlink()
    store = MembershipStore.open(other.database_url)
    with pytest.raises(LedgerError, match="older than what it has signed"), hosted_log(other, store):
        pass
    store.close()
