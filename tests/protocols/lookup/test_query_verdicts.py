"""Verdicts: what everybody reads in the record, what one querier is told alone, and what a pool makes of either."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from query_world import QueryWorld, opened
from test_query_reactions import corrupted, corrupting, evil, occupied
from world import Epoch

from clients.institution.lookup import asking as asking_module
from clients.institution.lookup import auditing, judging, kept_answers
from clients.institution.lookup.asking import Asking
from clients.institution.lookup.kept_answers import KeptAnswers
from federation.errors import Refused
from protocols.canonical import canonical
from protocols.lookup.bound import BATCH_BYTES, MAX_STEP_BYTES
from protocols.lookup.evidence import MAX_VERDICTS, Verdict, judge, query_hash
from protocols.lookup.hand_over import seal_verdicts


def test_a_pool_that_always_fails_cannot_keep_an_epoch_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An auditor finds hundreds of lies; what it says of them still fits into a step, so that secrets are erased."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    monkeypatch.setattr(asking_module, "draw", lambda random: True)
    monkeypatch.setitem(BATCH_BYTES, "lwe", 2**24)
    monkeypatch.setattr(kept_answers, "MOST", 60)  # as if many members had handed over all they can
    monkeypatch.setattr(kept_answers, "_PLACES", 128)
    evil(asking).change = lambda answer: answer[:-1] + bytes([answer[-1] ^ 255])
    world.ask(asking, world.identifiers[:30])
    world.ask(asking, world.identifiers[:30])
    said = verdicts_of(world, epoch, asking, monkeypatch)
    assert len(said["verdicts"]) == MAX_VERDICTS
    assert len(canonical(said)) <= MAX_STEP_BYTES


def verdicts_of(
    world: QueryWorld,
    epoch: Epoch,
    asking: Asking,
    monkeypatch: pytest.MonkeyPatch,
    handed_over: Mapping[str, Any] = MappingProxyType({"batches": {}}),
) -> dict[str, Any]:
    """What the auditor bank-00 says when the others handed over nothing, or what `handed_over` names."""
    part: Any = asking.epoch.part
    assert epoch.audited is not None
    audited, digests = epoch.audited.rows, dict(epoch.audited.opening.table_digests)
    auditing._keep(part, auditing.KeptSum(audited.values, digests, audited.signatures), audited.signatures)
    part.folder.keep("secrets.key", epoch.secrets["bank-00"].encode())
    part.secrets = epoch.secrets["bank-00"]
    part.home.path = part.folder.path.parent
    part.folders = SimpleNamespace(path=part.folder.path.parent)
    logged = {name: {"digest": value.hex()} for name, value in digests.items()}
    part.record = SimpleNamespace(counter=1, body=lambda kind, name: handed_over, bodies=lambda kind: logged)
    monkeypatch.setattr(judging, "load", lambda _: world.engine)
    return judging.verdicts(part)


def refuse() -> bytes:
    raise Refused("unknown", "blob", got="one for somebody else", expected="one for the caller")


def test_a_batch_that_its_auditor_may_not_read_keeps_nobody_elses_verdicts_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member names a blob that it uploaded for another reader: it is as if it had handed over nothing."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    monkeypatch.setattr(asking_module, "draw", lambda random: True)
    evil(asking).change = lambda answer: answer[:-1] + bytes([answer[-1] ^ 255])
    world.ask(asking, world.identifiers[:1])
    named = {"batches": {"bank-00": "00" * 32}}
    asking.relay.fetch = lambda name, *, most: refuse()  # type: ignore[method-assign]
    said = verdicts_of(world, epoch, asking, monkeypatch, handed_over=named)
    assert [verdict["outcome"] for verdict in said["verdicts"]] == ["different"]


def guesses(world: QueryWorld, epoch: Epoch, asking: Asking, said: dict[str, Any]) -> list[bool]:
    """What a pool reads in the record: for each query that it answered, whether a verdict accuses it of that one."""
    accused = {verdict["query_hash"] for verdict in said["verdicts"] if verdict["outcome"] == "different"}
    return [query_hash(query).hex() in accused for query in evil(asking).queries]


def asked_of(world: QueryWorld, epoch: Epoch, asking: Asking, row: int) -> list[bool]:
    """Ask, a miss and a hit in turn; whether each was for the corrupted row."""
    misses, hits = world.not_in_row(epoch, row)[:3], world.in_row(epoch, row)[:3]
    subjects = [one for pair in zip(misses, hits, strict=True) for one in pair]
    for subject in subjects:
        world.ask(asking, [subject])
    return [world.row_of(epoch, subject) == row for subject in subjects]


def test_verdicts_that_everybody_reads_do_not_tell_whose_row_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coin falls before the answer is read. Here it never falls: the querier alone has the proof."""
    world, epoch = opened("bfv")
    monkeypatch.setattr(asking_module, "draw", lambda random: False)
    (tmp_path / "a").mkdir()
    asking = world.asking("bank-00", epoch, tmp_path / "a")
    row = occupied(world, epoch)
    evil(asking).prepared = corrupted(world, epoch, row)
    truth = asked_of(world, epoch, asking, row)
    said = verdicts_of(world, epoch, asking, monkeypatch)
    assert said["verdicts"] == []
    assert not any(guesses(world, epoch, asking, said))
    assert sorted(said["sealed"]) == ["bank-01", "bank-02"]
    sizes = {entry.sizes for entry in world.seen if entry.call == "Upload"} - set()
    assert (judging.TOLD_BYTES + 48,) in sizes
    kept = json.loads((tmp_path / "a" / "verdicts-000001.json").read_bytes())
    assert len(kept) == sum(truth)
    assert {verdict["outcome"] for verdict in kept} == {"different"}


def test_verdicts_on_all_that_failed_tell_the_pool_whose_row_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection off: whatever failed is published."""
    world, epoch = opened("bfv")
    keep = KeptAnswers.keep
    monkeypatch.setattr(
        KeptAnswers,
        "keep",
        lambda self, item, *, drawn, failed, random: keep(self, item, drawn=failed, failed=failed, random=random),
    )
    (tmp_path / "b").mkdir()
    asking = world.asking("bank-00", epoch, tmp_path / "b")
    row = occupied(world, epoch)
    evil(asking).prepared = corrupted(world, epoch, row)
    truth = asked_of(world, epoch, asking, row)
    assert guesses(world, epoch, asking, verdicts_of(world, epoch, asking, monkeypatch)) == truth
    assert 0 < sum(truth) < len(truth)


def test_a_querier_keeps_what_an_auditor_tells_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, epoch = opened("bfv")
    monkeypatch.setattr(asking_module, "draw", lambda random: False)
    asking, row = corrupting(world, epoch, tmp_path)
    asked_of(world, epoch, asking, row)
    part: Any = asking.epoch.part
    key = judging.reply_key(part)
    batch = judging.own_batch(part)
    assert batch.drawn == ()
    assert len(batch.private) == 3
    assert epoch.audited is not None
    how: dict[str, Any] = {"epoch_id": epoch.context.epoch_id, "pool": world.pool_key.public, "auditor": "bank-00"}
    found = [
        judge(epoch.audited.prepared, item, batch.keys, key=world.signers["bank-00"], **how) for item in batch.private
    ]
    forged = [
        judge(epoch.audited.prepared, item, batch.keys, key=world.signers["bank-02"], **how) for item in batch.private
    ]
    part.folders, blobs = SimpleNamespace(path=tmp_path), dict[bytes, bytes]()
    part.relay = SimpleNamespace(fetch=lambda name, *, most: blobs[name])
    for verdicts, kept in ((forged, 0), (found, 3)):
        blob = seal_verdicts(verdicts, judging.TOLD_BYTES, batch.reply, epoch.context.epoch_id, "bank-00")
        blobs[sha256(blob).digest()] = blob
        body = {"sealed": {"bank-02": sha256(blob).hexdigest()}}
        part.record = SimpleNamespace(counter=1, bodies=lambda kind, body=body: {"bank-00": body})
        assert len(judging.told(part, key)) == kept
    body = {"bank-01": {"sealed": {"bank-02": "00" * 32}}, "bank-00": body}
    part.relay.fetch = lambda name, *, most: blobs[name] if name in blobs else refuse()
    part.record = SimpleNamespace(counter=1, bodies=lambda kind: body)
    assert len(judging.told(part, key)) == 3  # what the relay hands out of one auditor, whatever it refuses of another
    for document in json.loads((tmp_path / "verdicts-000001.json").read_bytes()):
        verdict = Verdict.decode(canonical(document))
        verdict.verify(world.signers["bank-00"].public, world.pool_key.public)
        assert verdict.accuses
