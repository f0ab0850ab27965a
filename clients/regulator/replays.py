"""Replays: what was committed to before a round, the beacons, what was drawn, and what came out. Part of step 9.

1. One commitment for an attempt, logged before its reservation. Where the plan says that its rounds can be replayed, or
   the policy demands it, or the institution has begun to commit, no reservation of the run is without.
2. Every beacon is the next element of the chain that the log names, for a checkpoint that is older and of this tree:
   for the first that a quorum cosigned and that contains a commitment still without one.
3. Nothing was handed out before the beacon that it was to be drawn with.
4. Every draw was answered in time by a replay that matches, update hash for update hash; or by the word that the
   attempt was aborted, where the ledger gave it up, handed out nothing, and no round averaged anything of it.
   A draw of an attempt that was never committed to or never reserved (of no such round) is noted: nobody owes an answer
   to it, and none is held against who gave one. What 1. and step 9 demand keeps an institution from choosing that.
"""

from __future__ import annotations

from collections import Counter, deque

from clients.regulator.attempts import Attempt, Committed, Drawn, Reserved, Revealed, name_of
from clients.regulator.findings import day
from clients.regulator.line import Line
from clients.regulator.plans import Plans
from clients.regulator.recent_trees import RecentTrees
from clients.regulator.steps.base import Step
from federation.ledger.entries import Entry, Kind
from federation.ledger.release import ROUND_PHASES, Release
from federation.oversight import ROUND, RoundStatement
from federation.oversight.members import REGULATOR, RegulatorStatement
from federation.oversight.replay import ABORTED, BeaconStatement, Draw, ReplayCommitment, ReplayResult
from protocols.errors import ProofError, ProtocolError
from protocols.replay import BeaconTrail
from protocols.transparency import Quorum

NOT_FIRST = "beacon_not_first"
KINDS = frozenset({REGULATOR, ROUND, BeaconStatement.kind, ReplayCommitment.kind, Draw.kind, ReplayResult.kind})


class Replays:
    """Checks on behalf of `step`, which keeps the findings. Told every entry once, after the plans."""

    def __init__(self, step: Step, plans: Plans) -> None:
        self._step, self._plans = step, plans
        self._committed: dict[Attempt, Committed] = {}
        self._reserved: dict[str, Reserved] = {}  # by the reservation's hash
        self._attempted: set[Attempt] = set()  # of these
        self._committing: set[tuple[str, str, str]] = set()  # institution, run, phase
        self._anchor = ""
        self._anchors: set[str] = set()
        self._trail: BeaconTrail | None = None
        self._size = 0  # the largest that a beacon has named
        self._waiting: deque[int] = deque()  # commitments that no beacon covers
        self._trees = RecentTrees()  # since then
        self._beacons: list[Revealed] = []
        self._draws: dict[str, Drawn] = {}
        self._results: Counter[bool] = Counter()
        self._aborted: list[tuple[Line, Attempt]] = []

    def take(self, line: Line) -> None:
        """Raises ProtocolError for a statement that has not its form."""
        if line.signed is not None:
            self._ledger_entry(line, line.signed.entry, line.signed.hash)
        elif line.kind in KINDS and line.content is not None:
            if line.kind == REGULATOR:
                self._regulator(line, RegulatorStatement.from_json(line.content))
            elif line.kind == ROUND:
                self._round(line, RoundStatement.from_json(line.content))
            elif line.kind == ReplayCommitment.kind:
                self._commitment(line, ReplayCommitment.from_json(line.content))
            elif line.kind == BeaconStatement.kind:
                self._beacon(line, BeaconStatement.from_json(line.content))
            elif line.kind == Draw.kind:
                self._draws[line.leaf.hex()] = Drawn(line, Draw.from_json(line.content))
            else:
                self._result(line, ReplayResult.from_json(line.content))
        if self._waiting:
            self._trees.take(self._step.case.tree, line.leaf)

    def finish(self) -> None:
        for drawn in self._draws.values():
            self._check_answered(drawn)
        for line, attempt in self._aborted:
            self._check_aborted(line, attempt)
        self._check_first()
        self._tell_repeated()
        unused = Counter(attempt[0] for attempt, each in self._committed.items() if not each.update_hash)
        for institution, count in sorted(unused.items()):
            self._step.note(f"{institution}: {count} commitments without an update: given up, or under way")
        if self._committed:
            used = len(self._committed) - sum(unused.values())
            self._step.fact(f"{used} updates from committed seeds, {len(self._beacons)} beacons")
        if self._draws:
            self._step.fact(f"{len(self._draws)} draws; {self._results[True]} replays match bit for bit")

    # 1. Commitments.

    def _commitment(self, line: Line, said: ReplayCommitment) -> None:
        attempt = (said.institution, said.run_id, said.phase, said.round, said.attempt)
        known = self._committed.get(attempt)
        if known is not None:
            got = f"a second commitment to {name_of(attempt)}"
            self._step.fail("replay-commitment", got, f"one, at {known.index}: two are a choice of noise", line)
            return
        self._committed[attempt] = Committed(line.index, said.code_digest)
        self._committing.add(attempt[:3])
        self._waiting.append(line.index)

    def _ledger_entry(self, line: Line, entry: Entry, hash_: str) -> None:
        release = entry.release
        if release is None or release.phase not in ROUND_PHASES:
            return
        attempt = (entry.institution, release.run_id, release.phase, release.round, release.attempt)
        if entry.kind is Kind.RESERVE:
            self._reserved[hash_] = Reserved(attempt)
            self._attempted.add(attempt)
            if attempt not in self._committed:
                self._uncommitted(line, attempt, release)
            return
        if not entry.update_hash and entry.reservation in self._reserved:
            self._reserved[entry.reservation].given_up = True
        elif entry.kind is Kind.SPEND and entry.update_hash and attempt in self._committed:
            self._spent(line, attempt, entry.update_hash)

    def _uncommitted(self, line: Line, attempt: Attempt, release: Release) -> None:
        plan, policy = self._plans.by_hash.get(release.plan_hash), self._step.case.policy
        declared = plan is not None and plan.replay and release.phase == "train"
        if declared or attempt[:3] in self._committing:
            got = "reserved without a commitment that is logged before"
            self._step.fail(f"replay of {name_of(attempt)}", got, "one, as for all rounds of this run", line)
        elif policy.replays_required and release.phase == "train":
            got = "a round that nobody can replay"
            self._step.fail(f"replay of {name_of(attempt)}", got, "a commitment, as the policy demands", line)

    def _round(self, line: Line, said: RoundStatement) -> None:
        for averaged in said.updates.values():
            reserved = self._reserved.get(averaged.reservation_hash)
            if reserved is not None:
                reserved.averaged = line.index

    def _tell_repeated(self) -> None:
        """Whoever gives attempts up may have looked at their noise first."""
        attempts = Counter(each.attempt[:4] for each in self._reserved.values() if each.attempt in self._committed)
        for (institution, run, phase, round), count in sorted(attempts.items()):
            where = f"{institution}: {run}, {phase} round {round}"
            if count > 1:
                self._step.note(f"{where}: {count} attempts with noise of their own, each of them charged")

    # 2. and 3. Beacons.

    def _regulator(self, line: Line, said: RegulatorStatement) -> None:
        """A new chain may begin; an old one, whose elements are known, may not."""
        if said.beacon_anchor == self._anchor:
            return
        if said.beacon_anchor in self._anchors:
            self._step.fail("regulator.beacon_anchor", "a chain that was used before", "a new one", line)
        self._anchor = said.beacon_anchor
        self._anchors.add(said.beacon_anchor)
        self._trail = BeaconTrail(bytes.fromhex(said.beacon_anchor))

    def _beacon(self, line: Line, said: BeaconStatement) -> None:
        # a. The next element of the chain that the log names, for a larger checkpoint than any before.
        if self._trail is None:
            self._step.fail("beacon", "one of no chain", "a regulator with an anchor, logged before", line)
            return
        try:
            self._trail.follow(said.beacon)
        except ProofError as error:
            self._step.fail_with(error, line)
            return
        if said.size <= self._size:
            self._step.fail("beacon.size", said.size, f"above {self._size}", line)
        # b. Revealed after the checkpoint: what it covers is in the log before it.
        if said.size > line.index:
            self._step.fail("beacon.size", said.size, f"at most {line.index}, the entries before it", line)
        # c. The checkpoint is of this log. Where no commitment waits, nothing rests on it.
        root = self._trees.advance(said.size)
        if root is not None and root.hex() != said.root:
            self._step.fail("beacon.root", said.root, f"{root.hex()}, of the first {said.size} entries", line)
        quorum = self._step.case.roster.quorum if self._step.case.roster.witnesses else None
        self._beacons.append(Revealed(line, said, self._waiting[0] if self._waiting else None, quorum))
        self._size = max(self._size, said.size)
        while self._waiting and self._waiting[0] < self._size:
            self._waiting.popleft()
        if not self._waiting:
            self._trees.forget()

    def _spent(self, line: Line, attempt: Attempt, update_hash: str) -> None:
        committed = self._committed[attempt]
        committed.update_hash = update_hash
        if committed.index >= self._size:
            got = "an update that was handed out before its beacon"
            self._step.fail(f"replay of {name_of(attempt)}", got, "noise that nobody could choose", line)

    def _check_first(self) -> None:
        """Another checkpoint than the first is a choice. The log lets no smaller one have its quorum afterwards."""
        notes = {note.checkpoint.size: note.data for note in self._step.case.notes if note.checkpoint is not None}
        for each in self._beacons:
            since = each.said.size if each.waiting is None else each.waiting
            between = sorted(size for size in notes if since < size < each.said.size)
            first = next((size for size in between if self._met(each.quorum, notes[size])), None)
            if first is not None:
                expected = f"{first}, the first that a quorum cosigned with the commitment at {since}"
                self._step.fail(NOT_FIRST, f"a checkpoint of {each.said.size}", expected, each.line)
        if self._beacons:
            named, sizes = {each.said.size for each in self._beacons}, {size for size, _ in self._step.case.quorate}
            self._step.fact(f"{len(named & sizes)} beacons name checkpoints whose quorum this export shows")

    def _met(self, quorum: Quorum | None, note: bytes) -> bool:
        try:
            return quorum is not None and bool(quorum.check(note, self._step.case.policy.log))
        except ProtocolError:
            return False

    # 4. Draws.

    def _result(self, line: Line, said: ReplayResult) -> None:
        attempt = (said.institution, said.run_id, said.phase, said.round, said.attempt)
        where = f"replay of {name_of(attempt)}"
        drawn = self._draws.get(said.draw)
        if drawn is None or (drawn.said.institution, drawn.said.place) != (said.institution, said.place):
            self._step.fail(where, "an answer to no draw of this round", "the draw that is logged before", line)
            return
        if said.findings and not said.aborted and not self._exists(attempt):
            self._step.note(f"Log entry {line.index}: {where}: {', '.join(said.findings)}; there was no such attempt")
            return
        if drawn.answered is None:
            drawn.answered = line.index
        self._results[said.matches] += 1
        committed = self._committed.get(attempt)
        if said.aborted:
            self._aborted.append((line, attempt))
        elif not said.matches:
            self._verdict(line, where, ", ".join(said.findings))
        elif committed is None or said.update_hash != committed.update_hash:
            handed = "none" if committed is None else committed.update_hash or "none"
            self._step.fail(f"{where}: update_hash", said.update_hash, f"{handed}, as its ledger handed out", line)
        elif said.code_digest != committed.code_digest:
            self._step.fail(f"{where}: code_digest", said.code_digest, f"{committed.code_digest}, as committed", line)

    def _check_aborted(self, line: Line, attempt: Attempt) -> None:
        """Nothing was released: the ledger says so too, and so does everybody's silence."""
        where = f"replay of {name_of(attempt)}: {ABORTED}"
        committed = self._committed.get(attempt)
        reserved = next((each for each in self._reserved.values() if each.attempt == attempt), None)
        if committed is not None and committed.update_hash:
            self._step.fail(where, f"update {committed.update_hash} was handed out", "nothing that was released", line)
        elif reserved is not None and reserved.averaged is not None:
            self._step.fail(where, f"averaged, by log entry {reserved.averaged}", "nothing that was released", line)
        elif reserved is None or not reserved.given_up:
            self._step.fail(where, "an attempt that its ledger has not given up", "one that it has", line)
        else:
            self._step.note(f"Log entry {line.index}: {where}: nothing was released")

    def _check_answered(self, drawn: Drawn) -> None:
        said, late = drawn.said, self._step.case.is_over(drawn.said.deadline, drawn.answered)
        where = f"replay of {name_of(drawn.attempt)}"
        if not self._exists(drawn.attempt):
            self._step.note(f"Log entry {drawn.line.index}: {where}: drawn, and the log has no such attempt")
        elif late:
            got = "no answer" if drawn.answered is None else f"an answer at log entry {drawn.answered}, too late"
            self._verdict(drawn.line, where, f"{got}; it was due {day(said.deadline)}")
        elif drawn.answered is None:
            self._step.note(f"{where}: drawn, and not yet due")

    def _exists(self, attempt: Attempt) -> bool:
        """Whether there is anything to compute again, by what was read so far."""
        return attempt in self._committed and attempt in self._attempted

    def _verdict(self, line: Line, where: str, got: str) -> None:
        """Red, unless the policy only wants to be told."""
        if self._step.case.policy.audits_must_pass:
            self._step.fail(where, got, "bit for bit what was handed out, in time", line)
        else:
            self._step.note(f"Log entry {line.index}: {where}: {got}")
