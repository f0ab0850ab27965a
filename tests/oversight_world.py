"""An honest federation's trail, signed for real, and the same federation lying in concert.

    world = honest()                                   # three banks, one run, a model, its evaluation and card
    path = world.export(tmp_path / "export.zip")       # checkpoint and cosignatures over whatever the entries are
    verify(path, world.policy())

Everybody's keys are at hand, so a test may change anything and have it signed again by everybody: what is noticed then
is noticed for its own sake.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clients.regulator import Policy, Trail, write_export
from clients.regulator.line import read_line
from federation.catalogue import Catalogue, load_catalogue
from federation.evaluation import EvaluationSpec
from federation.evaluation.model_card import build_card
from federation.ledger import Caps, Ledger, Release
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import genesis, sign_entry
from federation.models import MODEL_LABEL, PublishedEvaluation, PublishedModel
from federation.oversight import Averaged, MemberStatement, Publication, RegulatorStatement, RoundStatement
from federation.privacy import PrivacyPlan
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_hash, model_to_bytes
from federation.rounds.progress import Checkpoint as RunCheckpoint
from federation.rounds.reply import Update
from federation.training import Recipe, initial_parameters
from protocols.canonical import canonical
from protocols.signing import SigningKey
from protocols.transparency import (
    Checkpoint,
    Entry,
    Frontier,
    LogKey,
    Promise,
    Statement,
    VerifierKey,
    WitnessKey,
    attach,
    cosign,
    leaf_hash,
    read_entry,
    split_note,
)

BANKS = ("bank-a", "bank-b", "bank-c")
RUN = "spring"
NOW = 1_780_000_000
DELTA = 1e-5
NOMINAL = 5_000


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@cache
def key_of(name: str) -> SigningKey:
    return SigningKey.from_seed(seed(name))


@cache
def log_key(name: str = "log") -> LogKey:
    return LogKey.from_seed(VerifierKey.of(key_of(name).public).name, seed(name))


@cache
def witness_key(name: str) -> WitnessKey:
    return WitnessKey.from_pem(key_of(f"witness {name}").to_pem())


WITNESSES = ("regulator", *BANKS)


@cache
def catalogue() -> Catalogue:
    return load_catalogue("australian")


@cache
def privacy() -> PrivacyPlan:
    """Two rounds of three Poisson-sampled steps, one spare, one evaluation."""
    return PrivacyPlan(
        epsilon=1.0,
        delta=DELTA,
        sampler="poisson",
        sampling_rate=0.2,
        noise_multiplier=4.0,
        clip=0.5,
        steps_per_round=3,
        rounds=2,
        spare_rounds=1,
        evaluation_multiplier=20.0,
    )


def make_plan(run_id: str = RUN, **changes: Any) -> TrainingPlan:
    features = tuple(feature.name for feature in catalogue().features)
    values: dict[str, Any] = {
        "run_id": run_id,
        "catalogue": CatalogueRef(name=catalogue().name, version=catalogue().version, hash=catalogue().hash),
        "recipe": Recipe(learning_rate=0.5, average_last=1),
        "privacy": privacy(),
        "members": tuple(
            Member(institution=name, key=key_of(name).public.hex, nominal_records=NOMINAL, features=features)
            for name in BANKS
        ),
        "coordinator": key_of("coordinator").public.hex,
        "quorum": 2,
        "round_deadline_s": 60.0,
        "bundle_hash": "ab" * 32,
        "max_update_norm": 1000.0,
        "expires": NOW + 86_400,
    }
    return TrainingPlan(**{**values, **changes})


def signed_plan(plan: TrainingPlan) -> SignedPlan:
    approvals = {member.institution: approve(plan, key_of(member.institution)) for member in plan.members}
    return SignedPlan.sign(plan, approvals, key_of("coordinator"))


class Clock:
    """UTC; a second later whenever it is read."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(NOW, UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def ledger_entry(entry: LedgerEntry, key: SigningKey) -> bytes:
    """The log entry of a ledger entry, signed."""
    return Entry("ledger-entry", canonical(sign_entry(entry, key).to_json())).data


def member(name: str, standing: Any = "admitted", key: str | None = None) -> bytes:
    """The log entry in which the coordinator admits or revokes."""
    public = key or key_of(name).public.hex
    said = MemberStatement(name, public, witness_key(name).public.key.hex, NOMINAL, standing)
    return said.entry(key_of("coordinator")).data


@dataclass(frozen=True)
class World:
    """A trail: log entries in order, documents by path, sizes of earlier checkpoints, promises by index."""

    entries: tuple[bytes, ...]
    documents: dict[str, bytes]
    earlier: tuple[int, ...] = (8, 12)
    promised: tuple[int, ...] = (9, 11)
    cosigners: tuple[str, ...] = WITNESSES
    log: str = "log"
    promises: tuple[bytes, ...] | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    def note(self, size: int | None = None, *, at: int = NOW + 10_000) -> bytes:
        """The checkpoint over the first entries, with the cosignatures of `cosigners`."""
        size = len(self.entries) if size is None else size
        checkpoint = Checkpoint(log_key(self.log).name, size, root_of(self.entries[:size]))
        note = checkpoint.note(log_key(self.log))
        return attach(note, [cosign(split_note(note)[0], witness_key(name), at) for name in self.cosigners])

    def trail(self, **changes: Any) -> Trail:
        promises = self.promises
        if promises is None:
            promises = tuple(promise(self.entries[index], index) for index in self.promised)
        values: dict[str, Any] = {
            "origin": log_key(self.log).name,
            "entries": lambda: iter(self.entries),
            "checkpoint": self.note(),
            "checkpoints": tuple(self.note(size) for size in self.earlier if size <= len(self.entries)),
            "promises": promises,
            "documents": {path: (lambda data=data: data) for path, data in self.documents.items()},
        }
        return Trail(**{**values, **changes})

    def export(self, path: Path, **changes: Any) -> Path:
        write_export(path, self.trail(**changes))
        return path

    def policy(self, **changes: Any) -> Policy:
        return Policy.of({**policy_values(), **self.changes, **changes})

    def changed(self, index: int, data: bytes) -> World:
        """Another entry in one place."""
        return replace(self, entries=(*self.entries[:index], data, *self.entries[index + 1 :]))

    def inserted(self, index: int, *data: bytes) -> World:
        return replace(self, entries=(*self.entries[:index], *data, *self.entries[index:]))

    def without(self, index: int) -> World:
        return replace(self, entries=(*self.entries[:index], *self.entries[index + 1 :]))

    def find(self, kind: str, number: int = 0) -> int:
        """The place of an entry of a kind."""
        return [index for index, data in enumerate(self.entries) if read_line(index, data).kind == kind][number]

    def ledger(self, institution: str) -> list[tuple[int, LedgerEntry]]:
        """(log index, entry) of one ledger."""
        lines = [read_line(index, data) for index, data in enumerate(self.entries)]
        signed = [(line.index, line.signed.entry) for line in lines if line.signed is not None]
        return [(index, entry) for index, entry in signed if entry.institution == institution]

    def content(self, index: int) -> dict[str, Any]:
        """What the statement in an entry says."""
        return dict(Statement.read(read_entry(self.entries[index])).content)

    def resaid(self, index: int, signer: str = "coordinator", **changes: Any) -> World:
        """A statement with other content, signed again."""
        kind = read_entry(self.entries[index]).kind
        said = Statement.sign(kind, {**self.content(index), **changes}, key_of(signer))
        return self.changed(index, said.entry.data)

    def seen(self, size: int) -> dict[str, Any]:
        """What a regulator remembers who once verified the first entries."""
        return {"size": size, "root": root_of(self.entries[:size]).hex()}


def policy_values() -> dict[str, Any]:
    """As tomllib would read it."""
    return {
        "keys": {
            "log": key_of("log").public.hex,
            "coordinator": key_of("coordinator").public.hex,
            "regulator": key_of("regulator").public.hex,
        },
        "witnesses": [
            {"name": name, "key": witness_key(name).public.key.hex, "required": name == "regulator"}
            for name in WITNESSES
        ],
        "caps": {"run": 1.0, "year": 3.0, "lifetime": 10.0, "delta": DELTA, "person": 10.0},
        "accounting": {"sample": 4},
    }


def root_of(entries: Iterable[bytes]) -> bytes:
    tree = Frontier()
    for data in entries:
        tree, _ = tree.append(leaf_hash(data))
    return tree.root


def promise(data: bytes, index: int, issued_at: int = NOW) -> bytes:
    made = Promise.make(log_key(), leaf_hash=leaf_hash(data), index=index, issued_at=issued_at, merge_delay_s=3600)
    return made.encode()


class Federation:
    """Builds an honest trail entry by entry."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.entries: list[bytes] = []
        self.documents: dict[str, bytes] = {}
        caps = Caps(run=1.0, year=3.0, lifetime=10.0, delta=DELTA)
        self.ledgers = {
            name: Ledger.in_memory(institution=name, key=key_of(name), caps=caps, clock=self.clock) for name in BANKS
        }
        self._logged = dict.fromkeys(BANKS, 0)

    def say(self, *data: bytes) -> None:
        self.entries += data

    def log(self, name: str) -> None:
        """What the ledger of `name` has got since."""
        for signed in list(self.ledgers[name].entries())[self._logged[name] :]:
            self.entries.append(Entry("ledger-entry", canonical(signed.to_json())).data)
            self._logged[name] += 1

    def enrol(self) -> None:
        regulator = RegulatorStatement(
            "regulator", key_of("regulator").public.hex, witness_key("regulator").public.key.hex, "cd" * 32, 1000
        )
        self.say(regulator.entry(key_of("coordinator")).data, *(member(name) for name in BANKS))

    def run(self, plan: TrainingPlan) -> None:
        signed, rng = signed_plan(plan), np.random.default_rng(7)
        self.say(Entry("plan", signed.canonical()).data)
        self.documents[f"runs/{plan.run_id}/plan.json"] = signed.canonical()
        progress = RunCheckpoint.start(plan, initial_parameters(catalogue(), plan.recipe))
        for round in range(1, plan.rounds + 1):
            sent = model_hash(progress.model_bytes).hex()
            vectors = rng.normal(size=(len(BANKS), progress.parameters.size)).astype(np.float32)
            updates = self._updates(plan, "train", round, sent, vectors)
            progress = progress.advance(plan, updates)
            self._round(plan, "train", round, sent, updates, model_hash(progress.model_bytes).hex())
        model = PublishedModel.publish(signed, progress, key_of("coordinator"))
        self._publish("model", plan, model.hash, model.canonical(), card(model))
        sent, parameters = model.hash, model_to_bytes(model.vector)
        vectors = rng.normal(size=(len(BANKS), EvaluationSpec.from_catalogue(catalogue()).size)).astype(np.float32)
        updates = self._updates(plan, "evaluate", 1, sent, vectors)
        self._round(plan, "evaluate", 1, sent, updates, "")
        evaluation = PublishedEvaluation.publish(plan, parameters, updates, key_of("coordinator"))
        self._publish("evaluation", plan, model.hash, evaluation.canonical(), None)

    def _updates(self, plan: TrainingPlan, phase: Any, round: int, sent: str, vectors: Any) -> dict[str, Update]:
        updates = {}
        for name, vector in zip(BANKS, vectors, strict=True):
            event = plan.privacy.round_event() if phase == "train" else plan.privacy.evaluation_event()
            assert event is not None
            release = Release(
                run_id=plan.run_id,
                phase=phase,
                round=round,
                event=event,
                delta=plan.privacy.delta,
                plan_hash=plan.hash,
                catalogue_hash=plan.catalogue.hash,
                model_hash=sent,
                nominal_records=NOMINAL,
                vintage="2026Q1",
                family=plan.recipe.family,
            )
            reservation = self.ledgers[name].reserve(release)
            self.log(name)
            update = replace(Update.of(name, vector), reservation_hash=reservation.entry_hash)
            self.ledgers[name].spend(reservation, update.update_hash, b"reply")
            self.log(name)
            updates[name] = update
        return updates

    def _round(
        self, plan: TrainingPlan, phase: Any, round: int, sent: str, updates: dict[str, Update], result: str
    ) -> None:
        averaged = {name: Averaged(each.update_hash, each.reservation_hash) for name, each in updates.items()}
        said = RoundStatement(plan.run_id, plan.hash, phase, round, sent, averaged, result)
        self.say(said.entry(key_of("coordinator")).data)

    def _publish(self, kind: Any, plan: TrainingPlan, model: str, data: bytes, card: bytes | None) -> None:
        self.documents[f"runs/{plan.run_id}/{kind}.json"] = data
        if card is not None:
            self.documents[f"runs/{plan.run_id}/card.json"] = card
        hashes = [hashlib.sha256(data).hexdigest(), "" if card is None else hashlib.sha256(card).hexdigest()]
        self.say(Publication(plan.run_id, plan.hash, model, *hashes).entry(kind, key_of("coordinator")).data)


def card(model: PublishedModel) -> bytes:
    return json.dumps(build_card(model, catalogue(), None).to_json(), indent=1).encode()


@cache
def honest() -> World:
    """Three banks, one run of two rounds, its model, card and evaluation: about 30 entries."""
    federation = Federation()
    federation.enrol()
    federation.run(make_plan())
    return World(tuple(federation.entries), federation.documents)


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
    signature = key_of("coordinator").sign(MODEL_LABEL, model._signed_bytes()).hex()
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
