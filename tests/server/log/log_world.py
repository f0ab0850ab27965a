"""A log with its members, a regulator and their witnesses, in one process; and what serves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from federation.oversight.members import MemberStatement, RegulatorStatement
from protocols.signing import SigningKey
from protocols.transparency import (
    LogKey,
    Statement,
    WitnessKey,
    WitnessState,
    attach,
    cosign,
    open_checkpoint,
    split_note,
)
from server.log import LogHost, LogStore, Which

NOW = 1_900_000_000.0
KEY = LogKey.from_seed("example.com/log", bytes(32))
COORDINATOR = SigningKey.from_seed(bytes([9]) * 32)
REGULATOR = SigningKey.from_seed(bytes([8]) * 32)
BANKS = {f"bank-{letter}": SigningKey.from_seed(bytes([number]) * 32) for number, letter in enumerate("abc", 1)}


def witness_key(number: int) -> WitnessKey:
    """Under its federation name, like those that a roster names."""
    seed = WitnessKey.from_seed("unnamed", bytes([100 + number]) * 32)
    return WitnessKey.from_pem(seed.to_pem())


WITNESSES = [witness_key(number) for number in range(4)]  # the regulator's first


@dataclass
class Clock:
    """Unix and monotonic time at once; moved by hand."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Witness:
    """An honest witness: checks against what it has seen, then cosigns."""

    key: WitnessKey
    state: WitnessState = field(default_factory=WitnessState)

    def cosign(self, log: LogStore, note: bytes, now: float = NOW) -> bytes:
        """The note with this witness's line. Raises ProofError or StageError where it must not sign."""
        size = open_checkpoint(note, KEY.public).size
        proof = log.consistency(self.state.size, size) if self.state.size <= size else []
        self.state = self.state.consider(note, proof, KEY.public)
        return attach(note, [cosign(split_note(note)[0], self.key, now)])


def world(url: str, *, clock: Clock | None = None, anchor: Path | None = None, patience: float = 5.0) -> LogHost:
    """A host over a log that names three banks and a regulator, all of them witnesses: a quorum is three of four."""
    clock = clock or Clock()
    store = LogStore.open(url, KEY, clock, anchor=anchor)
    chain = "cd" * 32
    regulator = RegulatorStatement("regulator", REGULATOR.public.hex, WITNESSES[0].public.key.hex, chain, 100)
    entries = [regulator.entry(COORDINATOR)]
    for (name, key), witness in zip(BANKS.items(), WITNESSES[1:], strict=True):
        member = MemberStatement(name, key.public.hex, witness.public.key.hex, 1000, "admitted")
        entries.append(member.entry(COORDINATOR))
    store.extend(entries)
    return LogHost(store, KEY.public, COORDINATOR.public, clock=clock, patience=patience)


def said(kind: str, key: SigningKey, **content: object) -> Statement:
    return Statement.sign(kind, content, key)


def have_cosigned(host: LogHost, witnesses: list[Witness]) -> bytes:
    """The candidate, cosigned by each of `witnesses`."""
    note = host.note(Which.CANDIDATE)
    assert note is not None
    for witness in witnesses:
        host.cosign(witness.cosign(host.store, note))
    return note
