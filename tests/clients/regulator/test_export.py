"""Packing a trail: the same bytes for the same trail, whatever it is read from; what can be streamed is not held."""

from __future__ import annotations

import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from oversight_federation import honest
from oversight_world import log_key

from clients.regulator.export import write_export
from clients.regulator.log_client import read_trail
from clients.regulator.trail import Trail
from clients.regulator.verify import verify
from federation.errors import ConfigurationError
from protocols.errors import SignatureError
from protocols.transparency import VerifierKey, bundles_of, write_bundle


def test_the_same_trail_gives_the_same_bytes(tmp_path: Path) -> None:
    first = honest().export(tmp_path / "a.zip").read_bytes()
    assert honest().export(tmp_path / "b.zip").read_bytes() == first
    longer = replace(honest(), entries=honest().entries[:-1])
    assert longer.export(tmp_path / "c.zip").read_bytes() != first


def test_an_export_unpacked_is_a_trail_again(tmp_path: Path) -> None:
    path = honest().export(tmp_path / "a.zip")
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    write_export(tmp_path / "b.zip", Trail.of_folder(tmp_path / "folder"))
    assert (tmp_path / "b.zip").read_bytes() == path.read_bytes()


def test_files_have_no_time_and_no_owner_and_nothing_is_left_beside(tmp_path: Path) -> None:
    path = honest().export(tmp_path / "a.zip")
    infos = zipfile.ZipFile(path).infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
    assert infos[-1].filename == "manifest.json"
    assert list(tmp_path.iterdir()) == [path]


def test_entries_are_streamed(tmp_path: Path) -> None:
    big = b'{"body":{"x":"%b"},"kind":"lookup-leaf","v":1}' % (b"x" * 100_000)
    trail = replace(honest().trail(), entries=lambda: (big for _ in range(300)), documents={})
    write_export(tmp_path / "warm.zip", trail)
    tracemalloc.start()
    write_export(tmp_path / "a.zip", trail)  # 30 MB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def entries() -> Iterator[bytes]:
        yield honest().entries[0]
        yield b'{"a":\n1}'

    with pytest.raises(ConfigurationError, match="entry 1: got a line break"):
        write_export(tmp_path / "a.zip", replace(honest().trail(), entries=entries))
    with pytest.raises(ConfigurationError):
        write_export(tmp_path / "none" / "a.zip", honest().trail())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["model.json", "runs/spring/other.json", "runs/../../model.json", "runs//model.json"])
def test_documents_outside_of_a_run_are_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        replace(honest().trail(), documents={path: lambda: b"{}"})


def test_a_folder_without_a_log_is_no_trail(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"log/checkpoint\.note"):
        Trail.of_folder(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The honest log as tiles in a folder, served by Python's own HTTP server; (folder, address)."""
    folder = tmp_path / "tiles"
    entries = honest().entries
    for bundle in bundles_of(len(entries)):
        file = folder / bundle.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(write_bundle(entries[bundle.first : bundle.first + bundle.width]))
    (folder / "checkpoint").write_bytes(honest().note())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_log_read_over_http_is_a_trail(tmp_path: Path, served: tuple[Path, str]) -> None:
    trail = read_trail(served[1], log_key().public)
    write_export(tmp_path / "a.zip", replace(trail, documents=honest().trail().documents))
    assert verify(tmp_path / "a.zip", honest().policy()).holds


def test_a_log_that_answers_wrongly_is_named(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, url = served
    with pytest.raises(SignatureError):
        read_trail(url, log_key("another").public)
    bundle = next(iter(bundles_of(len(honest().entries))))
    (folder / bundle.path).write_bytes(b"\x00\x01x")
    with pytest.raises(ConfigurationError, match="tile/entries"):
        write_export(tmp_path / "a.zip", read_trail(url, log_key().public))
    (folder / bundle.path).unlink()
    with pytest.raises(ConfigurationError, match="status 404"):
        write_export(tmp_path / "a.zip", read_trail(url, log_key().public))
    with pytest.raises(ConfigurationError, match="a log that answers"):
        read_trail("http://127.0.0.1:1/", VerifierKey.of(log_key().public.key))
