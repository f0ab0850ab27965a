"""Our log read by another implementation: Go's sumdb, from Debian's packages, over real HTTP.

`deploy/debian-packages` installs what this needs, golang-go and golang-golang-x-mod-dev; without them it is skipped.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from federation.runtime.database import open_engine, writing
from protocols.canonical import canonical
from protocols.signing import SigningKey
from protocols.transparency import (
    Checkpoint,
    Entry,
    LogKey,
    WitnessKey,
    attach,
    cosign,
    leaf_hash,
    open_checkpoint,
    split_note,
    verify_consistency,
    verify_inclusion,
)
from server.log import LogHost, LogStore
from server.log.hosting import serve_http

SOURCES = Path("/usr/share/gocode")
OLD, SIZE = 700, 1000
INDEXES = [0, 255, 256, 699, 700, 999]
KEY = LogKey.from_seed("example.com/log", bytes(32))
WITNESS = WitnessKey.from_seed("example.com/w1", bytes([1]) * 32)
NOW = 1_900_000_000.0

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed: deploy/debian-packages"),
    pytest.mark.skipif(
        not (SOURCES / "src/golang.org/x/mod/sumdb").is_dir(),
        reason="golang-golang-x-mod-dev is not installed: deploy/debian-packages",
    ),
]


@pytest.fixture(scope="session")
def logcheck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from Debian's sources alone: no module is downloaded."""
    folder = tmp_path_factory.mktemp("go")
    program = folder / "logcheck"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(SOURCES),
        "GO111MODULE": "off",
        "GOPROXY": "off",
    }
    source = Path(__file__).with_name("logcheck.go")
    subprocess.run(["go", "build", "-o", program, source], env=environment, check=True, timeout=6000)
    return program


@dataclass
class Served:
    """A log of SIZE entries, its newest checkpoint cosigned, and where it is read."""

    url: str
    database: str
    store: LogStore
    old: Checkpoint


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    database = f"sqlite:///{tmp_path / 'log.db'}"
    store = LogStore.open(database, KEY, lambda: NOW)
    store.extend([Entry("example", canonical({"number": number})) for number in range(OLD)])
    old = open_checkpoint(store.checkpoint(), KEY.public)
    store.extend([Entry("example", canonical({"number": number})) for number in range(OLD, SIZE)])
    note = store.checkpoint()
    store.cosign(attach(note, [cosign(split_note(note)[0], WITNESS, NOW)]), [WITNESS.public])
    host = LogHost(store, KEY.public, SigningKey.generate().public)
    host.tick()
    with serve_http(host, "127.0.0.1", 0, tls=None) as port:
        yield Served(f"http://127.0.0.1:{port}", database, store, old)
    store.close()


def run(program: Path, served: Served, *, key: str = KEY.public.text, root: bytes | None = None) -> Any:
    """What the program reports. Raises CalledProcessError where it finds the log wanting."""
    old_root = base64.b64encode(root or served.old.root).decode()
    words = [str(program), served.url, key, WITNESS.public.text, str(OLD), old_root, *map(str, INDEXES)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout)


def test_go_reads_the_log_and_its_proofs_are_ours(logcheck: Path, served: Served) -> None:
    found = run(logcheck, served)
    checkpoint = open_checkpoint(served.store.checkpoint(), KEY.public)
    assert (found["Origin"], found["Size"]) == (KEY.name, SIZE)
    assert base64.b64decode(found["Root"]) == checkpoint.root
    assert found["Cosigners"] == ["example.com/w1"]
    assert found["Entries"] == SIZE
    for index in INDEXES:
        leaf = base64.b64decode(found["Leaves"][str(index)])
        path = [base64.b64decode(each) for each in found["Records"][str(index)]]
        assert leaf == leaf_hash(served.store.entries(index, 1).entries[0][1])
        verify_inclusion(path, leaf, index, SIZE, checkpoint.root)
        assert path == served.store.inclusion(leaf).path
    growth = [base64.b64decode(each) for each in found["Tree"]]
    verify_consistency(growth, OLD, SIZE, served.old.root, checkpoint.root)
    assert growth == served.store.consistency(OLD)


def test_go_refuses_another_key_another_history_and_tampered_tiles(logcheck: Path, served: Served) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(logcheck, served, key=LogKey.from_seed(KEY.name, bytes([7]) * 32).public.text)
    assert "no checkpoint of this log" in refused.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(logcheck, served, root=bytes(32))
    assert "invalid" in refused.value.stderr
    tamper(served, "UPDATE log_entries SET data = x'7b7d' WHERE position = 300")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(logcheck, served)
    assert "entry 300 is not that of the tree" in refused.value.stderr
    tamper(served, "UPDATE log_entries SET hash = zeroblob(32) WHERE position = 301")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(logcheck, served)
    # Which of the two depends on the release: older ones leave some tiles to the proofs made of them.
    assert "inconsistent tile" in refused.value.stderr or "invalid transparency proof" in refused.value.stderr


def tamper(served: Served, statement: str) -> None:
    engine = open_engine(served.database)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS log_entries_no_update")
        connection.exec_driver_sql(statement)
    engine.dispose()
