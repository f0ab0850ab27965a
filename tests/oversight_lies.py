"""A federation lying in concert: ledgers rewritten and signed again, and everything that names them put right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from oversight_world import World, key_of, ledger_entry

from clients.regulator.findings import Finding, Outcome, Verdict
from clients.regulator.line import read_line
from clients.regulator.steps import STEPS
from clients.regulator.verify import verify
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import genesis, sign_entry
from federation.models import MODEL_LABEL, PublishedModel

Change = Callable[[LedgerEntry], LedgerEntry | None]


def rewritten(world: World, institution: str, change: Change, *, keep_rounds: bool = False) -> World:
    """The ledger of `institution` with entries changed or left out (None), and everything that follows signed anew.

    Numbers, hashes and reservations are put right again, and so are the rounds, models and publications that name them:
    institution and coordinator lie in concert. `keep_rounds`: the coordinator does not.
    """
    hashes: dict[str, str] = {}
    entries: list[bytes | None] = list(world.entries)
    head, sequence = genesis(institution), 0
    for index, entry in world.ledger(institution):
        old = sign_entry(entry, key_of(institution)).hash
        changed = change(entry)
        if changed is None:
            entries[index] = None
            continue
        sequence += 1
        moved = hashes.get(changed.reservation or "", changed.reservation)
        changed = replace(changed, sequence=sequence, previous=head, reservation=moved)
        head = hashes[old] = sign_entry(changed, key_of(institution)).hash
        entries[index] = ledger_entry(changed, key_of(institution))
    found = replace(world, entries=tuple(data for data in entries if data is not None))
    return found if keep_rounds else _renamed(found, hashes)


def _renamed(world: World, hashes: dict[str, str]) -> World:
    """Rounds and models that name the reservations of a rewritten ledger."""
    for index, data in enumerate(world.entries):
        if read_line(index, data).kind == "round":
            updates = {
                name: {**each, "reservation_hash": hashes.get(each["reservation_hash"], each["reservation_hash"])}
                for name, each in world.content(index)["updates"].items()
            }
            world = world.resaid(index, updates=updates)
    documents = dict(world.documents)
    for path, data in world.documents.items():
        if path.endswith("/model.json"):
            documents[path] = remodelled(PublishedModel.read(data), hashes).canonical()
    return republished(replace(world, documents=documents))


def remodelled(model: PublishedModel, hashes: dict[str, str]) -> PublishedModel:
    records = tuple(
        record.model_copy(update={"reservations": {n: hashes.get(h, h) for n, h in record.reservations.items()}})
        for record in model.checkpoint
    )
    return resigned(model.model_copy(update={"checkpoint": records, "signature": ""}))


def resigned(model: PublishedModel) -> PublishedModel:
    """Signed again by the coordinator."""
    unsigned = model.model_copy(update={"signature": ""})
    signature = key_of("coordinator").sign(MODEL_LABEL, unsigned._signed_bytes()).hex()
    return model.model_copy(update={"signature": signature})


def republished(world: World) -> World:
    """The publications of documents that were changed, with their hashes."""
    for index, data in enumerate(world.entries):
        kind = read_line(index, data).kind
        if kind in ("model", "evaluation"):
            run = world.content(index)["run_id"]
            document = hashlib.sha256(world.documents[f"runs/{run}/{kind}.json"]).hexdigest()
            world = world.resaid(index, document_hash=document)
    return world


def numbered(numbers: Sequence[int], change: Callable[[LedgerEntry], LedgerEntry | None]) -> Change:
    """`change` for the entries of those sequence numbers, the others as they are."""
    return lambda entry: change(entry) if entry.sequence in numbers else entry


def judge(world: World, folder: Path, fails: set[int], **changes: object) -> Verdict:
    """The verdict on a world whose tampering exactly the steps `fails` notice.

    Each of them is needed: without them the very same export passes.
    """
    path = world.export(folder / "export.zip")
    policy = world.policy(**changes)
    verdict = verify(path, policy)
    failed = {step.number for step in verdict.steps if step.outcome is not Outcome.HOLDS}
    assert failed == fails, "\n".join(str(step.to_json()) for step in verdict.steps if step.number in failed | fails)
    assert not verdict.holds
    assert verdict.first is not None
    assert verdict.first[0].number == min(fails)
    without = verify(path, policy, [step for step in STEPS if step.number not in fails])
    assert without.holds
    return verdict


def first(verdict: Verdict, step: int) -> Finding:
    """The first finding of a step."""
    return verdict.step(step).findings[0]
