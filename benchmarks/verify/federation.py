"""A synthetic, honest federation: thousands of rounds, signed for real, made in seconds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.verify.schedule import CAPS, DELTA, ROUNDS, Schedule
from clients.regulator.export import write_export
from clients.regulator.trail import Trail
from federation.ledger.entries import LABEL as LEDGER_LABEL
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import Kind, genesis
from federation.ledger.release import Release
from federation.oversight import Averaged, MemberStatement, RegulatorStatement, RoundStatement
from federation.privacy import PrivacyPlan
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.training import Recipe
from protocols.canonical import canonical, digest
from protocols.signing import SigningKey
from protocols.transparency import (
    Checkpoint,
    Entry,
    Frontier,
    LogKey,
    VerifierKey,
    WitnessKey,
    attach,
    cosign,
    leaf_hash,
    split_note,
)

NOMINAL = 50_000
START = datetime(2021, 1, 4, tzinfo=UTC)


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


def witness(name: str) -> WitnessKey:
    return WitnessKey.from_pem(key(f"witness {name}").to_pem())


def fresh(*parts: object) -> str:
    """A hash that nothing else has."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass
class Bank:
    """One institution's chain."""

    name: str
    sequence: int = 0
    head: str = ""
    key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        self.head, self.key = genesis(self.name), key(self.name)

    def entry(self, time: datetime, kind: Kind, amounts: Any, release: Release, **fields: Any) -> tuple[str, bytes]:
        """(hash, log entry) of the next one."""
        self.sequence += 1
        place = (self.sequence, self.head, self.name, time, kind, amounts)
        entry = LedgerEntry(*place, self.key.public.key_id, "0.1.0", release, **fields)
        text = canonical(entry.to_json())
        self.head = digest(LEDGER_LABEL, text).hex()
        signature = self.key.sign(LEDGER_LABEL, text).hex()
        body = b'{"entry":%b,"hash":"%b","signature":"%b"}' % (text, self.head.encode(), signature.encode())
        return self.head, b'{"body":%b,"kind":"ledger-entry","v":1}' % body


class Federation:
    """`institutions` banks that run plan after plan, `mechanisms` different ones in turn, for so many log entries."""

    def __init__(self, entries: int, institutions: int, mechanisms: int) -> None:
        self.banks = [Bank(f"bank-{number:02}") for number in range(institutions)]
        runs = math.ceil((entries - institutions) / (1 + ROUNDS * (2 * institutions + 1)))
        self.schedule = Schedule(max(1, runs), mechanisms)
        self.log = LogKey.from_seed(VerifierKey.of(key("log").public).name, hashlib.sha256(b"log").digest())
        self.witnesses = ("regulator", *(bank.name for bank in self.banks))

    def export(self, path: Path) -> None:
        """Write an export of whole runs."""
        tree, listed = Frontier(), []
        for data in self._entries():
            tree, _ = tree.append(leaf_hash(data))
            listed.append(data)
        note = Checkpoint(self.log.name, tree.size, tree.root).note(self.log)
        lines = [cosign(split_note(note)[0], witness(name), 1_800_000_000) for name in self.witnesses]
        write_export(path, Trail(self.log.name, lambda: iter(listed), attach(note, lines)))

    def policy_values(self) -> dict[str, Any]:
        return {
            "keys": {name: key(name).public.hex for name in ("log", "coordinator", "regulator")},
            "witnesses": [
                {"name": name, "key": witness(name).public.key.hex, "required": name == "regulator"}
                for name in self.witnesses
            ],
            "caps": {"run": CAPS.run, "year": CAPS.year, "lifetime": CAPS.lifetime, "delta": CAPS.delta},
        }

    def _entries(self) -> Iterator[bytes]:
        yield from self._enrolment()
        for run in range(self.schedule.runs):
            yield from self._run(run)

    def _enrolment(self) -> list[bytes]:
        public = (key("regulator").public.hex, witness("regulator").public.key.hex)
        regulator = RegulatorStatement("regulator", *public, "cd" * 32, 1000)
        members = [
            MemberStatement(bank.name, bank.key.public.hex, witness(bank.name).public.key.hex, NOMINAL, "admitted")
            for bank in self.banks
        ]
        admitted = [member.entry(key("coordinator")).data for member in members]
        return [regulator.entry(key("coordinator")).data, *admitted]

    def _run(self, run: int) -> Iterator[bytes]:
        plan = self._plan(run)
        approvals = {bank.name: approve(plan, bank.key) for bank in self.banks}
        yield Entry("plan", SignedPlan.sign(plan, approvals, key("coordinator")).canonical()).data
        event, model = plan.privacy.round_event(), fresh(run, "model")
        started = START.replace(year=START.year + self.schedule.year(run)) + timedelta(hours=run)
        for round in range(1, ROUNDS + 1):
            now = started + timedelta(seconds=20 * round)
            amounts = self.schedule.amounts(run, round, now.year, plan.run_id)
            updates = {}
            for bank in self.banks:
                release = Release(
                    plan.run_id, "train", round, event, DELTA, plan.hash, plan.catalogue.hash, model, NOMINAL, "2026Q1",
                    "additive", 1,
                )  # fmt: skip
                reservation, data = bank.entry(now, Kind.RESERVE, amounts, release)
                yield data
                update = fresh(run, round, bank.name)
                _, data = bank.entry(now, Kind.SPEND, amounts, release, reservation=reservation, update_hash=update)
                yield data
                updates[bank.name] = Averaged(update, reservation)
            result = fresh(run, round, "model")
            said = RoundStatement(plan.run_id, plan.hash, "train", round, model, updates, result)
            yield said.entry(key("coordinator")).data
            model = result

    def _plan(self, run: int) -> TrainingPlan:
        event = self.schedule.event(run)
        return TrainingPlan(
            run_id=f"run-{run:04}",
            catalogue=CatalogueRef(name="synthetic", version="1", hash="ab" * 32),
            recipe=Recipe(learning_rate=0.5),
            privacy=PrivacyPlan(
                epsilon=CAPS.run,
                delta=DELTA,
                sampling_rate=event.sampling_rate,
                noise_multiplier=event.noise_multiplier,
                clip=0.5,
                steps_per_round=event.steps,
                rounds=ROUNDS,
            ),
            members=tuple(
                Member(institution=bank.name, key=bank.key.public.hex, nominal_records=NOMINAL, features=("age",))
                for bank in self.banks
            ),
            coordinator=key("coordinator").public.hex,
            quorum=1,
            round_deadline_s=60.0,
            bundle_hash="ab" * 32,
            max_update_norm=1000.0,
            expires=2_000_000_000,
        )
