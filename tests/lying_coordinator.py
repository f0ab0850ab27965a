"""A coordinator that plays all members but one, and speaks for them in the record: what the one believes is tested."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from clients.institution.lookup.ceremony import Ceremony, context_of, encode_opening
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.settings import LookupSettings
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Authority, Roster, RosterMember
from protocols.oprf.group import base, random_scalar
from protocols.oprf.joint_key import Opening
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

OTHERS = ("bank-b", "bank-c")


class Coordinator:
    """Names two members that it plays itself, and speaks for all of them but the victim."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        self.key, self.victim = SigningKey.generate(), SigningKey.generate()
        self.played = {name: SigningKey.generate() for name in OTHERS}
        self.parameters = Parameters(engine="mirror", dummies=1, quorum=1, **parameters)
        self.oversight = base(random_scalar(os.urandom))
        self.log, self.authority = SigningKey.generate(), SigningKey.generate()
        members = {"bank-a": self.victim, **self.played}
        self.proposal: dict[str, Any] = {
            "version": 1,
            "members": {name: {"key": key.public.hex, "customers": 10**10} for name, key in members.items()},
            "auditors": ["bank-b"],
            "new_keys": True,
            "catalogue": "00" * 32,
            "model": "00" * 32,
            "parameters": self.parameters.to_json(),
            "log_key": self.log.public.hex,
            "pool_key": self.key.public.hex,
            "coordinator_key": self.key.public.hex,
            "oversight": self.oversight.hex(),
            "authorities": {"e-id": self.authority.public.hex},
        }
        (folder / "keys").mkdir(mode=0o700)
        home: Any = SimpleNamespace(
            path=folder,
            keys=folder / "keys",
            name="bank-a",
            signing_key=self.victim,
            coordinator_key=self.key.public,
            settings=SimpleNamespace(lookup=LookupSettings()),
        )
        self.home, self.folders = home, LookupFolders(home)
        self.record = EpochRecord(self.key.public, "bank-a", self.victim.public)
        self.submitted: list[str] = []
        self.view("commit")
        self.say("propose", "relay", self.proposal, self.key)

    def view(self, *owed: str) -> wire.EpochView:
        return wire.EpochView(counter=1, phase="keys", owed=owed)

    def say(self, kind: str, party: str, body: Any, key: SigningKey, *, counter: int = 1, skipped: int = 0) -> None:
        """The victim takes a step that `key` signed, `skipped` places after the last one it took."""
        data = body if isinstance(body, bytes) else canonical(body)
        envelope = Envelope.FromString(seal(wire.Step(counter=counter, kind=kind, party=party, body=data), key))
        view = self.view("commit")
        view.steps.add(sequence=self.record.sequence + 1 + skipped, step=envelope)
        self.record.take(view)

    def play(self) -> dict[str, Ceremony]:
        """Honest shares of the members that the coordinator plays."""
        return {name: Ceremony.make(name, context_of(self.record), os.urandom) for name in OTHERS}

    def ceremony(
        self,
        own: Ceremony,
        *,
        played: Mapping[str, Ceremony] | None = None,
        opened: Mapping[str, Opening] | None = None,
        named: Mapping[str, bytes] | None = None,
        change: Callable[[Roster], dict[str, Any]] = lambda roster: {},
    ) -> Roster:
        """Everybody's commitment and share, then the roster with all of them.

        opened: what some reveal in place of what they committed to; named: keys that the roster names in place of the
        revealed ones; change: fields of the roster that are not those of the proposal.
        """
        played = self.play() if played is None else played
        said, keys = {"bank-a": own, **played}, {"bank-a": self.victim, **self.played}
        for name, each in said.items():
            self.say("commit", name, {"commitment": each.commitment.hex()}, keys[name])
        openings = {name: each.opening for name, each in said.items()} | dict(opened or {})
        for name, opening in openings.items():
            self.say("reveal", name, {"opening": encode_opening(opening)}, keys[name])
        publics = {name: opening.public for name, opening in openings.items()} | dict(named or {})
        members = tuple(RosterMember(name, keys[name].public, publics[name], 10**10) for name in sorted(keys))
        roster = Roster(
            members,
            self.key.public,
            self.log.public,
            self.parameters,
            self.oversight,
            (Authority("e-id", self.authority.public),),
        )
        roster = replace(roster, **change(roster))
        self.say("roster", "relay", roster.encode(), self.key)
        return roster

    def part(self) -> Part:
        relay: Any = SimpleNamespace(
            view=lambda counter=0, *, after=0, wait_ms=0: self.view(*(() if self.submitted else ("commit",))),
            submit=lambda step: self.submitted.append(step.kind),
        )
        return Part(self.home, relay, self.record, no_snapshot)
