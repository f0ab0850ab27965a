"""`fedscore institution verify-model`: a member computes a run again, over mutual TLS, from a real log's entries."""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from log_world import witness_key
from membership_world import catalogue
from rounds_world import privacy
from test_log_service import Hosted, hosted
from typer.testing import CliRunner

from clients.institution.cli import app
from clients.institution.home import InstitutionHome
from clients.institution.model_cli import DIFFERS, verify_run
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from federation.errors import ConfigurationError, Refused
from federation.ledger import Caps, Ledger, Release
from federation.models import PublishedModel
from federation.oversight import Averaged, Publication, RoundStatement
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_hash
from federation.rounds.progress import Checkpoint
from federation.rounds.reply import Update
from federation.rounds.rule import rule_of
from federation.rounds.vectors import to_bytes
from federation.training import Recipe
from protocols.transparency import Entry, attach, cosign, open_checkpoint, split_note
from server.checkpoint_store import CheckpointStore

__all__ = ["hosted"]


def signed_plan(hosted: Hosted, run: str) -> SignedPlan:
    homes = (hosted.aurora, hosted.borealis)
    members = tuple(
        Member(
            institution=home.name,
            key=home.signing_key.public.hex,
            nominal_records=500,
            features=catalogue().feature_names,
        )
        for home in homes
    )
    plan = TrainingPlan(
        run_id=run,
        catalogue=CatalogueRef(name=catalogue().name, version=catalogue().version, hash=catalogue().hash),
        recipe=Recipe(learning_rate=0.5, average_last=2),
        privacy=privacy().model_copy(update={"spare_rounds": 0, "evaluation_multiplier": None}),
        members=members,
        coordinator=hosted.world.home.signing_key.public.hex,
        quorum=2,
        round_deadline_s=60.0,
        bundle_hash="ab" * 32,
        max_update_norm=1000.0,
        expires=int(time.time()) + 86_400,
    )
    approvals = {home.name: approve(plan, home.signing_key) for home in homes}
    return SignedPlan.sign(plan, approvals, hosted.world.home.signing_key)


def sent_by(home: InstitutionHome, plan: TrainingPlan, number: int, model: str, update: Update) -> str:
    """The hash of the reservation under which its ledger has `update`."""
    ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=Caps(1e3, 1e3, 1e3, 1e-4))
    release = Release(
        run_id=plan.run_id,
        phase="train",
        round=number,
        attempt=1,
        event=plan.privacy.round_event(),
        delta=plan.privacy.delta,
        plan_hash=plan.hash,
        catalogue_hash=plan.catalogue.hash,
        model_hash=model,
        nominal_records=500,
        vintage="current",
        family="additive",
    )
    reservation = ledger.reserve(release)
    ledger.spend(reservation, update.update_hash, b"what was answered")
    ledger.close()
    return reservation.entry_hash


def publish(hosted: Hosted, run: str, *, added: float = 0.0, since: int = 1, other: int = 0) -> list[Update]:
    """A run in the log, its updates in the coordinator's home; `added` to every parameter from round `since` on.

    `other`: the round in which the coordinator takes another update for aurora's than aurora sent.
    """
    key, signed, rng = (
        hosted.world.home.signing_key,
        signed_plan(hosted, run),
        np.random.default_rng(list(run.encode())),
    )
    plan, store, kept = signed.plan, CheckpointStore(hosted.world.home.run(run)), []
    rule = rule_of(catalogue(), plan)
    said, progress = [Entry("plan", signed.canonical())], Checkpoint.start(plan, rule.initial())
    for number in range(1, plan.rounds + 1):
        updates = {
            each.institution: Update.of(each.institution, rng.normal(size=rule.size).astype(np.float32))
            for each in plan.members
        }
        truly = updates[hosted.aurora.name]
        if number == other:
            updates[hosted.aurora.name] = Update.of(hosted.aurora.name, np.zeros(rule.size, dtype=np.float32))
        for update in updates.values():
            store.keep_update(update.update_hash, to_bytes(update.vector))
        kept += updates.values()
        sent = model_hash(progress.model_bytes).hex()
        combined = rule.combine({name: update.vector for name, update in updates.items()})
        model = rule.follow(number, progress.parameters, combined) + np.float32(added if number >= since else 0.0)
        progress = progress.advance(plan, updates, model.astype(np.float32))
        paid = {hosted.aurora.name: sent_by(hosted.aurora, plan, number, sent, truly)}
        averaged = {name: Averaged(each.update_hash, paid.get(name, "cd" * 32)) for name, each in updates.items()}
        result = model_hash(progress.model_bytes).hex()
        said.append(RoundStatement(run, plan.hash, "train", number, sent, averaged, result).entry(key))
    document = PublishedModel.publish(signed, progress, key)
    hashed = hashlib.sha256(document.canonical()).hexdigest()
    said.append(Publication(run, plan.hash, document.hash, hashed, "").entry("model", key))
    hosted.log.store.extend(said)
    with LogClient(hosted.aurora) as log:
        size = hosted.log.store.size()
        note = log.candidate(after=size - 1, wait_ms=15_000)
        for number in (0, 1):
            log.cosign(attach(note, [cosign(split_note(note)[0], witness_key(number), time.time())]))
        assert open_checkpoint(log.cosigned(after=size - 1, wait_ms=15_000), hosted.log.host.key).size >= size
    return kept


def asked(hosted: Hosted, run: str) -> tuple[int, dict[str, object]]:
    home = hosted.aurora.path
    ran = CliRunner().invoke(app, ["verify-model", "--home", str(home), "--run", run, "--json"])
    return ran.exit_code, json.loads(ran.stdout)


def test_an_honest_run_follows_from_its_updates(hosted: Hosted) -> None:
    publish(hosted, "honest")
    code, said = asked(hosted, "honest")
    assert (code, said["rounds"], said["published"], said["difference"]) == (0, 3, True, None)
    assert (said["masked"], said["own"]) == (False, 3)
    assert not [each for each in OversightFolder(hosted.aurora.path).findings() if each["code"] == DIFFERS]


def test_a_member_whose_update_was_exchanged_says_so(hosted: Hosted) -> None:
    """Every round follows from the updates that it names: only who sent one knows that it sent another."""
    publish(hosted, "exchanged", other=2)
    code, said = asked(hosted, "exchanged")
    assert (code, said["rounds"]) == (1, 1)
    assert said["difference"]["what"] == "update of aurora"  # type: ignore[index]
    found = [each for each in OversightFolder(hosted.aurora.path).findings() if each.get("run_id") == "exchanged"]
    assert [(each["code"], each["round"]) for each in found] == [(DIFFERS, 2)]


@pytest.mark.parametrize("since", [1, 2])
def test_a_coordinator_that_adds_to_every_parameter_is_found_and_the_round_named(hosted: Hosted, since: int) -> None:
    """The hashes of the updates are true, and everything is signed and witnessed: nothing else would show it."""
    run = f"shifted-{since}"
    publish(hosted, run, added=3.0, since=since)
    code, said = asked(hosted, run)
    assert code == 1
    assert said["rounds"] == since - 1
    assert said["difference"]["round"] == since  # type: ignore[index]
    found = [each for each in OversightFolder(hosted.aurora.path).findings() if each.get("run_id") == run]
    assert [(each["code"], each["round"], each["what"]) for each in found] == [(DIFFERS, since, "result")]


def test_updates_are_handed_out_by_their_hashes_to_members_and_over_http(hosted: Hosted) -> None:
    update, *_ = publish(hosted, "read")
    with LogClient(hosted.borealis) as log:
        assert log.document(bytes.fromhex(update.update_hash), 2**20) == to_bytes(update.vector)
        for unknown in (bytes(32), b"short"):
            with pytest.raises(Refused, match="a hash that an entry names"):
                log.document(unknown, 2**20)
    url = f"https://127.0.0.1:{hosted.log.port}/document/{update.update_hash}"
    authority = ssl.create_default_context(cafile=hosted.aurora.keys / "ca.crt")
    assert httpx.get(url, verify=authority, trust_env=False).content == to_bytes(update.vector)


def test_updates_that_are_gone_or_exchanged_are_no_proof_of_anything(hosted: Hosted) -> None:
    first, second, *_ = publish(hosted, "gone")
    folder: Path = hosted.world.home.run("gone") / "updates"
    (folder / first.update_hash).write_bytes(to_bytes(second.vector))
    with pytest.raises(Refused, match="a hash that an entry names"):
        verify_run(hosted.aurora, "gone", now=time.time())
    with pytest.raises(ConfigurationError, match="a run whose plan is in the log"):
        verify_run(hosted.aurora, "never", now=time.time())
