"""One private epoch of logistic regression on dense features, against plain torch and Opacus out of the box.

Six ways, one thread, CPU seconds, the same data, batch, learning rate and (where private) clip and noise:

plain         torch: nn.Linear, BCEWithLogitsLoss, SGD, shuffled tensor batches; no privacy
in_order      the same over slices of the tensors as they lie: no shuffling, no copy, the least plain torch can cost
closed_form   clipped gradients in closed form, Poisson sampling, plain SGD; no noise, no Opacus
private       the same gradients behind our Opacus optimiser: noise from the operating system, public divisor
exact         what deployments train: integers, discrete noise; the same features in bins, as the catalogue has them
make_private  Opacus as its tutorial has it: PrivacyEngine.make_private over a DataLoader

`exact` sees 100 features of 10 bins each where the others see 100 numbers: binning is done once, when records are read.
`ratio_vs_plain` is plain / private for building and one epoch; `speedup_vs_make_private` is make_private / private end
to end, that is with the PRV epsilon read off by both. Headlines are those of the largest size. Both private ways have
the same (q, sigma, steps). Every epoch is run in full; nothing is extrapolated.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import PrivacyEngine
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from federation.privacy import DiscreteGaussianEvent, GaussianEvent, OsNoise, epsilons
from federation.privacy.accounting import prv_epsilon
from federation.privacy.exact import ExactMechanism
from federation.privacy.mechanism import GaussianMechanism
from federation.training import Recipe
from federation.training.additive import AdditiveModel
from federation.training.logistic import clipped_residuals

BINS, EXACT_RATE = 10, 10.0
FEATURES, BATCH, TEST_RECORDS = 100, 2048, 50_000
CLIP, NOISE_MULTIPLIER, LEARNING_RATE, DELTA = 1.0, 1.0, 0.5, 1e-7


@dataclass(frozen=True)
class Task:
    """Training and test records of one size: x float32 [n, 100], y float32 [n], and the same in bins, uint8."""

    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    codes: NDArray[np.uint8]
    outcomes: NDArray[np.uint8]

    @classmethod
    def draw(cls, records: int, seed: int) -> Task:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((records + TEST_RECORDS, FEATURES), dtype=np.float32)
        z = x @ (rng.standard_normal(FEATURES, dtype=np.float32) / 8) - 1.2
        y = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(np.float32)
        held, asked = torch.from_numpy(x), torch.from_numpy(y)
        codes, outcomes = _binned(held[:records]), y[:records].astype(np.uint8)
        return cls(held[:records], asked[:records], held[records:], asked[records:], codes, outcomes)

    @property
    def event(self) -> GaussianEvent:
        """What a private epoch costs. Opacus turns a batch size into one over the number of batches: so do we."""
        steps = math.ceil(len(self.y) / BATCH)
        return GaussianEvent(1 / steps, NOISE_MULTIPLIER, steps)

    def auc(self, model: nn.Module) -> float:
        with torch.no_grad():
            return float(roc_auc_score(self.test_y.numpy(), model(self.test_x).squeeze(1).numpy()))


@dataclass(frozen=True)
class Outcome:
    """One epoch: CPU seconds of training and of accounting, test AUC, epsilon (0 where nothing private was done)."""

    seconds: float
    accounting: float
    auc: float
    epsilon: float


Trained = tuple[nn.Module, Callable[[], float | None]]  # a model, and how to read its epsilon off


def _linear() -> nn.Linear:
    model = nn.Linear(FEATURES, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def _plain_epoch(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Trained:
    model, loss = _linear(), nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for x, y in batches:
        optimizer.zero_grad()
        loss(model(x).squeeze(1), y).backward()
        optimizer.step()
    return model, lambda: 0.0


def plain(task: Task) -> Trained:
    order = torch.randperm(len(task.y))
    starts = range(0, len(order), BATCH)
    batches = (order[start : start + BATCH] for start in starts)
    return _plain_epoch((task.x.index_select(0, rows), task.y.index_select(0, rows)) for rows in batches)


def in_order(task: Task) -> Trained:
    starts = range(0, len(task.y), BATCH)
    return _plain_epoch((task.x[start : start + BATCH], task.y[start : start + BATCH]) for start in starts)


def _clipped_sums(task: Task, model: nn.Linear, mechanism: GaussianMechanism) -> None:
    """Leaves in p.grad the sum of clipped gradients over a Poisson sample."""
    rows = torch.from_numpy(mechanism.sample(len(task.y)))
    x, y = task.x.index_select(0, rows), task.y.index_select(0, rows)
    with torch.no_grad():
        norms = torch.hypot(torch.linalg.vector_norm(x, dim=1), torch.ones(1))
        residuals = clipped_residuals(model(x).squeeze(1), y, norms, mechanism)
        model.weight.grad = residuals.unsqueeze(0) @ x
        model.bias.grad = residuals.sum().unsqueeze(0)


def closed_form(task: Task) -> Trained:
    model, mechanism = _linear(), GaussianMechanism(task.event, clip=CLIP, noise=OsNoise())
    expected = task.event.sampling_rate * len(task.y)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE / expected)
    for _ in range(task.event.steps):
        _clipped_sums(task, model, mechanism)
        optimizer.step()
    return model, lambda: 0.0


def private(task: Task) -> Trained:
    model, mechanism = _linear(), GaussianMechanism(task.event, clip=CLIP, noise=OsNoise())
    optimizer = mechanism.optimizer(torch.optim.SGD(model.parameters(), lr=LEARNING_RATE), len(task.y))
    for _ in range(task.event.steps):
        optimizer.zero_grad()
        _clipped_sums(task, model, mechanism)
        optimizer.step()
    return model, lambda: prv_epsilon([task.event], DELTA)


class _Additive(nn.Module):
    """The trained additive model, read as the others are."""

    def __init__(self, model: AdditiveModel, weights: NDArray[np.float64]) -> None:
        super().__init__()
        self._model, self._weights = model, weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._model.logits(self._weights.astype(np.float32), _binned(x))).unsqueeze(1)


def _binned(x: torch.Tensor) -> NDArray[np.uint8]:
    """Bins of equal probability under the public standard normal distribution."""
    edges = norm.ppf(np.arange(1, BINS) / BINS).astype(np.float32)
    return np.searchsorted(edges, x.numpy()).astype(np.uint8)


def exact(task: Task) -> Trained:
    feature = SimpleNamespace(kind="ordinal", n_ordered=BINS, n_cells=BINS + 1)
    catalogue = SimpleNamespace(features=(feature,) * FEATURES, base_rate=0.23)
    model, event = AdditiveModel(catalogue), DiscreteGaussianEvent(**vars(task.event))  # type: ignore[arg-type]
    recipe = Recipe(learning_rate=EXACT_RATE, momentum=0.0)
    mechanism = ExactMechanism(event, clip=CLIP / 2, noise=OsNoise())
    weights = model.train(model.initial(), task.codes, task.outcomes, recipe, mechanism, len(task.y))
    return _Additive(model, weights), lambda: prv_epsilon([task.event], DELTA)


def make_private(task: Task) -> Trained:
    base = _linear()
    engine = PrivacyEngine(accountant="prv")
    model, optimizer, loader = engine.make_private(
        module=base,
        optimizer=torch.optim.SGD(base.parameters(), lr=LEARNING_RATE),
        data_loader=DataLoader(TensorDataset(task.x, task.y), batch_size=BATCH),
        noise_multiplier=NOISE_MULTIPLIER,
        max_grad_norm=CLIP,
    )
    loss = nn.BCEWithLogitsLoss()
    for x, y in loader:
        optimizer.zero_grad()
        loss(model(x).squeeze(1), y).backward()
        optimizer.step()
    return base, lambda: float(engine.get_epsilon(DELTA))


WAYS: dict[str, Callable[[Task], Trained]] = {
    "plain": plain,
    "in_order": in_order,
    "closed_form": closed_form,
    "private": private,
    "exact": exact,
    "make_private": make_private,
}


def measure(way: Callable[[Task], Trained], task: Task) -> Outcome:
    """One epoch, with the garbage collected beforehand."""
    gc.collect()
    start = time.process_time()
    model, read_epsilon = way(task)
    trained = time.process_time()
    epsilon = read_epsilon()
    accounted = time.process_time()
    return Outcome(trained - start, accounted - trained, task.auc(model), epsilon or math.inf)


def compare(task: Task, repeats: int, slow_repeats: int) -> dict[str, Any]:
    """Medians of every way, taken in turns so that a busy moment of the machine hits all of them."""
    runs: dict[str, list[Outcome]] = {name: [] for name in WAYS}
    for turn in range(repeats):
        for name, way in WAYS.items():
            if name != "make_private" or turn < slow_repeats:
                runs[name].append(measure(way, task))
    seconds = {name: statistics.median(run.seconds for run in done) for name, done in runs.items()}
    whole = {name: statistics.median(run.seconds + run.accounting for run in done) for name, done in runs.items()}
    auc = {name: statistics.fmean(run.auc for run in done) for name, done in runs.items()}
    epsilon = {name: runs[name][0].epsilon for name in ("private", "exact", "make_private")}
    return {
        "records": len(task.y),
        "repeats": {name: len(done) for name, done in runs.items()},
        "cpu_seconds": seconds,
        "cpu_seconds_with_accounting": whole,
        "auc": auc,
        "epsilon": {**epsilon, "pld": epsilons([task.event], DELTA).pld, "delta": DELTA},
        "ratio_vs_plain": seconds["plain"] / seconds["private"],
        "ratio_vs_plain_in_order": seconds["in_order"] / seconds["private"],
        "ratio_vs_plain_exact": seconds["plain"] / seconds["exact"],
        "speedup_vs_make_private": whole["make_private"] / whole["private"],
        "speedup_vs_make_private_exact": whole["make_private"] / whole["exact"],
        "auc_difference": abs(auc["private"] - auc["make_private"]),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes and repeats."""
    parser.add_argument("--sizes", type=int, nargs="+", default=[30_000, 150_000, 1_000_000], metavar="N")
    parser.add_argument("--repeats", type=int, default=5, help="epochs per way and size; the median counts")
    parser.add_argument("--slow-repeats", type=int, default=2, help="epochs of Opacus out of the box")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Per size figures; on top those of the largest size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Opacus' advice about secure_mode, hooks and orders
            compare(Task.draw(4 * BATCH, 0), 1, 1)  # warm-up
            sizes = {str(n): compare(Task.draw(n, n), args.repeats, args.slow_repeats) for n in sorted(args.sizes)}
    finally:
        torch.set_num_threads(threads)
    largest = sizes[str(max(args.sizes))]
    headline = (
        "ratio_vs_plain",
        "ratio_vs_plain_in_order",
        "ratio_vs_plain_exact",
        "speedup_vs_make_private",
        "speedup_vs_make_private_exact",
        "auc_difference",
    )
    return {
        **{key: largest[key] for key in headline},
        "features": FEATURES,
        "batch": BATCH,
        "threads": 1,
        "sizes": sizes,
    }
