"""How an evaluation release's noise is best divided between quality, fairness and the average subject, on one model.

One model is trained once (K members, additive, epsilon 1, 5% of the budget for evaluation). Its release is then drawn
many times under each division of the squared norm, with the same noise under each, and read as a coordinator reads it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue, load_catalogue
from federation.evaluation import EvaluationSpec, Findings
from federation.evaluation.spec import Shares, lay_out
from federation.evaluation.uncertainty import Estimate
from federation.privacy import PrivacyPlan, SeededNoise
from federation.records import Encoded, load_records
from federation.rounds.averaging import average
from federation.scorecard import Scaling, Scorecard
from federation.training import Recipe, Trainer, cell_effects, initial_parameters, logits

DIVISIONS: tuple[Shares, ...] = ((0.5, 0.25, 0.25), (0.6, 0.25, 0.15), (0.55, 0.2, 0.25))
HELD_BACK = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("data", type=Path, help="records of the catalogue, .csv.gz")
    parser.add_argument("--catalogue", default="taiwan")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--evaluation-share", type=float, default=0.05)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)


@dataclass(frozen=True)
class World:
    """A trained model and the records it is evaluated on."""

    catalogue: Catalogue
    plan: PrivacyPlan
    members: int
    holdout: Encoded
    logits: NDArray[np.float64]
    effects: tuple[NDArray[np.float64], ...]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Per division: spread and bias of the figures over the draws, and how often the heaviest reason stays."""
    world = _train(args)
    scaling = Scaling()
    exact = Findings.of_records(world.catalogue, world.holdout, world.logits, scaling)
    binned = EvaluationSpec.from_catalogue(world.catalogue)
    bare = Findings.of_release(binned.read(binned.counts(world.logits, world.holdout), 0.0), scaling)
    return {
        "records": len(world.holdout),
        "draws": args.draws,
        "noise_multiplier": world.plan.evaluation_multiplier,
        "exact": _values(exact),
        "bins_without_noise": _values(bare),
        "neutral_top_family_same": _same_family(world, exact.cell_shares, None),
        "divisions": {str(shares): _measure(world, shares, exact, args) for shares in DIVISIONS},
    }


def _train(args: argparse.Namespace) -> World:
    catalogue = load_catalogue(args.catalogue)
    records, _ = load_records(args.data, catalogue)
    order = np.random.default_rng(args.seed).permutation(len(records))
    held = np.zeros(len(records), dtype=bool)
    held[order[: round(HELD_BACK * len(records))]] = True
    parts = [records.take(part) for part in np.array_split(order[held.sum() :], args.members)]
    sizes = {f"member-{k}": len(part) for k, part in enumerate(parts)}
    plan = PrivacyPlan.calibrate(
        epsilon=args.epsilon, delta=1e-5, spare_rounds=2, evaluation_share=args.evaluation_share
    )
    recipe = Recipe.default(catalogue, plan, list(sizes.values()))
    trainers = [
        Trainer(catalogue, recipe, plan, size, SeededNoise(args.seed * 1000 + k))
        for k, size in enumerate(sizes.values())
    ]
    models = [initial_parameters(catalogue, recipe)]
    for _ in range(plan.rounds):
        moves = [trainer.round(models[-1], part) for trainer, part in zip(trainers, parts, strict=True)]
        mean = average(dict(zip(sizes, moves, strict=True)), sizes)
        models.append((models[-1].astype(np.float64) + mean).astype(np.float32))
    tail = np.stack(models[1:][-recipe.average_last :])
    model: NDArray[np.float32] = tail.mean(axis=0, dtype=np.float64).astype(np.float32)
    holdout = records.take(held)
    effects = cell_effects(catalogue, recipe, model)
    return World(catalogue, plan, args.members, holdout, logits(catalogue, recipe, model, holdout.codes), effects)


def _measure(world: World, shares: Shares, exact: Findings, args: argparse.Namespace) -> dict[str, Any]:
    spec = EvaluationSpec.from_catalogue(world.catalogue)
    spec = replace(spec, blocks=lay_out(spec.scores, spec.coarse, spec.groups, spec.features, shares))
    multiplier = world.plan.evaluation_multiplier
    assert multiplier is not None  # calibrated with a share for it
    sd = multiplier * world.members**0.5
    counts = spec.counts(world.logits, world.holdout)
    found = []
    for draw in range(args.draws):
        noise = np.random.default_rng([args.seed, draw]).normal(0, sd, spec.size)
        found.append(Findings.of_release(spec.read(counts + noise, sd), Scaling()))
    return _figures(found, exact) | {
        "top_family_same": _spread([_same_family(world, exact.cell_shares, item.cell_shares) for item in found])
    }


def _figures(found: list[Findings], exact: Findings) -> dict[str, Any]:
    """Metrics one by one; approval rates of groups together, over draws and groups that are not withheld."""
    truth, approvals = _values(exact), _approvals(exact)
    drawn, stated = _table(found, _values, "value"), _table(found, _values, "se")
    figures: dict[str, Any] = {
        name: {
            "bias": float(np.nanmean(values - truth[name])),
            "sd": float(np.nanstd(values, ddof=1)),
            "stated_se": float(np.nanmean(stated[name])),
        }
        for name, values in drawn.items()
    }
    rates, errors = _table(found, _approvals, "value"), _table(found, _approvals, "se")
    off = np.array([rates[name] - approvals[name] for name in rates])
    figures["approval_rates"] = {
        "shown": float(np.isfinite(off).mean()),
        "rms_error": float(np.sqrt(np.nanmean(off**2))),
        "stated_rms": float(np.sqrt(np.nanmean(np.array(list(errors.values())) ** 2))),
    }
    return figures


def _table(
    found: list[Findings], read: Callable[[Findings, str], dict[str, float]], what: str
) -> dict[str, NDArray[np.float64]]:
    rows = [read(item, what) for item in found]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _values(findings: Findings, what: str = "value") -> dict[str, float]:
    return {name: _number(findings.metrics[name], what) for name in ("auc", "ks", "ece")}


def _approvals(findings: Findings, what: str = "value") -> dict[str, float]:
    """By group at the default cut-off; nan where withheld."""
    groups = [(item.attribute, group) for item in findings.fairness for group in item.groups]
    return {f"{attribute}={group.group}": _number(group.approval_rate, what) for attribute, group in groups}


def _number(estimate: Estimate, what: str) -> float:
    value = getattr(estimate, what)
    return math.nan if value is None else float(value)


def _same_family(
    world: World, exact: tuple[NDArray[np.float64], ...], noisy: tuple[NDArray[np.float64], ...] | None
) -> float:
    """Share of subjects whose heaviest reason is that of the exact average subject; `noisy` None: neutral point."""
    first, second = (
        Scorecard(world.catalogue, world.effects, shares=shares).score(world.holdout).reasons
        for shares in (exact, noisy)
    )
    assert first is not None  # an additive model has reasons
    assert second is not None
    return float((first[:, 0] == second[:, 0]).mean())


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}
