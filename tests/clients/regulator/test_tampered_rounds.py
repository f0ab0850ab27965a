"""Rounds, models and documents that tell another story than the ledgers: signed by the coordinator, logged, witnessed.

`judge` holds each lie to step 9, and shows that without it the export passes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oversight_federation import Federation, honest, make_plan
from oversight_lies import first, judge, numbered, republished, resigned, rewritten
from oversight_world import RUN, World, key_of

from clients.regulator.findings import Finding
from clients.regulator.verify import verify
from federation.models import EVALUATION_LABEL, PublishedEvaluation, PublishedModel
from federation.rounds.averaging import F32, F64, model_to_bytes
from federation.rounds.rule import Averaging

MODEL, EVALUATION, CARD = f"runs/{RUN}/model.json", f"runs/{RUN}/evaluation.json", f"runs/{RUN}/card.json"


def at_nine(world: World, folder: Path, **changes: Any) -> Finding:
    """The first finding of step 9, the only one that fails."""
    return first(judge(world, folder, {9}, **changes), 9)


def with_document(path: str, data: bytes) -> World:
    """Another document, published as what it is."""
    return republished(replace(honest(), documents={**honest().documents, path: data}))


def acting(act: Any) -> World:
    """A federation whose institutions do something after their run."""
    federation, plan = Federation(), make_plan()
    federation.enrol()
    federation.run(plan)
    act(federation, plan)
    return World(tuple(federation.entries), federation.documents)


# Ledgers against rounds.


def test_an_update_hash_swapped_in_a_round(tmp_path: Path) -> None:
    index = honest().find("round")
    updates = honest().content(index)["updates"]
    swapped = {**updates, "bank-a": {**updates["bank-a"], "update_hash": updates["bank-b"]["update_hash"]}}
    found = at_nine(honest().resaid(index, updates=swapped), tmp_path)
    assert found.where == "spring, train round 1, bank-a: update_hash"
    assert found.index == index


def test_an_update_hash_swapped_in_a_ledger(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-b", numbered([4], lambda entry: replace(entry, update_hash="56" * 32)))
    assert at_nine(world, tmp_path).where == "spring, train round 2, bank-b: update_hash"


def test_an_update_that_no_ledger_spent(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-c", lambda entry: None if entry.sequence > 4 else entry, keep_rounds=True)
    judge(world, tmp_path, {9})


def test_an_update_averaged_before_its_reservation_was_logged(tmp_path: Path) -> None:
    at = honest().find("round")
    late = honest().without(at).inserted(7, honest().entries[at])
    assert at_nine(late, tmp_path).got == "averaged before anything was reserved"


def test_a_round_that_nobody_reported(tmp_path: Path) -> None:
    world = acting(lambda federation, plan: federation.answer("bank-a", plan, 3, "12" * 32))
    found = at_nine(world, tmp_path)
    assert found.got == "an update of a round that nobody reported"
    assert (found.institution, found.sequence) == ("bank-a", 8)


def test_the_round_again_for_another_model(tmp_path: Path) -> None:
    """Two answers for one round: their difference would cancel nothing but trust."""
    world = acting(lambda federation, plan: federation.answer("bank-a", plan, 2, "12" * 32))
    assert at_nine(world, tmp_path).got.startswith("an update for model 1212")


def test_a_round_left_out_by_the_coordinator(tmp_path: Path) -> None:
    assert at_nine(honest().without(honest().find("round", 1)), tmp_path)


def test_a_round_said_twice(tmp_path: Path) -> None:
    index = honest().find("round")
    again = honest().resaid(index, refused={"bank-x": "late"}).entries[index]
    assert at_nine(honest().inserted(28, again), tmp_path).got == "a second statement on spring, train round 1"


def test_a_round_from_another_model(tmp_path: Path) -> None:
    index = honest().find("round")
    assert at_nine(honest().resaid(index, result_hash="78" * 32), tmp_path).where == "spring, train round 2: model_hash"


def test_an_update_that_was_dropped_is_told(tmp_path: Path) -> None:
    """A straggler's: honest, and worth knowing."""
    index = honest().find("round", 2)
    updates = dict(honest().content(index)["updates"])
    del updates["bank-c"]
    evaluation = PublishedEvaluation.read(honest().documents[EVALUATION])
    hashes = {name: each for name, each in evaluation.updates.items() if name != "bank-c"}
    document = evaluated(evaluation.model_copy(update={"updates": hashes}))
    world = with_document(EVALUATION, document).resaid(index, updates=updates, refused={"bank-c": "late"})
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert verdict.holds, verdict.first
    assert "bank-c: spent, and dropped by the coordinator (late)" in verdict.step(9).notes[0]


@pytest.mark.parametrize("size", range(5, 29))
def test_an_honest_log_holds_wherever_it_is_cut(tmp_path: Path, size: int) -> None:
    """Runs under way are no fault; documents come with what names them."""
    world = replace(honest(), entries=honest().entries[:size], earlier=(5,), promised=(3,))
    kinds = {world.find(kind) and kind for kind in ("model", "evaluation") if _has(world, kind)}
    documents = {path: data for path, data in honest().documents.items() if Path(path).stem in {*kinds, "plan"}}
    if "model" in kinds:
        documents[CARD] = honest().documents[CARD]
    if not _has(world, "plan"):
        documents = {}
    world = replace(world, documents=documents)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy(accounting={"sample": 0}))
    assert verdict.holds, verdict.first


def _has(world: World, kind: str) -> bool:
    try:
        world.find(kind)
    except IndexError:
        return False
    return True


# Documents against rounds.


def test_a_model_swapped_for_another(tmp_path: Path) -> None:
    """Other parameters, signed and logged: but not what the rounds gave."""
    model = PublishedModel.read(honest().documents[MODEL])
    parameters = base64.b64encode(model_to_bytes((model.vector * 2).astype(np.float32))).decode()
    other = resigned(model.model_copy(update={"parameters": parameters}))
    world = with_document(MODEL, other.canonical())
    found = at_nine(world.resaid(world.find("model"), model_hash=other.hash, card_hash=""), tmp_path)
    assert "model hash" in found.where


def test_a_model_that_was_not_logged(tmp_path: Path) -> None:
    model = PublishedModel.read(honest().documents[MODEL])
    parameters = base64.b64encode(model_to_bytes(model.vector + 1)).decode()
    data = resigned(model.model_copy(update={"parameters": parameters})).canonical()
    world = replace(honest(), documents={**honest().documents, MODEL: data})
    assert at_nine(world, tmp_path).where == f"{MODEL}: SHA-256"


def test_a_model_of_other_updates(tmp_path: Path) -> None:
    model = PublishedModel.read(honest().documents[MODEL])
    record = model.checkpoint[0].model_copy(update={"updates": {**model.checkpoint[0].updates, "bank-a": "9a" * 32}})
    other = resigned(model.model_copy(update={"checkpoint": (record, *model.checkpoint[1:])}))
    assert at_nine(with_document(MODEL, other.canonical()), tmp_path).where == f"{MODEL}: round 1: updates"


def test_a_model_that_the_coordinator_did_not_sign(tmp_path: Path) -> None:
    model = PublishedModel.read(honest().documents[MODEL])
    forged = model.model_copy(update={"signature": "00" * 64})
    assert "signature" in at_nine(with_document(MODEL, forged.canonical()), tmp_path).where


def test_an_evaluation_of_other_updates(tmp_path: Path) -> None:
    evaluation = PublishedEvaluation.read(honest().documents[EVALUATION])
    other = evaluation.model_copy(update={"updates": {**evaluation.updates, "bank-a": "9a" * 32}})
    assert at_nine(with_document(EVALUATION, evaluated(other)), tmp_path).where == f"{EVALUATION}: updates"


def test_an_evaluation_of_another_model(tmp_path: Path) -> None:
    evaluation = PublishedEvaluation.read(honest().documents[EVALUATION])
    world = with_document(EVALUATION, evaluated(evaluation.model_copy(update={"model_hash": "9a" * 32})))
    assert at_nine(world, tmp_path).where == f"{EVALUATION}: model_hash"


def test_a_card_with_better_figures(tmp_path: Path) -> None:
    card = json.loads(honest().documents[CARD])
    card["privacy"]["claims"]["pld"] = 0.1
    world = replace(honest(), documents={**honest().documents, CARD: json.dumps(card).encode()})
    assert at_nine(world, tmp_path).where == f"{CARD}: SHA-256"


def test_the_card_of_another_model(tmp_path: Path) -> None:
    card = json.loads(honest().documents[CARD])
    card["model"]["model_hash"] = "9a" * 32
    data = json.dumps(card).encode()
    world = replace(honest(), documents={**honest().documents, CARD: data})
    at = world.find("model")
    assert at_nine(world.resaid(at, card_hash=hashlib.sha256(data).hexdigest()), tmp_path).where == f"{CARD}: model"


def test_a_plan_that_is_not_the_one_logged(tmp_path: Path) -> None:
    path = f"runs/{RUN}/plan.json"
    changed = honest().documents[path].replace(b'"noise_multiplier":4', b'"noise_multiplier":9')
    assert changed != honest().documents[path]
    world = replace(honest(), documents={**honest().documents, path: changed})
    assert at_nine(world, tmp_path).where == path


def test_a_shifted_average_passes_every_step_and_only_the_updates_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator adds 3.0 to every parameter after each average, under the true hashes of what it was sent."""
    follow = Averaging.follow

    def shifted(rule: Averaging, number: int, model: F32, combined: F64) -> F32:
        return follow(rule, number, model, combined) + np.float32(3.0)

    federation = Federation()
    federation.enrol()
    with monkeypatch.context() as lying:
        lying.setattr(Averaging, "follow", shifted)
        federation.run(make_plan())
    world = World(tuple(federation.entries), federation.documents)
    assert verify(world.export(tmp_path / "export.zip"), world.policy()).holds
    averaged, published = (PublishedModel.read(each.documents[f"runs/{RUN}/model.json"]) for each in (honest(), world))
    assert np.allclose(published.vector - averaged.vector, 6.0)  # of two rounds


def evaluated(evaluation: PublishedEvaluation) -> bytes:
    """Signed again by the coordinator."""
    unsigned = evaluation.model_copy(update={"signature": ""})
    signature = key_of("coordinator").sign(EVALUATION_LABEL, unsigned._signed_bytes()).hex()
    return unsigned.model_copy(update={"signature": signature}).canonical()
