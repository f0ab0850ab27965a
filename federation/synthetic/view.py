"""What one institution knows of its customers: a noisy, partial and different view of the same persons.

Conduct at an institution is the person's creditworthiness plus a part that belongs to this pair alone (a person who
neglects one card may nurse the other), so two institutions together know more than either. Each institution is also
sharper in some dimensions than in others: the bank that receives the salary sees capacity, the card issuer sees use of
credit, the instalment lender sees payment history. Columns are those of the catalogue `synthetic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.synthetic.population import Bools, Floats, Ints, Persons

_PAIR_NOISE = 1.2  # standard deviation of conduct around creditworthiness, a (person, institution) pair
_SHARP, _PLAIN, _BLUNT = 0.6, 1.0, 1.5  # noise of a dimension's signal around conduct
_STRENGTHS = (
    {"history": _PLAIN, "utilisation": _BLUNT, "capacity": _SHARP, "stability": _SHARP, "enquiries": _PLAIN},
    {"history": _PLAIN, "utilisation": _SHARP, "capacity": _BLUNT, "stability": _PLAIN, "enquiries": _BLUNT},
    {"history": _SHARP, "utilisation": _PLAIN, "capacity": _PLAIN, "stability": _BLUNT, "enquiries": _SHARP},
)
Column = NDArray[Any]  # one column: float64, int64 or text


@dataclass(frozen=True)
class View:
    """One institution's records: who they are about (positions in the population) and the columns, in file order.

    Numbers are plain; NaN in a float column is a value the institution does not have.
    """

    institution: int
    rows: Ints
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class _Seen:
    """The customers of one institution and the signals of their conduct there, each of about unit variance."""

    age: Ints
    income: Floats
    drift: Floats
    worth: Floats
    signal: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.age)


def draw_view(people: Persons, institution: int, rng: np.random.Generator) -> View:
    """The records of `institution` about its customers. Deterministic in (people, institution, state of rng)."""
    rows = np.flatnonzero(people.member[:, institution])
    seen = _observe(people, rows, institution, rng)
    employment = _employment(seen, rng)
    columns = {**_history(seen, rng), **_utilisation(seen, rng)}
    columns |= _capacity(seen, columns["revolving_balance"], employment["employment_type"], rng)
    columns |= employment | _tenure(seen, rng) | _enquiries(seen, rng)
    _lose_some(columns, institution, rng)
    return View(institution, rows, columns)


def _observe(people: Persons, rows: Ints, institution: int, rng: np.random.Generator) -> _Seen:
    worth = people.creditworthiness[rows]
    conduct = worth + _PAIR_NOISE * rng.standard_normal(len(rows))
    noise = _STRENGTHS[institution % len(_STRENGTHS)]
    signal = {
        name: (conduct + sd * rng.standard_normal(len(rows))) / np.sqrt(1 + _PAIR_NOISE**2 + sd**2)
        for name, sd in noise.items()
    }
    return _Seen(people.age[rows], people.income[rows], people.drift[rows], worth, signal)


def _history(seen: _Seen, rng: np.random.Generator) -> dict[str, Column]:
    """Delinquencies are zero-inflated: most customers never had one."""
    trouble = -seen.signal["history"] - 0.75 + 0.20 * seen.drift
    late = trouble > 0
    excess = np.maximum(trouble, 0)
    worst = np.where(late, np.minimum(1 + rng.poisson(1.1 * excess), 6), 0)
    accounts = np.where(late, 1 + rng.poisson(0.6 * excess), 0)
    defaults = rng.poisson(np.exp(np.minimum(1.3 * trouble - 2.2, 2.0)))
    recent = np.floor(24 * rng.beta(1.0 + 0.2 * (worst <= 1), 1.0 + 0.8 * excess))
    older = rng.random(len(seen)) < _sigmoid(0.9 * trouble - 0.6)
    since = np.where(late, recent, np.where(older, np.floor(24 + rng.exponential(30, len(seen))), -1))
    due = rng.integers(4, 36, len(seen))
    missed = rng.binomial(due, _sigmoid(1.5 * trouble - 2.6))
    share = np.where(rng.random(len(seen)) < 0.04, -1.0, np.round(1 - missed / due, 3))
    return {
        "worst_delinquency_24m": worst,
        "months_since_delinquency": np.minimum(since, 120).astype(np.int64),
        "delinquent_accounts_24m": np.minimum(accounts, 50),
        "defaults_60m": np.minimum(defaults, 20),
        "on_time_share_12m": share,
    }


def _utilisation(seen: _Seen, rng: np.random.Generator) -> dict[str, Column]:
    """Revolving credit: a spike of customers who pay in full, a broad middle, and a few over the limit."""
    n, signal = len(seen), seen.signal["utilisation"]
    limit = np.exp(np.log(seen.income / 12) + 0.55 + 0.25 * signal + 0.5 * rng.standard_normal(n))
    limit = np.where(rng.random(n) < 0.15, 0.0, np.maximum(np.round(limit, -2), 200.0))
    full = rng.random(n) < _sigmoid(0.9 * signal - 1.2)
    use = np.where(
        full, 0.12 * rng.random(n), _sigmoid(-0.35 - 1.15 * signal + 0.9 * rng.standard_normal(n) + 0.2 * seen.drift)
    )
    use = np.where(rng.random(n) < 0.04 * _sigmoid(-2 * signal), 1 + 0.25 * rng.random(n), use)
    balance = np.where(rng.random(n) < 0.08 * full, 0.0, np.round(use * limit, 2))
    peak = np.round(np.minimum(use + 0.35 * rng.exponential(0.5, n) * (1 - np.minimum(use, 1)) + 0.02, 10), 3)
    ratio = np.where(full, 0.9 + 0.3 * rng.random(n), np.exp(-2.6 + 0.65 * signal + 0.8 * rng.standard_normal(n)))
    minimum = np.where(full, 0, rng.binomial(6, _sigmoid(-1.3 - 0.95 * signal + 0.7 * rng.standard_normal(n))))
    return {
        "revolving_balance": balance,
        "revolving_limit": limit,
        "peak_utilisation_6m": np.where(limit > 0, peak, -1.0),
        "payment_ratio_3m": np.where(balance > 0, np.round(np.minimum(ratio, 100), 3), -1.0),
        "minimum_payments_6m": np.where(limit > 0, minimum, 0),
    }


def _capacity(seen: _Seen, revolving: Column, employment: Column, rng: np.random.Generator) -> dict[str, Column]:
    """Income as stated here, savings held here, obligations as far as this institution knows them."""
    n, signal = len(seen), seen.signal["capacity"]
    income = np.round(seen.income / 12 * np.exp(0.15 * signal + 0.10 * rng.standard_normal(n)), -1)
    income = np.where(employment == "unemployed", np.round(0.45 * income, -1), income)
    burden = _sigmoid(-1.35 - 0.75 * signal + 0.55 * rng.standard_normal(n) + 0.15 * seen.drift)
    instalments = np.where(rng.random(n) < 0.18, 0.0, np.round(burden * income, 0))
    term = np.exp(3.0 + 0.8 * rng.standard_normal(n)) + 120 * (rng.random(n) < 0.22)
    savings = np.exp(6.6 + 0.95 * signal + 0.012 * (seen.age - 45) + 1.1 * rng.standard_normal(n))
    savings = np.where(rng.random(n) < _sigmoid(-1.7 - 0.8 * signal), 0.0, np.round(savings, 2))
    hidden = rng.random(n) < np.where(employment == "self_employed", 0.16, 0.04)
    return {
        "monthly_income": np.where(hidden, np.nan, income),
        "monthly_instalments": instalments,
        "total_debt": np.round(instalments * term * 0.8 + revolving, 2),
        "savings_balance": savings,
    }


def _employment(seen: _Seen, rng: np.random.Generator) -> dict[str, Column]:
    n, signal = len(seen), seen.signal["stability"]
    u = rng.random(n)
    jobless = _sigmoid(-3.2 - 0.75 * signal + 0.3 * seen.drift)
    temporary = _sigmoid(-1.9 - 0.55 * signal - 0.03 * (seen.age - 40))
    kind = np.where(u < jobless, "unemployed", np.where(u < jobless + temporary, "temporary", "permanent"))
    kind = np.where((kind == "permanent") & (rng.random(n) < 0.10), "self_employed", kind)
    kind = np.where(rng.random(n) < _sigmoid((seen.age - 65) * 0.8), "retired", kind)
    months = np.floor(rng.exponential(62 * np.exp(0.40 * signal)) * np.where(kind == "temporary", 0.25, 1.0))
    months = np.clip(months, 0, np.minimum((seen.age - 17) * 12, 720)).astype(np.int64)
    return {
        "employment_type": kind,
        "months_employed": np.where((kind == "retired") | (kind == "unemployed"), -1, months),
    }


def _tenure(seen: _Seen, rng: np.random.Generator) -> dict[str, Column]:
    adult = (seen.age - 18) * 12 + rng.integers(0, 12, len(seen))
    oldest = adult * rng.beta(2.2 * np.exp(0.25 * seen.signal["stability"]), 1.8)
    here = oldest * rng.beta(1.1, 1.6 * np.exp(-0.25 * seen.signal["stability"]))
    return {
        "months_oldest_account": np.minimum(oldest, 960).astype(np.int64),
        "months_with_institution": np.minimum(here, 960).astype(np.int64),
    }


def _enquiries(seen: _Seen, rng: np.random.Generator) -> dict[str, Column]:
    n, signal = len(seen), seen.signal["enquiries"]
    year = rng.poisson(np.exp(np.clip(-0.35 - 0.60 * signal + 0.35 * rng.standard_normal(n), -5, 3)))
    quarter = rng.binomial(year, _sigmoid(-1.0 - 0.35 * signal))
    older = np.where(rng.random(n) < _sigmoid(0.1 - 0.6 * signal), rng.integers(12, 25, n), -1)
    since = np.where(quarter > 0, rng.integers(0, 3, n), np.where(year > 0, rng.integers(3, 12, n), older))
    return {
        "enquiries_3m": np.minimum(quarter, 100),
        "enquiries_12m": np.minimum(year, 200),
        "months_since_enquiry": since,
        "accounts_opened_12m": np.minimum(rng.poisson(np.exp(np.clip(-0.9 - 0.45 * signal, -5, 3))), 50),
    }


def _lose_some(columns: dict[str, Column], institution: int, rng: np.random.Generator) -> None:
    """Gaps: one to five per cent of the values of the columns that this institution collects carelessly."""
    careless = sorted(columns)[institution % 4 :: 4]
    for name in careless:
        if columns[name].dtype.kind in "if" and name != "monthly_income":
            gone: Bools = rng.random(len(columns[name])) < rng.uniform(0.01, 0.05)
            columns[name] = np.where(gone, np.nan, columns[name].astype(np.float64))


def _sigmoid(x: NDArray[np.floating[Any]]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
