"""Kinds of tampering with an export, each with the step that must fail first and the entry that it must name.

Whoever tampers has as many keys as the kind needs: none (files changed afterwards), one institution's, or everybody's.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oversight_federation import Federation, audited, honest, make_plan
from oversight_lies import numbered, republished, resigned, rewritten
from oversight_replays import Replayed, replayed
from oversight_world import BANKS, NOW, RUN, World, key_of, ledger_entry, member, promise

from clients.regulator.verify import verify
from federation.ledger.budget import Scope
from federation.ledger.entries import Entry as LedgerEntry
from federation.models import PublishedModel
from protocols.lookup.leaf import KIND, Leaf
from protocols.transparency import Entry, Promise, Statement

DOCUMENTS = {name: f"runs/{RUN}/{name}.json" for name in ("plan", "model", "evaluation", "card")}
FILES = ("manifest.json", "deployment.json", *(f"log/{name}" for name in (
    "entries.jsonl", "checkpoint.note", "checkpoints.jsonl", "promises.jsonl")), *DOCUMENTS.values())  # fmt: skip
LAST = 5  # bank-b's last reservation


@dataclass(frozen=True)
class Kind:
    """`make` writes the tampered export to a path. `where`: how the first finding's place begins; `index`: of its
    entry in the log, None where no single entry is at fault; `changes`: of the policy.
    """

    make: Callable[[Path], object]
    step: int
    where: str
    index: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)


def under_honest_notes(world: World) -> Callable[[Path], object]:
    """Nobody signed again: the entries of `world` under the notes and promises of the honest log."""
    trail = honest().trail()
    kept = {"checkpoint": trail.checkpoint, "checkpoints": trail.checkpoints, "promises": trail.promises}
    return lambda path: world.export(path, **kept)


def flipped(name: str) -> Callable[[Path], object]:
    """One bit of a file, with the manifest as it was."""

    def make(path: Path) -> None:
        honest().export(path)
        with zipfile.ZipFile(path) as archive:
            files = {each: archive.read(each) for each in archive.namelist()}
        data = files[name]
        files[name] = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in files.items():
                archive.writestr(each, content)

    return make


def amounts(change: Callable[[Any], Any]) -> Callable[[LedgerEntry], LedgerEntry]:
    return lambda entry: replace(entry, amounts=tuple(change(amount) for amount in entry.amounts))


def lowered(figure: str, scope: Scope, by: float) -> World:
    """A figure of bank-b's last reservation stated lower, and all that follows signed again by everybody."""
    less = amounts(lambda a: replace(a, **{figure: getattr(a, figure) - by}) if a.scope is scope else a)
    return rewritten(honest(), "bank-b", numbered([LAST, LAST + 1], less))


def quieter(entry: LedgerEntry) -> LedgerEntry:
    assert entry.release is not None
    event = replace(entry.release.event, noise_multiplier=entry.release.event.noise_multiplier * 2)
    return replace(entry, release=replace(entry.release, event=event))


def capped(scope: Scope, cap: float) -> World:
    raised = amounts(lambda amount: replace(amount, cap=cap) if amount.scope is scope else amount)
    return rewritten(honest(), "bank-b", raised)


def with_document(name: str, data: bytes, *, logged: bool) -> World:
    world = replace(honest(), documents={**honest().documents, DOCUMENTS[name]: data})
    return republished(world) if logged else world


def other_model(*, logged: bool) -> World:
    model = PublishedModel.read(honest().documents[DOCUMENTS["model"]])
    record = model.checkpoint[0].model_copy(update={"updates": {**model.checkpoint[0].updates, "bank-a": "9a" * 32}})
    other = resigned(model.model_copy(update={"checkpoint": (record, *model.checkpoint[1:])}))
    return with_document("model", other.canonical(), logged=logged)


def swapped_update() -> World:
    at = honest().find("round")
    updates = honest().content(at)["updates"]
    said = {**updates, "bank-a": {**updates["bank-a"], "update_hash": updates["bank-b"]["update_hash"]}}
    return honest().resaid(at, updates=said)


def acting(act: Callable[[Federation, Any], object]) -> World:
    """A federation whose institutions do something after their run."""
    federation, plan = Federation(), make_plan()
    federation.enrol()
    federation.run(plan)
    act(federation, plan)
    return World(tuple(federation.entries), federation.documents)


def of(federation: Replayed, act: Callable[[Replayed], object] | None = None) -> World:
    if act is not None:
        act(federation)
    return World(tuple(federation.entries), federation.documents)


def lying_replay(federation: Replayed) -> None:
    federation.draw("bank-a", deadline=NOW + 20_000)
    federation.replay("bank-a", findings=("update_differs",))


def inquiry() -> bytes:
    leaf = Leaf("bank-b", bytes(32), bytes(16), "credit", "7", bytes(32), bytes(32), b"", bytes(32), NOW)
    return Entry(KIND, leaf.sign(key_of("bank-a")).encode()).data


def moved(world: World, index: int, to: int) -> World:
    """An entry taken from one place to another, as counted before it is taken."""
    return world.without(index).inserted(to, world.entries[index])


def card() -> bytes:
    better = json.loads(honest().documents[DOCUMENTS["card"]])
    better["privacy"]["claims"]["pld"] = 0.1
    return json.dumps(better).encode()


def judged(kind: Kind, folder: Path) -> tuple[int, str, int | None, set[int]]:
    """(step, where, index of the entry) of the first finding, and all steps that fail."""
    path = folder / "export.zip"
    kind.make(path)
    verdict = verify(path, honest().policy(**kind.changes))
    assert verdict.first is not None, "nobody noticed"
    step, found = verdict.first
    return step.number, found.where, found.index, {each.number for each in verdict.steps if each.findings}


def _kinds() -> dict[str, Kind]:
    world, end = honest(), len(honest().entries)
    round_, model, ledger = world.find("round"), world.find("model"), world.ledger("bank-b")
    at, entry = ledger[LAST]
    fork = world.changed(1, member("bank-b")).note(8)
    forged = replace(Promise.decode(promise(world.entries[9], 9)), index=10).encode()
    documents = {path: data for path, data in world.documents.items() if path != DOCUMENTS["plan"]}
    plan = world.documents[DOCUMENTS["plan"]].replace(b'"noise_multiplier":4', b'"noise_multiplier":9')
    evaluation = world.documents[DOCUMENTS["evaluation"]]
    later = len(replayed().entries)
    dated = world.changed(at, world.entries[at].replace(b"2026Q1", b"2026Q2"))
    self_admitted = world.changed(1, Statement.sign("member", world.content(1), key_of("bank-b")).entry.data)
    shorter, overdue = replace(world, entries=world.entries[:21]), (promise(member("bank-a"), 500),)
    better_card = with_document("card", card(), logged=False)
    everything = {"accounting": {"sample": 10_000}}
    return {
        **{f"{name} changed by a byte": Kind(flipped(name), 1, name) for name in FILES},
        # Entries, under the notes that were signed: whoever packs the export.
        "the last entry dropped": Kind(under_honest_notes(world.without(end - 1)), 4, "entries"),
        "a ledger entry dropped": Kind(
            under_honest_notes(world.without(ledger[2][0])), 3, "entry 4: sequence", ledger[3][0] - 1
        ),
        "a statement dropped": Kind(under_honest_notes(world.without(round_)), 4, "promise broken", round_),
        "entries reordered": Kind(under_honest_notes(moved(world, 9, 6)), 4, "promise broken", 9),
        "an entry duplicated": Kind(under_honest_notes(world.inserted(10, world.entries[10])), 3, "entry 2", 11),
        "an entry added": Kind(under_honest_notes(world.inserted(end, member("bank-a"))), 4, "entries"),
        "an entry changed": Kind(under_honest_notes(dated), 2, "ledger-entry", at),
        # Keys.
        "re-signed with another member's key": Kind(
            world.changed(at, ledger_entry(entry, key_of("bank-a"))).export, 2, "ledger-entry", at
        ),
        "a key's validity moved behind its use": Kind(moved(world, 2, 8).export, 2, "plan", 3),
        "a key revoked before its use": Kind(
            world.inserted(ledger[LAST - 1][0], member("bank-b", "revoked")).export, 2, "ledger-entry", ledger[4][0] + 1
        ),
        "an admission by a member": Kind(self_admitted.export, 2, "member", 1),
        "an inquiry in another's name": Kind(world.inserted(end, inquiry()).export, 2, "lookup-leaf", end),
        # Ledgers, signed again with all that names them.
        "epsilon (PLD) lowered": Kind(lowered("pld", Scope.RUN, 0.025).export, 7, "amounts.run.pld", ledger[4][0]),
        "epsilon (PRV) lowered": Kind(lowered("prv", Scope.YEAR, 0.025).export, 7, "amounts.year.prv", ledger[4][0]),
        "epsilon (Renyi) lowered": Kind(lowered("rdp", Scope.YEAR, 2e-3).export, 7, "amounts.year.rdp", ledger[4][0]),
        "epsilon lowered in the middle of a run": Kind(
            rewritten(world, "bank-b", numbered([1, 2], amounts(
                lambda a: replace(a, pld=a.pld - 0.05) if a.scope is Scope.RUN else a))).export,
            7, "amounts.run.pld", ledger[0][0], everything,
        ),
        "sigma raised": Kind(rewritten(world, "bank-b", quieter).export, 7, "amounts.run.rdp", ledger[0][0]),
        "a cap raised": Kind(capped(Scope.RUN, 5.0).export, 8, "amounts.run.cap", ledger[0][0]),
        "a ledger back-dated": Kind(
            rewritten(world, "bank-b", numbered([LAST], lambda e: replace(e, time=e.time.replace(year=2020)))).export,
            3, "entry 5: time", ledger[4][0],
        ),
        "the end of a ledger left out": Kind(
            rewritten(world, "bank-b", lambda e: e if e.sequence < LAST else None).export, 9, "spring, evaluate", 24
        ),
        # The log.
        "the log forked": Kind(
            lambda path: world.export(path, checkpoints=(fork,)), 5, "log/checkpoints.jsonl, line 1: forked"
        ),
        "the log forked since the regulator looked": Kind(
            world.export, 5, "policy: seen: forked", None, {"seen": {"size": 20, "root": "ab" * 32}}
        ),
        "the log rolled back": Kind(
            shorter.export, 5, "policy: seen: rolled back", None, {"seen": world.seen(end)}
        ),
        "a witness missing": Kind(replace(world, cosigners=("regulator", "bank-a")).export, 6, "log/checkpoint.note"),
        "the required witness missing": Kind(replace(world, cosigners=BANKS).export, 6, "log/checkpoint.note"),
        "a promise broken": Kind(
            replace(world, promises=(promise(member("bank-a"), 9),)).export, 4, "promise broken", 9
        ),
        "a promise overdue": Kind(replace(world, promises=overdue).export, 4, "promise broken"),
        "a promise forged": Kind(replace(world, promises=(forged,)).export, 4, "promise of entry 10"),
        # Rounds and documents, signed by the coordinator.
        "an update hash swapped in a round": Kind(
            swapped_update().export, 9, "spring, train round 1, bank-a: update_hash", round_
        ),
        "an update hash swapped in a ledger": Kind(
            rewritten(world, "bank-b", numbered([4], lambda e: replace(e, update_hash="56" * 32))).export,
            9, "spring, train round 2, bank-b: update_hash", world.find("round", 1),
        ),
        "a model swapped": Kind(other_model(logged=False).export, 9, f"{DOCUMENTS['model']}: SHA-256", model),
        "a model swapped and logged": Kind(other_model(logged=True).export, 9, f"{DOCUMENTS['model']}: round 1", model),
        "a model card swapped": Kind(better_card.export, 9, f"{DOCUMENTS['card']}: SHA", model),
        "an evaluation swapped": Kind(
            with_document("evaluation", evaluation + b" ", logged=False).export, 9, DOCUMENTS["evaluation"], end - 1
        ),
        "a plan swapped": Kind(
            replace(world, documents={**documents, DOCUMENTS["plan"]: plan}).export, 9, DOCUMENTS["plan"]
        ),
        "an unreported round": Kind(
            acting(lambda federation, plan: federation.answer("bank-a", plan, 3, "12" * 32)).export, 9,
            "spring, train round 3, bank-a", end + 1,
        ),
        "a round left out": Kind(world.without(world.find("round", 1)).export, 9, "spring, train round 2, bank-a", 13),
        "more rounds than the plan pays for": Kind(
            acting(lambda federation, plan: [federation.attempt("bank-a", plan, 3) for _ in range(2)]).export, 8,
            "release.attempt", end + 2,
        ),
        # Audits and replays.
        "an audit that failed": Kind(world.inserted(end, audited("bank-a", passed=False)).export, 8, "audit", end),
        "a commitment missing": Kind(of(replayed(skip=("bank-b",))).export, 9, "replay of spring, train round 1", 10),
        "two seeds to choose from": Kind(
            of(replayed(), lambda f: f.commit("bank-a", 1, seed="44")).export, 9, "replay-commitment", later
        ),
        "a replay that differs": Kind(of(replayed(), lying_replay).export, 9, "replay of spring", later + 1),
    }  # fmt: skip


KINDS = _kinds()
