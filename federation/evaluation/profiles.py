"""Fairness profiles: data, not code. `profiles.toml` lists what is shipped; a jurisdiction may bring a file of its own.

>>> four_fifths = load_profiles()["four_fifths"]
>>> four_fifths.judge([Estimate(0.6, se=0.01), Estimate(0.5, se=0.01)]).holds
True
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from federation.errors import ConfigurationError
from federation.evaluation.uncertainty import Estimate

#: measure -> the figure of a group that is compared, and whether as a ratio (lowest / highest) or a gap
MEASURES = {
    "approval_ratio": ("approval_rate", True),
    "approval_gap": ("approval_rate", False),
    "good_refused_gap": ("fpr", False),
    "bad_refused_gap": ("tpr", False),
    "auc_gap": ("auc", False),
}


@dataclass(frozen=True)
class Comparison:
    """One profile on one attribute; `holds` is None where fewer than two groups can be compared.

    uncertain: the limit lies within two standard errors of the value, so noise or chance may decide.
    """

    profile: str
    title: str
    value: float | None
    limit: float
    holds: bool | None
    uncertain: bool = False


@dataclass(frozen=True)
class Profile:
    """What is compared between groups and from which value on questions are asked."""

    name: str
    title: str
    measure: str
    limit: float
    source: str = ""

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ConfigurationError(f"profile {self.name}.measure", got=self.measure, expected=sorted(MEASURES))
        if not 0 <= self.limit <= 1:
            raise ConfigurationError(f"profile {self.name}.limit", got=self.limit, expected="0 to 1")

    @property
    def figure(self) -> str:
        """The name of the group figure that is compared."""
        return MEASURES[self.measure][0]

    def judge(self, estimates: Sequence[Estimate]) -> Comparison:
        """Compare one estimate per group; suppressed ones are left out."""
        shown = sorted((e.value, e.se or 0.0) for e in estimates if e.value is not None)
        ratio = MEASURES[self.measure][1]
        if len(shown) < 2 or (ratio and shown[-1][0] <= 0):
            return Comparison(self.name, self.title, None, self.limit, None)
        (low, low_se), (high, high_se) = shown[0], shown[-1]
        value = low / high if ratio else high - low
        error = math.hypot(low_se, value * high_se) / high if ratio else math.hypot(low_se, high_se)
        holds = value >= self.limit if ratio else value <= self.limit
        return Comparison(self.name, self.title, value, self.limit, holds, abs(value - self.limit) < 2 * error)


def load_profiles(path: Path | None = None) -> dict[str, Profile]:
    """Profiles by name from a TOML file, the shipped ones by default. Raises ConfigurationError."""
    source = path or files("federation.evaluation").joinpath("profiles.toml")
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
        return {name: Profile(name=name, **fields) for name, fields in document.items()}
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigurationError(str(path or "profiles.toml"), got=str(error), expected="profiles in TOML") from error
