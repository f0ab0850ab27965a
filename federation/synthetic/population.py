"""Persons who do not exist: a latent creditworthiness, demographics, and the institutions that know them.

A person is drawn once; each institution then sees that person through its own noise (`federation.synthetic.view`). All
of it is vectorised and comes from the one generator that is passed in: the same specification and seed give the same
bytes.

>>> people = draw_persons(PopulationSpec(persons=2_000), np.random.default_rng(7))
>>> bool(0.07 < people.bad.mean() < 0.13), people.member.shape
(True, (2000, 3))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

SEXES = ("female", "male")
MARITAL = ("single", "married", "divorced", "widowed")
NATIONALITIES = ("domestic", "foreign")
AGES = (18, 90)

_RISK_SLOPE = 2.4  # log-odds of default per standard deviation of creditworthiness
_DOWNTURN = 0.45  # log-odds of default, first to last vintage


@dataclass(frozen=True)
class PopulationSpec:
    """What is drawn: how many, seen by how many, over which quarters, at what average default rate."""

    persons: int = 60_000
    institutions: int = 3
    vintages: tuple[str, ...] = (
        "2023Q1", "2023Q2", "2023Q3", "2023Q4", "2024Q1", "2024Q2", "2024Q3", "2024Q4",
    )  # fmt: skip
    default_rate: float = 0.10

    def __post_init__(self) -> None:
        if not 100 <= self.persons <= 10_000_000:
            raise ConfigurationError("synth.persons", got=self.persons, expected="100 to 10 000 000")
        if not 1 <= self.institutions <= 50:
            raise ConfigurationError("synth.institutions", got=self.institutions, expected="1 to 50")
        if not self.vintages:
            raise ConfigurationError("synth.vintages", got="none", expected="at least one quarter")
        if not 0.005 <= self.default_rate <= 0.5:
            raise ConfigurationError("synth.default_rate", got=self.default_rate, expected="0.005 to 0.5")


@dataclass(frozen=True)
class Persons:
    """n persons. Categories are positions in SEXES, MARITAL and NATIONALITIES; `vintage` in the specification's list.

    creditworthiness  latent, mean 0, standard deviation 1, higher is better; no institution ever sees it
    risk              probability of default within the next twelve months
    bad               whether that person then defaulted
    income            true yearly income
    member            [n, K] who is a customer where; every person is a customer of at least one
    """

    identifier: NDArray[np.str_]
    creditworthiness: Floats
    risk: Floats
    bad: Bools
    income: Floats
    sex: Ints
    age: Ints
    marital_status: Ints
    nationality: Ints
    vintage: Ints
    drift: Floats
    member: Bools

    def __len__(self) -> int:
        return len(self.creditworthiness)


def draw_persons(spec: PopulationSpec, rng: np.random.Generator) -> Persons:
    """The population of `spec`. Deterministic in (spec, state of rng)."""
    n = spec.persons
    sex, age, marital, nationality = _demographics(n, rng)
    worth = _creditworthiness(sex, age, marital, nationality, rng)
    vintage = rng.integers(0, len(spec.vintages), n)
    drift = vintage / max(len(spec.vintages) - 1, 1)
    risk = _risk(worth, drift, spec.default_rate)
    return Persons(
        identifier=_identifiers(n, rng),
        creditworthiness=worth,
        risk=risk,
        bad=rng.random(n) < risk,
        income=_income(worth, sex, age, nationality, drift, rng),
        sex=sex,
        age=age,
        marital_status=marital,
        nationality=nationality,
        vintage=vintage,
        drift=drift,
        member=_memberships(worth, age, spec.institutions, rng),
    )


def _demographics(n: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    sex = rng.integers(0, 2, n)
    age = np.clip(np.round(18 + rng.gamma(2.7, 10.0, n)), *AGES).astype(np.int64)
    nationality = (rng.random(n) < 0.14).astype(np.int64)
    ever_married = rng.random(n) < _sigmoid((age - 31) / 7)
    ended = rng.random(n)
    widowed = ended < 0.30 * _sigmoid((age - 74) / 7)
    divorced = ended > 0.82
    marital = np.where(~ever_married, 0, np.where(widowed, 3, np.where(divorced, 2, 1)))
    return sex, age, marital, nationality


def _creditworthiness(sex: Ints, age: Ints, marital: Ints, nationality: Ints, rng: np.random.Generator) -> Floats:
    """Latent worth: mostly the person's own, with the modest group differences that real portfolios show."""
    worth = rng.standard_normal(len(sex))
    worth += 0.22 * (age - 45) / 14 - 0.06 * sex + 0.10 * (marital == 1) - 0.12 * (marital == 2) - 0.18 * nationality
    return np.asarray((worth - worth.mean()) / worth.std())


def _income(worth: Floats, sex: Ints, age: Ints, nationality: Ints, drift: Floats, rng: np.random.Generator) -> Floats:
    """Yearly income: log-normal with a Pareto-like tail, a hump over age and 6% nominal growth over the vintages."""
    level = 10.15 + 0.20 * worth + 0.10 * sex - 0.10 * nationality - 0.35 * ((age - 48) / 25) ** 2 + 0.06 * drift
    tail = 0.12 * rng.exponential(1.0, len(worth)) * (rng.random(len(worth)) < 0.10) * 5
    return np.asarray(np.exp(level + 0.42 * rng.standard_normal(len(worth)) + tail))


def _risk(worth: Floats, drift: Floats, default_rate: float) -> Floats:
    """Probability of default; the intercept is bisected until the mean is `default_rate`."""
    slope = -_RISK_SLOPE * worth + _DOWNTURN * (drift - 0.5)
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(middle + slope).mean() < default_rate else (low, middle)
    return _sigmoid((low + high) / 2 + slope)


def _memberships(worth: Floats, age: Ints, institutions: int, rng: np.random.Generator) -> Bools:
    """Who banks where: larger and smaller institutions, busy and quiet persons, and at least one for everybody."""
    size = np.linspace(0.35, -0.35, institutions) if institutions > 1 else np.zeros(1)
    busy = 0.15 * worth + 0.5 * np.sin((age - 18) / 72 * np.pi) + 0.9 * rng.standard_normal(len(worth))
    typical = np.log(1.25 / max(institutions - 1.25, 0.6))
    lean = np.linspace(0.35, -0.35, institutions) if institutions > 1 else np.zeros(1)  # prime and subprime lenders
    odds = size + typical + busy[:, None] + lean * worth[:, None] + rng.gumbel(0, 0.25, (len(worth), institutions))
    member: Bools = rng.random(odds.shape) < _sigmoid(odds)
    home = np.argmax(odds + rng.gumbel(size=odds.shape), axis=1)
    member[np.arange(len(worth)), home] = True
    return member


def _identifiers(n: int, rng: np.random.Generator) -> NDArray[np.str_]:
    """Distinct, meaningless nine-digit identifiers with no order in them."""
    start, step = int(rng.integers(0, 10**9)), 618_033_989  # step is coprime to 10**9: a permutation of nine digits
    numbers = (start + np.arange(n, dtype=np.int64) * step) % 10**9
    return np.char.add("P", np.char.zfill(numbers.astype("U9"), 9))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
