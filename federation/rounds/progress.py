"""Where a run stands: one value, written after every round; from it alone the run resumes.

The model, the round it is the result of and who was averaged into it are one document, so a round is either in it or
not: it is never averaged twice. The published model is the mean of the last `average_last` models (tail averaging).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from federation.errors import ConfigurationError
from federation.rounds.averaging import F32, F64, model_hash, model_to_bytes
from federation.rounds.plan import Document, TrainingPlan
from federation.rounds.reply import Update


class RoundRecord(Document):
    """A finished round: the hash of the model that was sent out, and the hash of each update averaged into the next."""

    round: int
    model_hash: str
    updates: dict[str, str]
    reservations: dict[str, str]


class Checkpoint(Document):
    """`model` (float32) and `tail` (float64, mean of the last `tail_count` models): base64, little-endian."""

    max_bytes: ClassVar[int] = 2**30

    plan_hash: str
    round: int
    model: str
    tail: str
    tail_count: int
    rounds: tuple[RoundRecord, ...]

    @classmethod
    def start(cls, plan: TrainingPlan, initial: F32) -> Self:
        """Round 0: nothing averaged yet."""
        return cls(
            plan_hash=plan.hash, round=0, model=_encode(model_to_bytes(initial)), tail="", tail_count=0, rounds=()
        )

    def check(self, plan: TrainingPlan, size: int) -> Self:
        """Raises ConfigurationError if this is the checkpoint of another plan, or no sound one."""
        if self.plan_hash != plan.hash:
            raise ConfigurationError("checkpoint.plan_hash", got=self.plan_hash, expected=plan.hash)
        if self.parameters.size != size:
            raise ConfigurationError("checkpoint.model", got=self.parameters.size, expected=f"{size} parameters")
        if [record.round for record in self.rounds] != list(range(1, self.round + 1)) or self.round > plan.rounds:
            raise ConfigurationError("checkpoint.rounds", got="gaps", expected=f"1 to {self.round}, each once")
        return self

    @property
    def model_bytes(self) -> bytes:
        return base64.b64decode(self.model)

    @property
    def parameters(self) -> F32:
        """float32 [d]: the model the next round starts from."""
        return np.frombuffer(self.model_bytes, dtype="<f4").astype(np.float32)

    @property
    def published(self) -> F32:
        """float32 [d]: the mean of the last models, or the model itself before the tail begins."""
        return self._tail.astype(np.float32) if self.tail_count else self.parameters

    @property
    def _tail(self) -> F64:
        return np.frombuffer(base64.b64decode(self.tail), dtype="<f8").astype(np.float64)

    def advance(self, plan: TrainingPlan, updates: Mapping[str, Update], model: F32) -> Self:
        """The checkpoint after the next round, in which `updates` made `model` (`federation.rounds.rule`)."""
        tail, count = self._extend_tail(plan, model)
        record = RoundRecord(
            round=self.round + 1,
            model_hash=model_hash(self.model_bytes).hex(),
            updates={name: updates[name].update_hash for name in sorted(updates)},
            reservations={name: updates[name].reservation_hash for name in sorted(updates)},
        )
        return type(self)(
            plan_hash=self.plan_hash,
            round=record.round,
            model=_encode(model_to_bytes(model)),
            tail=tail,
            tail_count=count,
            rounds=(*self.rounds, record),
        )

    def _extend_tail(self, plan: TrainingPlan, model: F32) -> tuple[str, int]:
        if self.round + 1 <= plan.rounds - plan.recipe.average_last:
            return "", 0
        count = self.tail_count + 1
        previous = self._tail if self.tail_count else np.zeros(model.shape, dtype=np.float64)
        mean = previous + (model.astype(np.float64) - previous) / count
        return _encode(np.ascontiguousarray(mean, dtype="<f8").tobytes()), count


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
