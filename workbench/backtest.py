"""Back-test: what would a federation have made of data that one owner already has?

    from workbench.backtest import backtest
    result = backtest("taiwan", "taiwan.csv.gz", institutions=5, split="even", epsilon=1.0, delta=1e-5, seeds=5)
    result.auc["federated"].mean, result.auc["alone_best"].mean, result.epsilon.pld

The records are split once into training and test (stratified, 80/20). For every seed the training records are dealt to
make-believe institutions and the federation's own plan, nodes, ledgers and round driver train one model over a grid in
this process, at the budget asked. Baselines without privacy are trained in the same run on the same records. Figures
are exact, on the test records: they are the owner's own data and never leave, so nothing is charged for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.evaluation.metrics import Metrics, evaluate
from federation.privacy import Claims, check_delta, check_enough_records
from federation.records import load_records
from federation.records.encoded import Encoded
from server.choices import Method, Noise, NoiseChoice, choose_noise
from server.plans import method_of, shared_by
from workbench.baselines import additive_logits, boosting_logits, federated_logits, outcomes
from workbench.in_process import train_in_process
from workbench.partition import Split, holdout, nominal_sizes, partition

Model = Literal["federated", "alone_best", "alone_mean", "federated_no_privacy", "central_additive", "central_boosting"]
MODELS: tuple[Model, ...] = (
    "federated", "alone_best", "alone_mean", "federated_no_privacy", "central_additive", "central_boosting",
)  # fmt: skip
FIGURES = ("auc", "ks", "ece")

TEST_FRACTION = 0.2
SPLIT_SEED = 2026  # one test set for every back-test of a file, so that two of them can be compared

Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all)


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of the sample, 0 for one) over the seeds."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


@dataclass(frozen=True)
class Settings:
    """What is asked of a back-test. `epsilon` and `delta` are the budget of one institution for the whole run.

    `noise` and `recipe` left open are chosen as in a deployment's plan.
    """

    institutions: int = 5
    split: Split = "even"
    epsilon: float = 1.0
    delta: float = 1e-5
    seeds: int = 5
    split_seed: int = SPLIT_SEED
    force: bool = False
    noise: Noise | None = None
    recipe: Method | None = None

    @property
    def choice(self) -> NoiseChoice:
        """Whose noise, and why."""
        averages = "federated averaging was asked for" if self.recipe == "fedavg" else None
        return choose_noise(self.noise, self.institutions, averages)

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= 100:
            raise ConfigurationError("seeds", got=self.seeds, expected="1 to 100")
        if self.institutions < 2:
            raise ConfigurationError("institutions", got=self.institutions, expected="at least 2")


@dataclass(frozen=True)
class BacktestResult:
    """Figures by model over the seeds; `epsilon` as accounted for the whole run of one institution."""

    catalogue: str
    catalogue_hash: str
    settings: Settings
    records: dict[str, int]
    nominal_records: tuple[int, ...]
    held_records: tuple[tuple[int, ...], ...]
    default_rates: tuple[tuple[float, ...], ...]
    auc: Mapping[Model, Spread]
    ks: Mapping[Model, Spread]
    ece: Mapping[Model, Spread]
    epsilon: Claims
    recipe: str
    rounds: int
    features_used: tuple[str, ...]
    cpu_seconds: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The documented layout of `--json`: `auc.federated.mean` and so on."""
        figures = {name: {m: asdict(s) for m, s in getattr(self, name).items()} for name in FIGURES}
        return {
            "catalogue": {"name": self.catalogue, "hash": self.catalogue_hash},
            **asdict(self.settings),
            "noise": self.settings.choice.noise,
            "noise_because": self.settings.choice.because,
            "epsilon_asked": self.settings.epsilon,
            **figures,
            "epsilon": {"pld": self.epsilon.pld, "prv": self.epsilon.prv, "rdp": self.epsilon.rdp},
            "epsilon_replace_one": self.epsilon.replace_one,
            "delta": self.epsilon.delta,
            "adjacency": self.epsilon.adjacency,
            "unit": "one record",
            "recipe": self.recipe,
            "rounds": self.rounds,
            "records": self.records,
            "nominal_records": list(self.nominal_records),
            "held_records": [list(sizes) for sizes in self.held_records],
            "default_rates": [list(rates) for rates in self.default_rates],
            "features_used": list(self.features_used),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "seconds": round(self.seconds, 2),
        }


def backtest(
    catalogue: str | Path,
    data: str | Path,
    *,
    institutions: int = 5,
    split: Split = "even",
    epsilon: float = 1.0,
    delta: float = 1e-5,
    seeds: int = 5,
    split_seed: int = SPLIT_SEED,
    force: bool = False,
    noise: Noise | None = None,
    recipe: Method | None = None,
    progress: Progress = lambda step, done, total: None,
) -> BacktestResult:
    """Back-test the catalogue (a shipped name or a file) on the records in `data` (.csv, .csv.gz, .parquet).

    Raises TooFewRecords, with the figures, where the records cannot carry the budget (unless `force`); PrivacyError
    where `delta` exceeds 1 / (10 x the largest nominal size); CatalogueError, RecordsError, ConfigurationError.
    """
    settings = Settings(institutions, split, epsilon, delta, seeds, split_seed, force, noise, recipe)
    standard = load_catalogue(catalogue)
    progress("read", 0, 1)
    records, _ = load_records(Path(data), standard)
    return backtest_records(standard, records, settings, progress=progress)


def backtest_records(
    catalogue: Catalogue,
    records: Encoded,
    settings: Settings,
    *,
    progress: Progress = lambda step, done, total: None,
) -> BacktestResult:
    """As `backtest`, on records that were read and encoded already."""
    wall, cpu = time.perf_counter(), time.process_time()
    train_rows, test_rows = holdout(outcomes(records), TEST_FRACTION, settings.split_seed)
    train, test = records.take(train_rows), records.take(test_rows)
    nominal = nominal_sizes(len(train), settings.institutions, settings.split)
    check_delta(settings.delta, nominal)
    sharing = shared_by(settings.institutions) if settings.choice.noise == "secagg" else None
    check_enough_records(settings.epsilon, settings.delta, nominal, sharing=sharing, force=settings.force)
    counter = _Counter(progress, total=2 + settings.seeds * (settings.institutions + 2))
    central = _central(catalogue, train, test, counter)
    trials = [_trial(catalogue, train, test, settings, seed, counter) for seed in range(settings.seeds)]
    figures = [central | trial.figures for trial in trials]
    return BacktestResult(
        catalogue=catalogue.name,
        catalogue_hash=catalogue.hash,
        settings=settings,
        records={"train": len(train), "test": len(test)},
        nominal_records=nominal,
        held_records=tuple(trial.held for trial in trials),
        default_rates=tuple(trial.default_rates for trial in trials),
        auc=_spreads(figures, "auc"),
        ks=_spreads(figures, "ks"),
        ece=_spreads(figures, "ece"),
        epsilon=trials[0].claims,
        recipe=trials[0].recipe,
        rounds=trials[0].rounds,
        features_used=tuple(feature.name for feature in catalogue.features),
        cpu_seconds=time.process_time() - cpu,
        seconds=time.perf_counter() - wall,
    )


Figures = dict[Model, dict[str, float]]


@dataclass(frozen=True)
class _Trial:
    figures: Figures
    held: tuple[int, ...]
    default_rates: tuple[float, ...]
    claims: Claims
    recipe: str
    rounds: int


class _Counter:
    """Steps done, told to whoever shows the progress."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, step: str) -> None:
        self._done += 1
        self._progress(step, self._done, self._total)


def _central(catalogue: Catalogue, train: Encoded, test: Encoded, done: _Counter) -> Figures:
    """The two models on all training records in one place: the same for every seed."""
    target = outcomes(test)
    additive = _figures(evaluate(target, additive_logits(catalogue, train, test)))
    done("central additive")
    boosting = _figures(evaluate(target, boosting_logits(catalogue, train, test)))
    done("central boosting")
    return {"central_additive": additive, "central_boosting": boosting}


def _trial(
    catalogue: Catalogue, train: Encoded, test: Encoded, settings: Settings, seed: int, done: _Counter
) -> _Trial:
    """One seed: deal the records, train privately, train the baselines that depend on who holds what."""
    label, target = f"seed {seed + 1} of {settings.seeds}", outcomes(test)
    parts = partition(train, settings.institutions, settings.split, np.random.default_rng(seed))
    members = [train.take(rows) for rows in parts.members]
    run = train_in_process(
        catalogue,
        members,
        parts.nominal,
        epsilon=settings.epsilon,
        delta=settings.delta,
        force=settings.force,
        seed=seed,
        noise=settings.choice.noise,
        method=settings.recipe,
    )
    federated = evaluate(target, run.logits(test))
    done(f"{label}: federation")
    alone = []
    for member in members:
        alone.append(_figures(evaluate(target, additive_logits(catalogue, member, test, seed=seed))))
        done(f"{label}: institutions alone")
    noiseless = evaluate(target, federated_logits(catalogue, run.plan, members, test, seed=seed))
    done(f"{label}: without privacy")
    figures: Figures = {
        "federated": _figures(federated),
        "alone_best": max(alone, key=lambda figure: figure["auc"]),
        "alone_mean": {name: float(np.mean([figure[name] for figure in alone])) for name in FIGURES},
        "federated_no_privacy": _figures(noiseless),
    }
    held = tuple(len(member) for member in members)
    rates = tuple(round(float(outcomes(member).mean()), 4) for member in members)
    return _Trial(figures, held, rates, run.claims, method_of(run.plan.recipe), run.plan.rounds)


def _figures(metrics: Metrics) -> dict[str, float]:
    return {name: float(getattr(metrics, name)) for name in FIGURES}


def _spreads(figures: list[Figures], name: str) -> dict[Model, Spread]:
    return {model: Spread.of([trial[model][name] for trial in figures]) for model in MODELS}
