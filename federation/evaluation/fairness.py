"""What a score does to protected groups: rates at a cut-off, AUC per group, and profiles that compare them.

Approved means a score at or above the cut-off. The positive class of TPR and FPR is BAD: TPR is the share of bads that
are refused, FPR the share of goods that are refused. Protected attributes are never model inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import RecordsError
from federation.evaluation import histograms, metrics
from federation.evaluation.profiles import Comparison, Profile, load_profiles
from federation.evaluation.tables import EvaluationTables, minimum
from federation.evaluation.uncertainty import Draws, Estimate, Floats, Statistic


@dataclass(frozen=True)
class GroupFigures:
    """One group. What rests on too few records is suppressed; of a small group, everything, and `note` says so."""

    group: str
    records: float | None
    approval_rate: Estimate
    bad_rate: Estimate
    auc: Estimate
    tpr: Estimate
    fpr: Estimate
    note: str | None = None

    @classmethod
    def suppressed(cls, group: str, note: str) -> GroupFigures:
        none = Estimate.suppressed(note)
        return cls(group, None, none, none, none, none, none, note)

    def to_json(self) -> dict[str, Any]:
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value.to_json() if isinstance(value, Estimate) else value for name, value in found.items()}


@dataclass(frozen=True)
class Fairness:
    """One protected attribute at one cut-off score."""

    attribute: str
    cut_off: float
    groups: tuple[GroupFigures, ...]
    comparisons: tuple[Comparison, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "attribute": self.attribute,
            "cut_off": self.cut_off,
            "groups": [group.to_json() for group in self.groups],
            "comparisons": [vars(comparison) for comparison in self.comparisons],
        }


def compare(groups: Sequence[GroupFigures], profiles: Mapping[str, Profile]) -> tuple[Comparison, ...]:
    """Every profile over the groups whose figures are shown."""
    return tuple(profile.judge([getattr(group, profile.figure) for group in groups]) for profile in profiles.values())


def fairness(
    tables: EvaluationTables, attribute: str, cut_off: float, profiles: Mapping[str, Profile] | None = None
) -> Fairness:
    """Figures of the federation from its one release; small groups are suppressed.

    `cut_off` is one of `tables.coarse.points`. Raises RecordsError for another, KeyError for an unknown attribute.
    """
    refused_from = tables.coarse.below(cut_off)
    axis = next(axis for axis in tables.groups if axis.name == attribute)
    counts, draws = tables.group_counts[attribute], tables.group_draws[attribute]
    sd = tables.block_sd[f"group:{attribute}"]
    figures = []
    for index, label in enumerate(axis.labels):
        own = Draws(draws.noise[..., index], draws.sampling[..., index])
        figures.append(_group(label, counts[..., index], own, sd, refused_from))
    chosen = load_profiles() if profiles is None else profiles
    return Fairness(attribute, cut_off, tuple(figures), compare(figures, chosen))


def _group(label: str, counts: Floats, draws: Draws, sd: float, refused_from: int) -> GroupFigures:
    """Every figure needs enough of the records it divides by: all, goods, bads, or goods and bads each."""
    goods, bads = map(float, counts.sum(axis=0))
    one, both = minimum(sd, counts.shape[0]), minimum(sd, counts.size)
    if goods + bads < both:
        return GroupFigures.suppressed(label, f"fewer than {both:.0f} records counted")

    def refused(which: int, found: Floats) -> Floats:
        part = found[..., which]
        share: Floats = part[..., refused_from:].sum(axis=-1) / np.maximum(part.sum(axis=-1), 1.0)
        return share

    def approved(found: Floats) -> Floats:
        every = found.sum(axis=-1)
        share: Floats = every[..., :refused_from].sum(axis=-1) / np.maximum(every.sum(axis=-1), 1.0)
        return share

    def estimate(of: Statistic, count: float, floor: float) -> Estimate:
        if count < floor:
            return Estimate.suppressed(f"fewer than {floor:.0f} goods or bads counted")
        return draws.estimate(float(of(counts)), of)

    return GroupFigures(
        group=label,
        records=goods + bads,
        approval_rate=estimate(approved, goods + bads, both),
        bad_rate=estimate(histograms.bad_rate, goods + bads, both),
        auc=estimate(histograms.auc, min(goods, bads), one),
        tpr=estimate(partial(refused, 1), bads, one),
        fpr=estimate(partial(refused, 0), goods, one),
    )


def exact_fairness(
    attribute: str,
    labels: Sequence[str],
    groups: NDArray[np.uint8],
    target: NDArray[np.uint8],
    scores: NDArray[np.float64],
    cut_off: float,
) -> Fairness:
    """Exact figures of an owner's own records: `groups` index `labels`, `scores` are on the scale, target 1 = bad.

    Raises RecordsError where lengths differ or a group has no label.
    """
    if not groups.shape == target.shape == scores.shape or groups.max(initial=0) >= len(labels):
        raise RecordsError(f"groups of {attribute}", got="other lengths or labels", expected="one label per record")
    figures = tuple(
        _exact_group(label, target[groups == index], scores[groups == index], cut_off)
        for index, label in enumerate(labels)
    )
    return Fairness(attribute, cut_off, figures, compare(figures, load_profiles()))


def _exact_group(label: str, target: NDArray[np.uint8], scores: NDArray[np.float64], cut_off: float) -> GroupFigures:
    if not target.size:
        return GroupFigures.suppressed(label, "no records")
    refused = scores < cut_off
    both = 0 < target.sum() < target.size
    return GroupFigures(
        group=label,
        records=float(target.size),
        approval_rate=Estimate.exact(float(1 - refused.mean())),
        bad_rate=Estimate.exact(float(target.mean())),
        auc=Estimate.exact(metrics.auc(target, -scores)) if both else Estimate.suppressed("one outcome only"),
        tpr=_share(refused[target == 1]),
        fpr=_share(refused[target == 0]),
    )


def _share(flags: NDArray[np.bool_]) -> Estimate:
    return Estimate.exact(float(flags.mean())) if flags.size else Estimate.suppressed("one outcome only")
