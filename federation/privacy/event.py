"""The privacy event: what an accountant needs to know of a release, and nothing else.

>>> event = GaussianEvent(sampling_rate=0.2, noise_multiplier=7.63, steps=5)
>>> GaussianEvent.from_json(event.to_json()) == event
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

from federation.errors import PrivacyError


@dataclass(frozen=True, order=True)
class GaussianEvent:
    """`steps` Gaussian releases of L2 sensitivity 1 with standard deviation `noise_multiplier`.

    Each step sees every record independently with probability `sampling_rate` (Poisson sampling); 1.0: all records.
    Adjacency: add or remove one record.
    """

    mechanism: ClassVar[str] = "gaussian"

    sampling_rate: float
    noise_multiplier: float
    steps: int

    def __post_init__(self) -> None:
        if not 0 < self.sampling_rate <= 1:
            raise PrivacyError("event.sampling_rate", got=self.sampling_rate, expected="in (0, 1]")
        if not 0 < self.noise_multiplier < float("inf"):
            raise PrivacyError("event.noise_multiplier", got=self.noise_multiplier, expected="a positive number")
        if self.steps < 1:
            raise PrivacyError("event.steps", got=self.steps, expected="at least 1")

    def to_json(self) -> dict[str, Any]:
        return {"mechanism": self.mechanism, **self.__dict__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        if value.get("mechanism") != cls.mechanism:
            raise PrivacyError("event.mechanism", got=value.get("mechanism"), expected=cls.mechanism)
        return cls(float(value["sampling_rate"]), float(value["noise_multiplier"]), int(value["steps"]))


@dataclass(frozen=True, order=True)
class DiscreteGaussianEvent(GaussianEvent):
    """The same of integers: an integer sum, and discrete Gaussian noise that spans at least 2^20 of them."""

    mechanism: ClassVar[str] = "discrete_gaussian"


@dataclass(frozen=True, order=True)
class SharedGaussianEvent(DiscreteGaussianEvent):
    """The same of a sum over several institutions that added the noise in shares, under secure aggregation.

    It costs this much if the coordinator saw the sum alone and no more institutions collude than the plan provides for:
    the ledger's word for that trust (docs/secagg.md). A person known to m of them moves the one sum m times.
    """

    mechanism: ClassVar[str] = "shared_discrete_gaussian"


Event: TypeAlias = GaussianEvent
"""What may be reserved in a ledger and composed by the accountants: frozen, with `steps` and `to_json`."""

_KINDS: tuple[type[Event], ...] = (GaussianEvent, DiscreteGaussianEvent, SharedGaussianEvent)
_MECHANISMS = {kind.mechanism: kind for kind in _KINDS}


def read_event(value: Mapping[str, Any]) -> Event:
    """The event in `value`, of whatever mechanism. Raises PrivacyError for a mechanism that is not known."""
    kind = _MECHANISMS.get(str(value.get("mechanism")))
    if kind is None:
        expected = " or ".join(sorted(_MECHANISMS))
        raise PrivacyError("event.mechanism", got=str(value.get("mechanism"))[:40], expected=expected)
    return kind.from_json(dict(value))
