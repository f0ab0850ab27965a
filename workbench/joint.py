"""What asking the federation is worth: the AUC of own, joint and plaintext-joined scores, on the same persons.

    figures = evaluate({"bank": records, ...}, JointScorecard.of(scorer))
    figures.auc_own, figures.auc_joint, figures.auc_plaintext_joint, figures.share_of_gain

Every institution judges its own customers, whose outcomes it knows; an AUC is the mean over institutions. `joint` is
what the private query gives: quantised records summed, the own one at full precision, and the public rule. The
plaintext joins are what nobody may do: everything in one place, and a rule fitted to it. They are fitted on one half of
the persons and judged on the other, in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from federation.errors import RecordsError
from federation.evaluation.metrics import auc
from federation.lookup.joint_score import CORRELATION, JointScorecard
from federation.lookup.record import STEPS, contributions, prior, quantise
from federation.records.encoded import Encoded
from federation.training.embedding import Embedding
from protocols.lookup.parameters import EVIDENCE
from workbench.baselines import outcomes

Floats = NDArray[np.float64]
DECILES = 10
_SEVERAL = 3  # persons known to three members or more are one group
_LEAST = 200  # persons in a group whose figures are shown


@dataclass(frozen=True)
class CountFigures:
    """Persons known to `members` institutions (3: three or more), over all institutions that judge them.

    deciles  (predicted, observed) rates of bad, by rising predicted rate
    """

    members: int
    records: int
    auc_own: float
    auc_joint: float
    predicted: float
    observed: float
    deciles: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class JointFigures:
    """AUCs, mean over the institutions.

    auc_own                 each institution's own evidence about its own customers
    auc_joint               the private query: quantised sum, count, own record at full precision, public rule
    auc_plaintext_joint     unquantised evidence of every member and the count, in one place, weights fitted
    auc_plaintext_members   the same and WHICH members know the person, which the sum hides
    auc_plaintext_features  a model trained anew, without privacy, on the joined records, count and members
    """

    persons: int
    institutions: int
    auc_own: float
    auc_joint: float
    auc_plaintext_joint: float
    auc_plaintext_members: float
    auc_plaintext_features: float
    by_institution: dict[str, tuple[float, float]]
    by_count: tuple[CountFigures, ...]

    @property
    def gain(self) -> float:
        return self.auc_joint - self.auc_own

    @property
    def share_of_gain(self) -> float:
        """Of what a plaintext join of the same evidence gains; 1: nothing is lost by rounding, summing and the rule."""
        return self.gain / (self.auc_plaintext_joint - self.auc_own)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"gain": self.gain, "share_of_gain": self.share_of_gain}


@dataclass(frozen=True)
class _Joined:
    """All members' records side by side, one row per person; zero and `present` False where a member has none."""

    names: tuple[str, ...]
    present: NDArray[np.bool_]
    evidence: Floats
    steps: NDArray[np.int64]
    target: NDArray[np.uint8]
    rows: tuple[NDArray[np.int64], ...]

    @property
    def count(self) -> NDArray[np.int64]:
        return np.asarray(self.present.sum(axis=1), dtype=np.int64)


def evaluate(members: Mapping[str, Encoded], card: JointScorecard, *, seed: int = 0) -> JointFigures:
    """Figures over `members` {institution: records with subjects and outcomes, one per person}.

    Raises RecordsError where an institution's records have no subjects or outcomes, or two tell other outcomes.
    """
    joined = _join(members, card)
    joint = _joint(joined, card)
    fold = np.random.default_rng(seed).integers(0, 2, len(joined.target)).astype(np.bool_)
    shrink = 1 / (1 + CORRELATION * (joined.count - 1))
    counts = (joined.count[:, None] == np.arange(2, len(members) + 1)).astype(np.float64)
    shrunk = joined.evidence * shrink[:, None]
    features = _features(members, joined, card) * shrink[:, None].astype(np.float32)

    def judged(*columns: NDArray[Any], strength: float = 1e3) -> float:
        fitted = _cross_fit(np.column_stack(columns), joined.target, fold, strength)
        return _mean(joined, lambda k: fitted[joined.rows[k]])

    return JointFigures(
        persons=len(joined.target),
        institutions=len(members),
        auc_own=_mean(joined, lambda k: joined.evidence[joined.rows[k], k]),
        auc_joint=_mean(joined, lambda k: joint[joined.rows[k], k]),
        auc_plaintext_joint=judged(shrunk, counts),
        auc_plaintext_members=judged(shrunk, counts, joined.present),
        auc_plaintext_features=judged(features, counts, joined.present, strength=1.0),
        by_institution={
            name: (_auc(joined, k, joined.evidence[rows, k]), _auc(joined, k, joint[rows, k]))
            for k, (name, rows) in enumerate(zip(joined.names, joined.rows, strict=True))
        },
        by_count=_by_count(joined, joint),
    )


def by_count(members: Mapping[str, Encoded], card: JointScorecard) -> tuple[CountFigures, ...]:
    """Discrimination and calibration of the joint score by the number of members that know a person."""
    joined = _join(members, card)
    return _by_count(joined, _joint(joined, card))


def _join(members: Mapping[str, Encoded], card: JointScorecard) -> _Joined:
    for name, records in members.items():
        if records.subjects is None:
            raise RecordsError(f"records of {name}", got="no subjects", expected="an identifier for each record")
    subjects = [np.asarray(records.subjects, dtype=np.str_) for records in members.values()]
    everybody, place = np.unique(np.concatenate(subjects), return_inverse=True)
    rows = tuple(np.split(place.reshape(-1).astype(np.int64), np.cumsum([len(each) for each in subjects])[:-1]))
    shape = (len(everybody), len(members))
    present, evidence, steps = np.zeros(shape, np.bool_), np.zeros(shape), np.zeros(shape, np.int64)
    target = np.full(len(everybody), 255, dtype=np.uint8)
    for k, (name, records) in enumerate(members.items()):
        own, parts = contributions(card.scorer, records)
        if len(np.unique(rows[k])) != len(own):
            raise RecordsError(f"records of {name}", got="a person twice", expected="one record per person")
        said = target[rows[k]]
        if not np.isin(said[said != outcomes(records)], 255).all():
            raise RecordsError(f"records of {name}", got="another outcome than elsewhere", expected="one per person")
        target[rows[k]], present[rows[k], k], evidence[rows[k], k] = outcomes(records), True, own
        steps[rows[k], k] = quantise(own, parts)[:, EVIDENCE]
    return _Joined(tuple(members), present, evidence, steps, target, rows)


def _joint(joined: _Joined, card: JointScorecard) -> Floats:
    """Log-odds of BAD [persons, members] as each institution computes them from the sum and its own record."""
    others = joined.steps.sum(axis=1, keepdims=True) - joined.steps
    known = others / STEPS + joined.evidence
    return prior(card.scorer.catalogue) + card.rule.shift(known, joined.count[:, None])


def _features(members: Mapping[str, Encoded], joined: _Joined, card: JointScorecard) -> NDArray[np.float32]:
    """The embeddings of a person's records, added up [persons, dimension]."""
    embedding = Embedding.of(card.scorer.catalogue)
    total: NDArray[np.float32] | None = None
    for rows, records in zip(joined.rows, members.values(), strict=True):
        dense = np.asarray(embedding.dense(records.codes), dtype=np.float32)
        total = np.zeros((len(joined.target), dense.shape[1]), np.float32) if total is None else total
        total[rows] += dense
    if total is None:
        raise RecordsError("members", got="none", expected="at least one")
    return total


def _cross_fit(inputs: NDArray[Any], target: NDArray[np.uint8], fold: NDArray[np.bool_], strength: float) -> Floats:
    """Log-odds of each person by a logistic regression on the other half of the persons."""
    found = np.empty(len(target))
    for half in (fold, ~fold):
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(inputs[~half], target[~half])
        found[half] = model.decision_function(inputs[half])
    return found


def _auc(joined: _Joined, k: int, log_odds: Floats) -> float:
    return auc(joined.target[joined.rows[k]], log_odds)


def _mean(joined: _Joined, of: Callable[[int], Floats]) -> float:
    return float(np.mean([_auc(joined, k, of(k)) for k in range(len(joined.names))]))


def _by_count(joined: _Joined, joint: Floats) -> tuple[CountFigures, ...]:
    found = []
    for members in range(1, _SEVERAL + 1):
        group = joined.count == members if members < _SEVERAL else joined.count >= members
        who, where = np.nonzero(joined.present & group[:, None])
        target = joined.target[who]
        if len(who) < _LEAST or len(np.unique(target)) < 2:
            continue
        own, log_odds = joined.evidence[who, where], joint[who, where]
        predicted = 1 / (1 + np.exp(-log_odds))
        order = np.array_split(np.argsort(predicted, kind="stable"), DECILES)
        deciles = tuple((float(predicted[part].mean()), float(target[part].mean())) for part in order)
        found.append(
            CountFigures(
                members=members,
                records=len(who),
                auc_own=auc(target, own),
                auc_joint=auc(target, log_odds),
                predicted=float(predicted.mean()),
                observed=float(target.mean()),
                deciles=deciles,
            )
        )
    return tuple(found)
