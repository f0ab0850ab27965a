"""Published documents over HTTP: by hash, and only what the coordinator's entries name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from log_samples import url_of
from log_world import COORDINATOR, REGULATOR, world

from federation.oversight.rounds import Publication
from protocols.signing import SigningKey
from server.log import LogHost
from server.log import documents as module
from server.log.documents import PublishedDocuments
from server.log.hosting import serve_http

HASH = "ab" * 32


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Shelf:
    host: LogHost
    runs: Path
    web: httpx.Client

    def write(self, name: str, data: bytes, run: str = "spring") -> str:
        (self.runs / run).mkdir(parents=True, exist_ok=True)
        (self.runs / run / name).write_bytes(data)
        return sha256(data)

    def publish(self, document: str, card: str = "", *, key: SigningKey = COORDINATOR, kind: str = "model") -> None:
        said = Publication("spring", HASH, HASH, document, card)
        self.host.store.extend([said.entry(kind, key)])  # type: ignore[arg-type]

    def status(self, sha256: str) -> int:
        return self.web.get(f"/document/{sha256}").status_code


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    host, runs = world(url_of(tmp_path)), tmp_path / "runs"
    documents = PublishedDocuments(host.store, COORDINATOR.public, runs)
    with (
        serve_http(host, "127.0.0.1", 0, tls=None, documents=documents.read) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as web,
    ):
        yield Shelf(host, runs, web)
    host.store.close()


def test_what_an_entry_names_is_served_for_ever(shelf: Shelf) -> None:
    model, card = shelf.write("model.json", b'{"model":1}'), shelf.write("card.json", b'{"card": 1}\n')
    evaluation = shelf.write("evaluation.json", b'{"evaluation":1}')
    shelf.publish(model)
    assert shelf.status(card) == 404  # not yet
    shelf.publish(model, card)
    shelf.publish(evaluation, kind="evaluation")
    for named, data in ((model, b'{"model":1}'), (card, b'{"card": 1}\n'), (evaluation, b'{"evaluation":1}')):
        reply = shelf.web.get(f"/document/{named}")
        assert (reply.status_code, reply.content) == (200, data)
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_what_no_entry_of_the_coordinator_names_is_not_served(shelf: Shelf) -> None:
    secret, plan = shelf.write("secret.json", b"{}"), shelf.write("checkpoint.json", b'{"not":"published"}')
    model = shelf.write("model.json", b'{"model":1}')
    for name in (secret, plan, model, HASH, model.upper(), model[:-1], "..%2fcoordinator.toml", "spring/model.json"):
        assert shelf.status(name) == 404
    assert shelf.web.get(f"/document/{model}").headers["cache-control"] == "no-store"
    shelf.publish(model, key=REGULATOR)  # whoever else says so
    assert shelf.status(model) == 404
    shelf.publish(plan)  # the coordinator names bytes, not files: the model's file has others
    assert shelf.status(plan) == 404
    shelf.publish(model)
    assert shelf.status(model) == 200


def test_a_file_that_was_changed_or_is_gone_is_not_served(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shelf.write("model.json", b'{"model":1}')
    shelf.publish(model)
    shelf.write("model.json", b'{"model":2}')
    assert shelf.status(model) == 404
    (shelf.runs / "spring" / "model.json").unlink()
    assert shelf.status(model) == 404
    shelf.write("model.json", b'{"model":1}')
    assert shelf.status(model) == 200
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", 4)
    assert shelf.status(model) == 404
