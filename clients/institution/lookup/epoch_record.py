"""This institution's replica of one epoch's record: signed steps, each verified before it is believed.

    record = EpochRecord(signers_of)                # filled by `take`, step by step, in the relay's order
    record.take(view)
    record.body("header", "relay"), record.bodies("secrets")

The relay's steps are believed under the coordinator's key, pinned at enrolment; members' and the pool's under the keys
that the relay's `propose` names. So the coordinator vouches for who the members are, as it does in training; for
itself this institution vouches: an epoch that gives its name another key is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.errors import ConfigurationError
from protocols.canonical import parse_canonical
from protocols.envelope import open_envelope
from protocols.errors import MessageError
from protocols.lookup.bound import MAX_STEP_BYTES
from protocols.signing import VerifyingKey
from protocols.wire import lookup_pb2 as wire

RELAY, POOL = "relay", "pool"


@dataclass
class EpochRecord:
    """One epoch's steps by kind and party. `relay` is the pinned key of the coordinator, `own` this institution's."""

    relay: VerifyingKey
    institution: str
    own: VerifyingKey
    counter: int = 0
    phase: str = ""
    sequence: int = 0
    pool_address: str = ""
    owed: tuple[str, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    progress: tuple[int, int] = (0, 0)
    _steps: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)

    def take(self, view: wire.EpochView) -> bool:
        """Add what a view brings; whether there was anything new. Raises SignatureError or MessageError."""
        if view.counter != self.counter:
            if self.counter:
                raise MessageError("view.counter", got=view.counter, expected=self.counter)
            self.counter = view.counter
        for recorded in view.steps:
            self._add(recorded)
        changed = bool(view.steps) or view.phase != self.phase
        self.phase, self.pool_address, self.owed = view.phase, view.pool_address, tuple(view.owed)
        self.waiting = tuple((entry.party, entry.what) for entry in view.waiting)
        self.progress = (view.done, view.total)
        return changed

    def _add(self, recorded: wire.Recorded) -> None:
        if recorded.sequence != self.sequence + 1:
            raise MessageError("record", got=f"sequence {recorded.sequence}", expected=self.sequence + 1)
        envelope = recorded.step
        claimed = wire.Step.FromString(envelope.body)
        step = open_envelope(envelope.SerializeToString(deterministic=True), wire.Step, self._key(claimed))
        if step.counter != self.counter:
            raise MessageError("step.counter", got=step.counter, expected=self.counter)
        if len(step.body) > MAX_STEP_BYTES:
            raise MessageError("step.body", got=f"{len(step.body)} bytes", expected=f"at most {MAX_STEP_BYTES}")
        if (step.kind, step.party) in self._steps:
            raise MessageError("record", got=f"a second {step.kind} of {step.party}", expected="one of each kind")
        self._steps[step.kind, step.party] = step.body
        self.sequence = recorded.sequence
        if (step.kind, step.party) == ("propose", RELAY):
            self._check_own_place()

    def _key(self, step: wire.Step) -> VerifyingKey:
        if step.party == RELAY or step.kind == "left":  # who was revoked cannot say so
            return self.relay
        proposal = self.body("propose", RELAY)
        if step.party == POOL:
            return VerifyingKey.from_hex(proposal["pool_key"])
        member = proposal["members"].get(step.party)
        if member is None:
            raise MessageError("step.party", got=step.party, expected="a member of the epoch")
        return VerifyingKey.from_hex(member["key"])

    def _check_own_place(self) -> None:
        """Nobody speaks for this institution: its own key stands under its own name, or it is not in the epoch."""
        own = self.body("propose", RELAY)["members"].get(self.institution)
        if own is not None and own.get("key") != self.own.hex:
            raise ConfigurationError(f"key of {self.institution}", got="another in the epoch", expected="its own")

    def has(self, kind: str, party: str) -> bool:
        return (kind, party) in self._steps

    def raw(self, kind: str, party: str) -> bytes:
        """The body of a step, canonical JSON bytes. Raises MessageError if it was not recorded."""
        try:
            return self._steps[kind, party]
        except KeyError as error:
            raise MessageError("record", got=f"no {kind} of {party}", expected="a recorded step") from error

    def body(self, kind: str, party: str) -> Any:
        """The value of a step's body. Raises MessageError or EncodingError."""
        return parse_canonical(self.raw(kind, party))

    def bodies(self, kind: str) -> Mapping[str, Any]:
        """The bodies of all steps of one kind, by party."""
        return {party: parse_canonical(body) for (of, party), body in self._steps.items() if of == kind}

    @property
    def takes_part(self) -> bool:
        """Whether this institution is a member of the epoch."""
        return self.has("propose", RELAY) and self.institution in self.body("propose", RELAY)["members"]
