"""The regulator at work: one turn follows the log as far as it has got, then says what the regulator owes.

watcher = Watcher.open(home, clock=time.time)
watcher.turn(wait=30.0)                       # raises LogUnreachable; an alarm ends in an alert

A turn 1. fetches and verifies the next checkpoint, 2. judges the new entries, 3. cosigns (on disk before), 4. takes the
others' cosignatures, 5. reveals beacons and draws rounds, 6. sends what the log has not answered, 7. fetches documents.
Between turns it takes the openings that institutions handed to the mailbox, and signs for them.
Killed at any moment, it goes on: statements are kept before they are sent, one for each slot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from clients.regulator.case import honest_time
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import Alarm, LogReader, Mirror, MirrorStore, Shelf
from clients.regulator.policy import Policy
from clients.regulator.rotation import conclude, cosigning_key, is_own
from clients.regulator.watch.judge import Judge
from clients.regulator.watch.lateness import Late, stale, unreachable
from clients.regulator.watch.outbox import Outbox
from clients.regulator.watch.replays import ReplayProgress, drawn
from clients.regulator.watch.thorough import is_quorate, verify_copy
from federation.errors import FederationError
from federation.oversight.replay import BeaconStatement
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError
from protocols.transparency import (
    Checkpoint,
    Cosigned,
    attach,
    cosign,
    open_checkpoint,
    split_note,
)

PAUSE_S = 2.0
BEACON_PAUSE_S = 0.2
COLLECT_S = 10.0  # between two looks for openings
QUORUM_WAIT_S = 1.0  # where the other witnesses' cosignatures are still to come
_DAY = 86_400
# Of the ten steps, in their order.
CODES = (
    "manifest",
    "signatures",
    "chains",
    "inclusion",
    "consistency",
    "quorum",
    "epsilon",
    "caps",
    "rounds",
    "person",
)
_log = get_logger("watch")


@dataclass
class Watcher:
    """One per home: two would be two witnesses with one key. `clock` is Unix time (s). One thread."""

    home: RegulatorHome
    store: MirrorStore
    log: LogReader
    policy: Policy
    clock: Callable[[], float]
    mirror: Mirror = field(init=False)
    judge: Judge = field(init=False)
    shelf: Shelf = field(init=False)
    outbox: Outbox = field(init=False)
    progress: ReplayProgress = field(default_factory=ReplayProgress)
    quorum_size: int = 0  # of the newest checkpoint with a quorum of the roster
    _cosigned: int = -1
    _quorum_at: float = field(init=False)  # when that was cosigned; before there is one: since when it is waited for
    _heard_at: float = field(init=False)
    _verified_at: float = 0.0
    _collected_at: float = 0.0

    @classmethod
    def open(cls, home: RegulatorHome, *, clock: Callable[[], float] = time.time) -> Watcher:
        """Judges the whole copy again. Raises ConfigurationError, or LedgerError where the copy was changed."""
        store = MirrorStore.open(home.database_url)
        log = LogReader(home.settings.log_url, home.authority)
        return cls(home, store, log, home.policy, clock)

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.store, self.policy.log, self.home.anchor, self.home.alarm, self.clock)
        self.judge = Judge(self.policy)
        self.shelf = Shelf(self.home.documents, self.policy.coordinator)
        self.outbox = Outbox(self.home, self.store, self.policy.log, self._alert_late)
        self._quorum_at = self._heard_at = self.clock()
        self._judge_news()

    def run(self, stop: threading.Event) -> None:
        """Turn after turn until `stop`; a log that is away is asked again, an alarm is waited out."""
        while not stop.is_set():
            try:
                # A round waits for a beacon, and a quorum comes together without any new entry.
                waits = self.progress.uncovered(self.mirror.tree.size)
                longest = self.home.settings.watch.wait_s
                lonely = self.quorum_size < self.mirror.tree.size
                wait = 0.0 if waits else min(longest, QUORUM_WAIT_S) if lonely else longest
                size, began = self.mirror.tree.size, time.monotonic()
                self.turn(wait)
                # A log at which too many wait answers at once, with nothing new: that is no reason to ask in a row.
                rushed = self.mirror.tree.size == size and time.monotonic() - began < wait / 2
                self.verify_if_due()
                self.collect_if_due()
                pause = BEACON_PAUSE_S if waits else 0.0 if wait and not rushed else PAUSE_S
            except (FederationError, ProtocolError) as error:
                _log.error("nothing followed", code=getattr(error, "code", type(error).__name__))
                pause = PAUSE_S
            self.look_at_clock()
            stop.wait(pause)

    def turn(self, wait: float = 0.0) -> None:
        """Once. Raises LogUnreachable, Alarm, LedgerError (an alarm not cleared), MessageError or SignatureError."""
        note = self.log.checkpoint(after=self.mirror.tree.size, wait=wait)
        self._heard_at = self.clock()
        try:
            self.mirror.advance(self.log, note)
        except Alarm as alarm:
            _log.error("this witness cosigns nothing any more", code=alarm.code)
            raise
        self._judge_news()
        self._cosign(note)
        self._take_cosignatures(note)
        if conclude(self.home, self.judge.case.roster.successions, self.quorum_size):
            _log.info("the witness key was handed over, the old one is erased")
        self.outbox.check_promises(self.mirror.tree.size, self._heard_at)
        self._owe_beacon()
        self._owe_draws()
        if is_own(self.home, self.judge.case.roster.regulator):  # the log would not take what another says
            self.outbox.send(self.log, self.clock())
        self.shelf.fetch(self.log, self.quorum_size)

    def verify_if_due(self) -> bool:
        """The complete ten steps, where they are due; True if they were run."""
        if self.clock() - self._verified_at < self.home.settings.watch.verify_every_s or not self._witnessed:
            return False
        verdict = verify_copy(self.home, self.store, self.clock())
        self._verified_at = self.clock()
        for step in verdict.steps:
            for finding in step.findings:
                self._alert(CODES[step.number - 1], finding.place, str(finding))
        return True

    def collect_if_due(self) -> int:
        """Take the openings that wait in the mailbox, once a draw was revealed; how many were signed for now."""
        due = self.clock() - self._collected_at >= COLLECT_S
        if not due or not any(seen.revealed for seen in self.judge.draws.seen.values()):
            return 0
        from clients.regulator.inquiries.collecting import collect, shipped  # which import this package
        from clients.regulator.inquiries.copied import CopiedLog

        self._collected_at = self.clock()
        judge = self.judge
        copied = CopiedLog(self.store, self.quorum_size, judge.draws, judge.epochs, judge.taken)
        kept = collect(self.home, self.store, copied, shipped(), self.log, self.clock()).kept
        if kept:
            _log.info("openings taken", count=kept)
        return kept

    def look_at_clock(self) -> None:
        """Alerts where the log is away, or no quorum meets, for longer than the settings allow."""
        now, limits = self.clock(), self.home.settings.watch
        self._alert_late(unreachable(self._heard_at, now, limits.unreachable_after_s))
        self._alert_late(stale(self.quorum_size, self._quorum_at, now, limits.stale_after_s))

    @property
    def _witnessed(self) -> bool:
        """Whether a quorum of the policy has ever met: in a young federation its witnesses have yet to join."""
        note = self.store.note_of(self.quorum_size)
        return note is not None and is_quorate(self.policy, note, self.judge.case.roster.successions)

    def _judge_news(self) -> None:
        for data in self.store.entries(self.judge.size, self.mirror.tree.size):
            line, findings = self.judge.take(data)
            self.progress.take(line, self.judge.case.roster)
            self.shelf.take(line)
            for step, finding in findings:
                self._alert(CODES[step - 1], finding.place, str(finding))
        named = self.judge.case.roster.regulator
        if named is not None and not is_own(self.home, named):
            self._alert("registration", "regulator", "the log names other keys or another chain than this home's")

    def _cosign(self, note: bytes) -> None:
        size = open_checkpoint(note, self.policy.log).size
        if size == 0 or size <= self._cosigned:
            return
        self.mirror.anchor_at(note)
        text, _ = split_note(note)
        key = cosigning_key(self.home, self.judge.case.roster.successions, size)
        signed = attach(note, [cosign(text, key, self.clock())])
        self.log.cosign(signed)
        self.mirror.merge(signed)  # after the log has it: what is a quorum here is one there
        self._cosigned = size

    def _take_cosignatures(self, note: bytes) -> None:
        """What the other witnesses signed; a quorum is the roster's, which institutions hold beacons to."""
        self.mirror.merge(note)
        newest = self.log.cosigned()
        if newest is None or not self.mirror.merge(newest):
            return
        cosigned = self._quorate(newest)
        if cosigned is not None and cosigned.checkpoint.size > self.quorum_size:
            self.quorum_size = cosigned.checkpoint.size
            self._quorum_at = honest_time(cosigned.times.values(), self.judge.case.roster.quorum.faults)

    def _quorate(self, note: bytes) -> Cosigned | None:
        try:
            return self.judge.case.roster.quorum.check(note, self.policy.log, self.clock())
        except ProtocolError:
            return None

    def _owe_beacon(self) -> None:
        """A beacon for the first checkpoint with a quorum that contains the oldest commitment without one."""
        said = [BeaconStatement.read(each.entry, self.home.signing_key.public) for each in self.store.said("beacon")]
        covered = max((beacon.size for beacon in said), default=0)
        self.progress.covered = max(self.progress.covered, covered)
        oldest = self.progress.oldest_uncovered()
        if oldest is None or oldest >= self.quorum_size:
            return
        note = self.log.first_cosigned(oldest)
        point = None if note is None else self._own(note)
        if point is None or point.size <= max(oldest, covered):
            return
        # An element is revealed once, also where this database came from a backup and the log knows better.
        index = 1 + max(self.progress.revealed, *(beacon.index for beacon in said), 0)
        preimage = self.home.beacon_chain.preimage(index).hex()
        entry = BeaconStatement(point.size, point.root.hex(), index, preimage).entry(self.home.signing_key)
        self.store.keep(f"beacon/{index}", entry, self.clock())

    def _own(self, note: bytes) -> Checkpoint | None:
        """The checkpoint of `note`, where a quorum cosigned it and the copy leads to its root. Raises Alarm for another
        root than was seen.
        """
        cosigned = self._quorate(note)
        if cosigned is None:
            return None
        point = cosigned.checkpoint
        if not self.mirror.merge(note) and self.mirror.root_at(point.size) != point.root:  # a database from a backup
            return None
        return point

    def _owe_draws(self) -> None:
        """Of updates whose round a quorum has cosigned: nobody can exchange them any more."""
        settings, secret = self.home.settings.draw, self.home.draw_key
        known = {said.slot for said in self.store.said("draw")}
        for update in self.progress.drawable(self.quorum_size):
            if update.slot not in known and drawn(secret, update, settings.rate):
                deadline = int(self.clock()) + settings.window_days * _DAY
                self.store.keep(update.slot, update.draw(deadline).entry(self.home.signing_key), self.clock())

    def _alert_late(self, late: Late | None) -> None:
        if late is not None:
            self._alert(*late)

    def _alert(self, code: str, place: str, text: str) -> None:
        if self.store.alert(code, place, text, self.clock()):
            _log.error("the trail is not as it should be", code=code)
