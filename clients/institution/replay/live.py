"""Replays in production: each attempt's seed is committed to ahead of time, and used once its beacon is known.

    replays = LiveReplays(home, roots)           # the node's; `follow` runs in a thread of its own
    replays.prepare(place)                       # committed to and logged while the node does something else
    replays.ready(place, seconds)                # returns once the beacon is known. Raises Refused (no_beacon)
    noise = replays.noise(place, checked, hash)  # once
    replays.seal(place, update_hash)

Everything is on disk before it is said or used, so a process that dies goes on where it was: an attempt that was
committed to says the same again, one that was reserved or used is lost, and the next one is another attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.witness import NOTE
from clients.institution.replay.draws import forget_draw, keep_draw
from clients.institution.replay.evidence import running_code
from clients.institution.replay.logged import check_first
from clients.institution.replay.randomness import SealedRandomness
from clients.institution.replay.sealed_store import SealedStore
from clients.institution.replay.trail import Drawn, ReplayTrail
from federation.errors import Refused
from federation.ledger.release import Phase
from federation.oversight.replay import Place
from federation.privacy import NoiseSource
from federation.rounds import CheckedRequest, Code, model_to_bytes
from federation.runtime.logging import get_logger
from protocols.errors import ProofError, StageError
from protocols.replay import Beacon, Stage
from protocols.transparency import (
    Entry,
    Promise,
    VerifierKey,
    open_checkpoint,
    verify_consistency,
    verify_inclusion,
    verify_promise,
)

POLL_S = 0.2  # between two looks for a beacon that is waited for
LOOK_S = 2.0  # between two looks for draws
EXPIRE_S = 3600.0
_log = get_logger("replay")


class LiveReplays:
    """One home's; `roots` gives the root of the record set of a phase, `reserved` whether the ledger has an attempt,
    `clock` Unix time (s).
    """

    def __init__(
        self,
        home: InstitutionHome,
        roots: Callable[[Phase], bytes],
        reserved: Callable[[Place], bool],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._reserved, self._clock = home, reserved, clock
        self._roots = lru_cache(roots)
        self._folder, self._log_key = OversightFolder(home.path), VerifierKey.of(home.log_key)
        self._store = SealedStore.open(home.path)
        self._randomness = lru_cache(
            lambda phase: SealedRandomness(
                self._store, home.name, records=self._roots(phase), code=running_code(), clock=clock
            )
        )
        overseers = self._folder.overseers()
        self._trail = ReplayTrail(home.name, home.signing_key.public, home.coordinator_key, overseers)
        self._changed = threading.Condition()
        self._read = False
        self._wanted: dict[Place, None] = {}
        self._lost: set[Place] = set()  # committed to in the log, by a seed that is not here
        self._expired_at = 0.0
        self._early: list[Drawn] = []  # draws of what is not there (yet)

    # What the node asks for ---------------------------------------------------------------------------------------

    def overseen(self, seconds: float) -> bool:
        """Whether the log names a regulator; waits for the first look at the log."""
        with self._changed:
            self._changed.wait_for(lambda: self._read, seconds)
        return self._trail.overseen

    def prepare(self, place: Place) -> None:
        """Have `place` committed to, if it is not, and its beacon learned."""
        sealed = self._store.get(place)
        if place not in self._lost and (sealed is None or sealed.attempt.stage is Stage.COMMITTED):
            with self._changed:
                self._wanted[place] = None
                self._changed.notify_all()

    def ready(self, place: Place, seconds: float) -> None:
        """Returns once the beacon of `place` is known. Raises Refused (no_beacon)."""
        self.prepare(place)
        with self._changed:
            if not self._changed.wait_for(lambda: place not in self._wanted, max(seconds, 0.0)):
                got = "none yet" if self._trail.overseen else "no regulator in the log"
                raise Refused(Code.NO_BEACON, "beacon", got=got, expected=f"the regulator's within {seconds:.1f} s")

    def fits(self, place: Place) -> bool:
        """Whether the attempt can be used: never used, its seed is here, and it was committed to these very records.

        Otherwise it must be given up, in the ledger: a second commitment to it would be a choice.
        """
        sealed = self._store.get(place)
        if place in self._lost or sealed is None or sealed.attempt.stage is not Stage.READY:
            return False
        with suppress(StageError):
            return self._store.secret(place).hide(self._roots(place.phase)).hex() == sealed.commitment.record_root
        return False

    def noise(self, place: Place, checked: CheckedRequest, reservation_hash: str) -> NoiseSource:
        """The attempt's noise, once. Raises StageError where it was used."""
        randomness = self._randomness(place.phase)
        context = randomness.context(place, model_hash=checked.model_hash.hex(), plan_hash=checked.plan.hash)
        return randomness.noise(context, model_to_bytes(checked.model), reservation_hash)

    def seal(self, place: Place, update_hash: str) -> None:
        """The update is computed and stored."""
        self._randomness(place.phase).seal(place, update_hash)

    # What the thread does -----------------------------------------------------------------------------------------

    def follow(self, log: LogClient, stop: threading.Event) -> None:
        """Until `stop`. Raises what the log's calls raise: it is begun again with another connection."""
        while not stop.is_set():
            self.turn(log)
            with self._changed:
                wanted = bool(self._wanted)
                if not wanted:
                    self._changed.wait(LOOK_S)
            if wanted:
                stop.wait(POLL_S)

    def turn(self, log: LogClient) -> None:
        """Once: what is new in the log, what is wanted, what was drawn, what has had its time."""
        self._trail.read(log)
        with self._changed:
            self._read = True
            wanted = list(self._wanted)
            self._changed.notify_all()
        for place in wanted:
            if self._trail.overseen and self._advance(log, place):
                with self._changed:
                    self._wanted.pop(place, None)
                    self._changed.notify_all()
        self._notice_draws()
        if self._clock() - self._expired_at > EXPIRE_S:
            self._expired_at = self._clock()
            for place in self._store.expire(self._expired_at):
                _log.info("seed destroyed, its time is over", run_id=place.run_id, round=place.round)

    def _advance(self, log: LogClient, place: Place) -> bool:
        """One step for `place`; True once there is none left: ready, or lost."""
        found = self._trail.first(place)
        if found is None:
            self._say(log, self._randomness(place.phase).commit(place).entry(self._home.signing_key))
            return False
        position, entry, said = found
        sealed = self._store.get(place)
        if sealed is None or sealed.commitment != said:
            _log.error("the log has a commitment whose seed is not here", run_id=place.run_id, round=place.round)
            self._lost.add(place)
            return True
        if sealed.attempt.stage is Stage.COMMITTED:
            try:
                beacon = self._trail.beacon(position)
            except StageError:
                return False
            if not self._founded(log, beacon, entry, position):
                return False
            self._randomness(place.phase).learn(place, beacon)
        return True

    def _say(self, log: LogClient, entry: Entry) -> None:
        [answer] = log.append([entry])
        verify_promise(Promise.decode(answer), entry.hash, self._log_key, self._clock())

    def _founded(self, log: LogClient, beacon: Beacon, entry: Entry, position: int) -> bool:
        """Whether this home's own witness has checked a tree that goes on from the beacon's; False: not yet.

        Raises ProofError where it does not, the commitment is not in the beacon's tree at its place, or a quorum had
        cosigned a smaller tree that has it: of two beacons one could be chosen.
        """
        note = self._folder.read(NOTE)
        seen = None if note is None else open_checkpoint(note, self._log_key)
        if seen is None or seen.size < beacon.size:
            return False
        verify_consistency(log.consistency(beacon.size, seen.size), beacon.size, seen.size, beacon.root, seen.root)
        at, path = log.inclusion(entry.hash, beacon.size)
        if at != position:
            raise ProofError("replay.commitment", got=f"place {at}", expected=f"{position}")
        verify_inclusion(path, entry.hash, at, beacon.size, beacon.root)
        check_first(log.first_cosigned(position), self._trail.quorum, self._log_key, beacon)
        return True

    def _notice_draws(self) -> None:
        """Keep the seeds of what was drawn, and tell. A draw of what was never begun waits until it is, if ever."""
        fresh = self._trail.draws()
        drawn, self._early = (*self._early, *fresh), []
        for each in drawn:
            place = each.draw.place
            facts: dict[str, object] = {"institution": self._home.name, "entry_hash": each.entry.hash.hex()}
            facts |= {"run_id": place.run_id, "phase": place.phase, "round": place.round}
            if self._trail.first(place) is None or not self._reserved(place):
                self._early.append(each)
                forget_draw(self._home.path, each.entry)
                if each in fresh:
                    _log.warning("a draw names no attempt of this institution", **facts)
                continue
            with suppress(StageError):  # never used, or destroyed: the replay will say so
                self._store.hold(place, each.draw.deadline)
            if keep_draw(self._home.path, each.entry):
                _log.warning("drawn for replay", **facts)
