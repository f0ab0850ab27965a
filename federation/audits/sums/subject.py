"""What is audited under a recipe of sums: the trainer an institution would serve its next round with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.audits.instrument import F32, F64, Source
from federation.errors import PrivacyError
from federation.privacy.event import GaussianEvent
from federation.training.sums.recipe import Stage

if TYPE_CHECKING:
    from federation.privacy.noise import NoiseSource
    from federation.privacy.plan import PrivacyPlan
    from federation.records.encoded import Encoded
    from federation.training.sums import SumModel

I64: TypeAlias = NDArray[np.int64]


class SummingTrainer(Protocol):
    """What serves production: `federation.training.sums.trainer.SumTrainer` is one."""

    def round(self, number: int, state: F32, records: Encoded) -> I64:
        """The sum over `records` of round `number`, and noise; int64 [width] in lattice points."""
        ...


@dataclass(frozen=True)
class SumSubject:
    """`build` makes the trainer from a noise source, in the very way the institution does for a round.

    model    the auditor's own, made from the plan: what it says of widths and sensitivities is the claim
    privacy  of the plan
    noise    production's own source
    stated   cumulative epsilon (PLD) after these rounds, in their order, as the institution's ledger says

    Raises PrivacyError without stated epsilons.
    """

    build: Callable[[NoiseSource], SummingTrainer]
    model: SumModel
    privacy: PrivacyPlan
    noise: NoiseSource
    stated: Mapping[int, float]

    def __post_init__(self) -> None:
        if not self.stated:
            raise PrivacyError("stated", got="no epsilon", expected="one for each round")

    @property
    def stages(self) -> dict[Stage, tuple[int, ...]]:
        """The rounds of each stage, from 1."""
        numbered = groupby(enumerate(self.model.rounds, start=1), key=lambda each: each[1])
        return {stage: tuple(number for number, _ in rounds) for stage, rounds in numbered}

    @property
    def provision(self) -> int:
        """How many members' noise the plan counts on: one under local noise."""
        return 1 if self.privacy.sharing is None else self.privacy.sharing.provision

    def sigma(self, number: int) -> float:
        """Claimed standard deviation, in lattice points, of what this member adds in round `number`."""
        return float(self.privacy.noise_share(number) * self.model.sensitivity(number))

    def multiplier(self, number: int) -> float:
        """Noise of that round's sum, over the sensitivity."""
        return self.privacy.round_event(number).noise_multiplier

    def own_events(self) -> list[GaussianEvent]:
        """What this member's releases of a whole run cost beside its own noise alone, spare rounds as planned."""
        spare = self.privacy.rounds + 1
        numbers = [*range(1, spare), *[spare] * self.privacy.spare_rounds]
        return [GaussianEvent(1.0, float(self.privacy.noise_share(number)), 1) for number in numbers]

    def planned_events(self) -> list[GaussianEvent]:
        """What all releases of training cost, as the plan says: planned and spare rounds."""
        spare = self.privacy.rounds + 1
        return [self.privacy.round_event(number) for number in (*range(1, spare), *[spare] * self.privacy.spare_rounds)]


class SumBench:
    """A trainer under observation. A new one is built for every round, as production does."""

    def __init__(self, subject: SumSubject) -> None:
        self.subject = subject

    def silent(self, number: int, state: F32, records: Encoded) -> I64:
        """The round's release on a source whose noise is zeros; what else it gives is production's own."""
        return self._observe(number, state, records, noisy=False)[0]

    def noisy(self, number: int, state: F32, records: Encoded) -> tuple[I64, list[F64]]:
        """A release with noise, and what was drawn for it."""
        return self._observe(number, state, records, noisy=True)

    def produced(self, number: int, state: F32, records: Encoded) -> I64:
        """A release on production's own source: nothing is replaced."""
        return self._checked(number, self.subject.build(self.subject.noise).round(number, state.copy(), records))

    def _observe(self, number: int, state: F32, records: Encoded, *, noisy: bool) -> tuple[I64, list[F64]]:
        source = Source(self.subject.noise, noisy=noisy, script=lambda _: None, present=(0.0, 1.0))
        released = self.subject.build(source).round(number, state.copy(), records)
        return self._checked(number, released), source.drawn

    def _checked(self, number: int, released: I64) -> I64:
        width = self.subject.model.width(number)
        if released.shape != (width,) or released.dtype != np.int64:
            got = f"{released.dtype} {released.shape}"
            raise PrivacyError(f"release of round {number}", got=got, expected=f"int64 ({width},)")
        return released


def squared_norm(vector: Iterable[int]) -> int:
    """Exact, of a vector of any size."""
    return sum(int(value) ** 2 for value in vector)
