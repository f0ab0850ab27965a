"""A federation of tests whose ledgers are said in a real log, with its members as witnesses; no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rounds_world import COORDINATOR, NAMES, START, Bank, World, key_of, make_plan

from federation.oversight.members import MemberStatement, Roster
from federation.oversight.reservations import logged
from federation.rounds.plan import TrainingPlan
from protocols.transparency import (
    Entry,
    LogKey,
    WitnessKey,
    attach,
    cosign,
    read_entry,
    split_note,
)
from server.log import LogStore
from server.oversight.trail import LogTrail

LOG_KEY = LogKey.from_pem(key_of("log").to_pem())


def witness_of(name: str) -> WitnessKey:
    return WitnessKey.from_pem(key_of(f"witness-{name}").to_pem())


def member_statement(name: str) -> MemberStatement:
    return MemberStatement(name, key_of(name).public.hex, witness_of(name).public.key.hex, 500, "admitted")


def cosigned(log: LogStore, *witnesses: str, now: float = START) -> bytes:
    """The checkpoint over all entries, cosigned and handed in by `witnesses`."""
    note = log.checkpoint()
    text, _ = split_note(note)
    both = attach(note, [cosign(text, witness_of(name), now) for name in witnesses])
    log.cosign(both, [witness_of(name).public for name in witnesses])
    return both


@dataclass
class BankTrail:
    """A bank's ledger in the log, at once; `honest=False` says nothing and waits for nothing."""

    log: LogStore
    witnesses: tuple[str, ...] = NAMES
    honest: bool = True
    bank: Bank | None = None
    said: int = 0

    def begin(self) -> None:
        self.settle()

    def settle(self) -> None:
        if not self.honest or self.bank is None:
            return
        entries = self.bank.ledger.entries(self.said)
        if entries:
            self.log.extend([logged(signed) for signed in entries])
            self.said = entries[-1].entry.sequence
            if self.witnesses:
                cosigned(self.log, *self.witnesses)


@dataclass
class LoggedWorld:
    """`world` over `log`; what every bank says is cosigned by all, unless a test says otherwise."""

    folder: Path
    plan: TrainingPlan = field(default_factory=make_plan)
    log: LogStore = field(init=False)
    world: World = field(init=False)
    trails: dict[str, BankTrail] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.world, names = World(self.folder / "run", self.plan), tuple(self.plan.by_name)
        self.log = LogStore.open(f"sqlite:///{self.folder / 'log.db'}", LOG_KEY, self.world.clock)
        self.log.extend([member_statement(name).entry(COORDINATOR) for name in names])
        self.trails = {name: BankTrail(self.log, names) for name in names}
        for number, (name, bank) in enumerate(self.world.banks.items(), start=10):
            self.trails[name].bank, bank.trail = bank, self.trails[name]
            bank.restart()
            self.world.handlers[number] = bank.node.handle

    def trail(self) -> LogTrail:
        """Of a driver that starts now."""
        return LogTrail(self.log, COORDINATOR.public, LOG_KEY.public)

    def entries(self, kind: str) -> list[Entry]:
        """What the log holds of one kind, in order."""
        return [read_entry(data) for _, data in self.log.entries(0, 1000, kind).entries]

    def roster(self) -> Roster:
        roster = Roster(COORDINATOR.public)
        for index, entry in enumerate(self.entries("member")):
            roster = roster.after(entry, index)
        return roster
