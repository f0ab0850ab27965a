"""An honest federation whose rounds can be replayed: commitments, beacons, a draw and its answer, in the log.

    federation = Replayed()
    federation.enrol(); federation.run(make_plan(replay=True))
    federation.draw("bank-a", round=1); federation.replay("bank-a")

Methods that say something take what a liar would say instead.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from oversight_federation import Federation, make_plan
from oversight_world import BANKS, NOW, RUN, World, key_of, root_of, witness_key

from clients.regulator.line import read_line
from federation.ledger.entries import Kind
from federation.oversight import RegulatorStatement
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayCommitment, ReplayResult
from federation.rounds import TrainingPlan
from federation.rounds.reply import Update
from protocols.replay import BeaconChain
from protocols.transparency import leaf_hash

CODE = "33" * 32
CHAIN = BeaconChain(hashlib.sha256(b"chain").digest(), 100)
DUE = NOW + 5_000


class Replayed(Federation):
    """`skip`: institutions that log no commitment; `dark`: nobody reveals a beacon; `late`: only after the round;
    `given_up`: (institution, round) whose first attempt comes to nothing.
    """

    def __init__(
        self,
        *,
        skip: tuple[str, ...] = (),
        dark: bool = False,
        late: bool = False,
        given_up: tuple[tuple[str, int], ...] = (),
    ) -> None:
        super().__init__()
        self.given_up = given_up
        self.skip, self.dark, self.late = skip, dark, late
        self.revealed = 0
        self.asked: dict[str, tuple[str, Draw]] = {}

    def enrol(self) -> None:
        super().enrol()
        public = (key_of("regulator").public.hex, witness_key("regulator").public.key.hex)
        said = RegulatorStatement("regulator", *public, CHAIN.anchor.hex(), 100)
        self.entries[0] = said.entry(key_of("coordinator")).data

    def _updates(self, plan: TrainingPlan, phase: Any, round: int, sent: str, vectors: Any) -> dict[str, Update]:
        if phase == "train":
            for name in BANKS:
                if name not in self.skip:
                    self.commit(name, round)
            if not self.dark and not self.late:
                self.reveal()
            for name in (name for name, lost in self.given_up if lost == round):
                self.attempt(name, plan, round, sent)
                self.commit(name, round, attempt=2)
                self.reveal()
        updates = super()._updates(plan, phase, round, sent, vectors)
        if phase == "train" and self.late:
            self.reveal()
        return updates

    def commit(self, name: str, round: int, attempt: int = 1, seed: str = "11") -> None:
        said = ReplayCommitment(name, RUN, "train", round, attempt, seed * 32, "22" * 32, CODE)
        self.say(said.entry(key_of(name)).data)

    def reveal(self, **lies: Any) -> None:
        """The next beacon, for all that is there."""
        self.revealed += 1
        size = lies.get("size", len(self.entries))
        values = {
            "size": size,
            "root": root_of(self.entries[:size]).hex(),
            "index": self.revealed,
            "preimage": CHAIN.preimage(self.revealed).hex(),
        }
        self.say(BeaconStatement(**{**values, **lies}).entry(key_of("regulator")).data)

    def draw(self, name: str, round: int = 1, deadline: int = DUE, attempt: int = 1) -> None:
        said = Draw(name, RUN, "train", round, attempt, deadline)
        entry = said.entry(key_of("regulator")).data
        self.asked[name] = (leaf_hash(entry).hex(), said)
        self.say(entry)

    def sent(self, name: str, place: Place) -> str:
        """The hash of what `name` handed out."""
        for index, data in enumerate(self.entries):
            signed = read_line(index, data).signed
            if signed is not None and signed.entry.kind is Kind.SPEND and signed.entry.institution == name:
                release = signed.entry.release
                if release is not None and (release.phase, release.round) == (place.phase, place.round):
                    return str(signed.entry.update_hash)
        raise AssertionError(place)

    def replay(self, name: str, **lies: Any) -> None:
        """The answer to the last draw."""
        leaf, asked = self.asked[name]
        values = {
            "institution": name,
            "run_id": asked.run_id,
            "phase": asked.phase,
            "round": asked.round,
            "attempt": asked.attempt,
            "draw": leaf,
            "update_hash": lies["update_hash"] if "update_hash" in lies else self.sent(name, asked.place),
            "code_digest": CODE,
            "findings": (),
        }
        self.say(ReplayResult(**{**values, **lies}).entry(key_of(name)).data)

    def world(self, **changes: Any) -> World:
        return replace(World(tuple(self.entries), self.documents), **changes)


def replayed(**lies: Any) -> Replayed:
    """A run of two rounds that can be replayed; `lies` are Replayed's."""
    federation = Replayed(**lies)
    federation.enrol()
    federation.run(make_plan(replay=True))
    return federation
