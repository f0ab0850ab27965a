"""The life of one attempt: a state machine that an institution follows and that whoever reads the log can retrace.

    committed -> ready -> used -> sealed -> drawn
        |          |        |        |        |
        +----------+--------+--------+--------+--> destroyed

committed  the seed's commitment is in the log, the beacon is not known
ready      the beacon is known: masks and noise could be drawn, and nobody has seen anything of them
used       the model came and budget was reserved: the randomness belongs to this model for ever
sealed     the update is computed and stored; the same request gets the same bytes
drawn      the regulator asked for this attempt to be replayed
destroyed  the seed is gone: nothing can be replayed, and the update no longer tells the gradient to a thief

An attempt that was used and not sealed (a crash, an abort) can be drawn too: it is replayed like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from protocols.errors import StageError


class Stage(StrEnum):
    COMMITTED = "committed"
    READY = "ready"
    USED = "used"
    SEALED = "sealed"
    DRAWN = "drawn"
    DESTROYED = "destroyed"


@dataclass(frozen=True)
class Attempt:
    """Where an attempt stands. Every step returns the next state; one out of order raises StageError.

    beacon            32 bytes (hex) once known
    model_hash        of the input model (hex) once used, `reservation_hash` of the ledger entry that paid for it
    update_hash       of what was sent (hex) once sealed
    """

    stage: Stage = Stage.COMMITTED
    beacon: str = ""
    model_hash: str = ""
    reservation_hash: str = ""
    update_hash: str = ""

    def learn(self, beacon: str) -> Attempt:
        """The beacon is known. The same once more changes nothing; another is refused."""
        if self.stage is Stage.READY and self.beacon == beacon:
            return self
        self._require("beacon", Stage.COMMITTED)
        return replace(self, stage=Stage.READY, beacon=beacon)

    def use(self, model_hash: str, reservation_hash: str) -> Attempt:
        """A request came: the randomness is this model's, now and for ever."""
        if self.stage in (Stage.USED, Stage.SEALED, Stage.DRAWN) and self.model_hash != model_hash:
            raise StageError("replay.model", got="another model", expected="the one this attempt was used for")
        self._require("request", Stage.READY)
        return replace(self, stage=Stage.USED, model_hash=model_hash, reservation_hash=reservation_hash)

    def seal(self, update_hash: str) -> Attempt:
        """The update is computed and stored."""
        self._require("update", Stage.USED)
        return replace(self, stage=Stage.SEALED, update_hash=update_hash)

    def repeats(self, model_hash: str) -> bool:
        """Whether a request is the one already answered, so that the stored bytes are sent again. Nothing is drawn.

        False where this attempt was not used yet. Raises StageError for another model, and for one whose answer is not
        stored: the seed must not be used twice, and the request needs an attempt of its own.
        """
        if self.stage in (Stage.COMMITTED, Stage.READY):
            return False
        if self.model_hash != model_hash:
            raise StageError("replay.model", got="another model", expected="the one this attempt was used for")
        if not self.update_hash:
            raise StageError("replay.attempt", got="used, and no answer stored", expected="an attempt of its own")
        return True

    def draw(self) -> Attempt:
        """The regulator wants it replayed; once more changes nothing."""
        if self.stage is Stage.DRAWN:
            return self
        self._require("draw", Stage.USED, Stage.SEALED)
        return replace(self, stage=Stage.DRAWN)

    def destroy(self) -> Attempt:
        """The seed is gone; once more changes nothing."""
        return replace(self, stage=Stage.DESTROYED)

    def _require(self, what: str, *stages: Stage) -> None:
        if self.stage not in stages:
            raise StageError(f"replay.{what}", got=f"an attempt that is {self.stage}", expected=" or ".join(stages))
