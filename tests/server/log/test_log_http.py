"""The log over HTTP, as a tool for C2SP logs, a regulator and a stranger ask it."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from log_callers import until, waiting
from log_samples import KIND, body, url_of
from log_world import KEY, NOW, REGULATOR, WITNESSES, Witness, have_cosigned, said, world

from federation.errors import ConfigurationError
from federation.runtime.rate_limit import RateLimit
from protocols.canonical import canonical
from protocols.transparency import (
    Entry,
    Promise,
    Tile,
    WitnessState,
    bundles_of,
    consistency_path,
    leaf_hash,
    open_checkpoint,
    read_bundle,
    root,
    tile_nodes,
    verify_promise,
)
from server.log import LogHost, Which
from server.log.hosting import serve_http
from server.log.http import MAX_WAITING, MAX_WAITING_EACH, application

SIZE = 600
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogHost]:
    made = world(url_of(tmp_path_factory.mktemp("log")))
    made.store.extend([Entry(KIND, body(number)) for number in range(SIZE - made.store.size())])
    made.tick()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def port(host: LogHost) -> Iterator[int]:
    with serve_http(host, "127.0.0.1", 0, tls=None) as found:
        yield found


@pytest.fixture
def web(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client


def test_the_checkpoint_is_text_and_not_cached(web: httpx.Client) -> None:
    reply = web.get("/checkpoint")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert open_checkpoint(reply.content, KEY.public).size >= SIZE
    assert web.head("/checkpoint").status_code == 200


def test_the_tree_and_the_entries_are_there_in_tiles_that_never_change(web: httpx.Client, host: LogHost) -> None:
    checkpoint = open_checkpoint(host.store.published(SIZE) or b"", KEY.public)

    def fetch(tile: Tile) -> bytes:
        reply = web.get(f"/{tile.path}")
        assert reply.status_code == 200
        assert (reply.headers["content-type"], reply.headers["cache-control"]) == (
            "application/octet-stream",
            FOR_EVER,
        )
        return reply.content

    entries = [entry for tile in bundles_of(SIZE) for entry in read_bundle(fetch(tile), tile.width)]
    assert root([leaf_hash(entry) for entry in entries]) == checkpoint.root
    # A witness needs nothing else: the proof from what it saw comes from tiles.
    old = WitnessState(300, root([leaf_hash(entry) for entry in entries[:300]]))
    proof = consistency_path(tile_nodes(fetch, SIZE), 300, SIZE)
    assert old.consider(host.store.published(SIZE) or b"", proof, KEY.public).size == SIZE
    assert web.get("/entry/7").content == entries[7]


def test_bundles_are_compressed_for_who_asks(web: httpx.Client) -> None:
    asked = web.get("/tile/entries/000", headers={"Accept-Encoding": "gzip"})
    plain = web.get("/tile/entries/000", headers={"Accept-Encoding": "identity"})
    assert asked.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert asked.headers["vary"] == "Accept-Encoding"
    assert asked.content == plain.content
    assert int(asked.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/002",  # not full yet
        "/tile/0/002.p/255",
        "/tile/0/000.p/256",
        "/tile/00/000",
        "/tile/1/001",
        "/tile/3/000",
        "/tile/64/000",
        "/tile/0/x999/x999/x999/999",
        "/tile/0/000/",
        "/tile/0//000",
        "/tile/../keys/log.pem",
        "/tile/0/%2e%2e/%2e%2e/etc/passwd",
        "/tile/0/..%2f..%2fetc%2fpasswd",
        "/tile/entries/..%5c..%5clog.db",
        "/tile/entries/000%00",
        "/entry/99999999",
        "/entry/99999999999999999999999999",
        "/entry/-1",
        "/",
        "/coordinator.toml",
    ],
)
def test_what_is_not_there_is_not_found_and_not_cached(port: int, path: str) -> None:
    """As raw requests: clients would tidy up the dots."""
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: log\r\nConnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: raw.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 404")
    assert b"immutable" not in reply
    assert b"PRIVATE" not in reply


def test_an_entry_too_long_for_a_bundle_is_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is older than its limit may have one."""
    host = world(url_of(tmp_path))
    monkeypatch.setattr("server.log.admission.MAX_ENTRY_BYTES", 2**20)
    host.store.append(KIND, canonical("x" * 70_000))
    host.tick()
    with serve_http(host, "127.0.0.1", 0, tls=None) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as web:
        missing = web.get("/tile/entries/000.p/5")
        assert missing.status_code == 404
        assert "65535" in missing.text
        assert leaf_hash(web.get("/entry/4").content) == (host.store.tile(Tile(0, 0, 5)) or [])[4]
        assert web.get("/tile/0/000.p/5").status_code == 200
    host.store.close()


def test_a_witness_over_http_waits_for_a_candidate_and_hands_in_its_line(web: httpx.Client, host: LogHost) -> None:
    after = host.size_of(Which.CANDIDATE)
    start = time.monotonic()
    assert open_checkpoint(web.get(f"/checkpoint?after={after}&wait=1").content, KEY.public).size == after
    assert time.monotonic() - start > 0.9
    assert web.get("/checkpoint?cosigned=first&after=999999").status_code == 404
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(web.get, f"/checkpoint?cosigned=newest&after={after - 1}&wait=60")
        note = web.get("/checkpoint").content
        witness = Witness(WITNESSES[0])
        reply = web.post("/cosignature", content=witness.cosign(host.store, note))
        assert reply.json() == {"witnesses": [WITNESSES[0].name]}
        have_cosigned(host, [Witness(key) for key in WITNESSES[1:3]])
        found = waiting.result(60).content
    quorum = host.roster().quorum
    assert quorum.check(found, KEY.public).checkpoint.size == after
    assert web.get("/checkpoint").content == found == web.get(f"/checkpoint?cosigned=first&after={after - 1}").content


def test_the_regulators_statement_is_promised(web: httpx.Client, host: LogHost) -> None:
    entry = said("draw", REGULATOR, run_id="r", round=2).entry
    reply = web.post("/statement", content=entry.data)
    assert reply.status_code == 200
    verify_promise(Promise.decode(reply.content), entry.hash, KEY.public, NOW)
    assert web.post("/statement", content=entry.data).content == reply.content
    assert host.store.inclusion(entry.hash).index == Promise.decode(reply.content).index


def test_strangers_leave_nothing_behind(web: httpx.Client, host: LogHost) -> None:
    size = host.store.size()
    beacon = said("beacon", REGULATOR, size=4).entry
    for path, content, status in (
        ("/statement", b"", 400),
        ("/statement", b"{}", 400),
        ("/statement", beacon.data + b" ", 400),
        ("/statement", beacon.data.replace(b'"size":4', b'"size":5'), 400),
        ("/statement", said("plan", REGULATOR, a=1).entry.data, 400),
        ("/statement", b"x" * 70_000, 413),
        ("/cosignature", b"", 400),
        ("/cosignature", web.get("/checkpoint").content.split("—".encode())[0], 400),
        ("/cosignature", host.store.published(SIZE), None),
        ("/cosignature", b"x" * 70_000, 413),
    ):
        reply = web.post(path, content=content)
        assert 400 <= reply.status_code < 500 or status is None
        assert status is None or reply.status_code == status
        assert set(reply.json()) <= {"code", "where", "got", "expected", "witnesses"}
    assert web.get("/statement").status_code == 405
    assert web.get("/checkpoint?wait=soon").status_code == 400
    assert web.get("/checkpoint?cosigned=maybe").status_code == 400
    assert host.store.size() == size


def test_one_address_that_waits_holds_nobody_else_up(web: httpx.Client, port: int, host: LogHost) -> None:
    after = host.store.size() + 1000
    held = waiting(port, after, "127.0.0.2", MAX_WAITING_EACH + 4)
    answered = set[socket.socket]()
    while len(answered) < 4:  # at once, with what there is
        found, _, _ = select.select([raw for raw in held if raw not in answered], [], [], 30)
        assert found
        answered.update(found)
    assert len(answered) == 4
    assert all(raw.recv(20).startswith(b"HTTP/1.1 200") for raw in answered)
    start = time.monotonic()
    assert web.get(f"/checkpoint?after={after}&wait=1").status_code == 200
    assert time.monotonic() - start > 0.9
    for raw in held:
        raw.close()


def test_many_that_wait_hold_no_thread_and_keep_nobody_from_the_newest(
    web: httpx.Client, port: int, host: LogHost
) -> None:
    """A required witness that is told "busy" cosigns nothing, and without it no checkpoint counts."""
    after = host.store.size() + 1000
    addresses = [f"127.0.0.{number}" for number in range(2, 3 + MAX_WAITING // MAX_WAITING_EACH)]
    question = f"/checkpoint?after={after}&wait=8"  # at once, on a busy machine too, is far less
    held: list[socket.socket] = []

    def no_place_is_left() -> bool:
        """Comes in numbers every time: a place that an earlier test had may come free after everybody was answered."""
        held.extend(raw for address in addresses for raw in waiting(port, after, address, MAX_WAITING_EACH))
        return web.get(question).elapsed.total_seconds() < 7

    try:
        until(no_place_is_left, "all of them wait")
        assert web.get("/tile/0/000").status_code == 200
        assert web.get(question).content == host.note(Which.CANDIDATE)
    finally:
        for raw in held:
            raw.close()
    until(lambda: web.get(question).elapsed.total_seconds() > 7, "those that went are waited for no more")


def test_addresses_of_one_network_wait_as_one(host: LogHost) -> None:
    """A customer has 2^64 IPv6 addresses."""

    async def seconds(addresses: list[str]) -> list[bool]:
        app = application(host)
        question = f"/checkpoint?after={host.store.size() + 1000}&wait=4"

        async def ask(address: str) -> bool:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://log") as web:
                start = time.monotonic()
                assert (await web.get(question)).status_code == 200
                return time.monotonic() - start > 3.9

        return await asyncio.gather(*(ask(address) for address in addresses))

    one = [f"2001:db8::{number:x}" for number in range(MAX_WAITING_EACH + 3)]
    assert sum(asyncio.run(seconds(one))) == MAX_WAITING_EACH
    many = [f"2001:db8:0:{number:x}::1" for number in range(MAX_WAITING_EACH + 3)]
    assert all(asyncio.run(seconds(many)))


def test_who_asks_too_often_is_told_so(host: LogHost) -> None:
    async def ask() -> list[int]:
        app = application(host, RateLimit(burst=5, per_second=0.01))
        asked = []
        for address in ["192.0.2.1"] * 7 + ["192.0.2.2"]:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://log") as web:
                asked.append((await web.get("/checkpoint")).status_code)
        return asked

    assert asyncio.run(ask()) == [200] * 5 + [429] * 2 + [200]


def test_a_port_that_is_taken_is_said_to_be(port: int, host: LogHost) -> None:
    with pytest.raises(ConfigurationError, match="cannot be bound"), serve_http(host, "127.0.0.1", port, tls=None):
        pass
