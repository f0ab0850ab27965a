"""What the private queries must answer, computed as nobody may: all institutions' records side by side, in plain text.

The epoch's sums are recomputed from the very files that the institutions published, and scored by the same public rule;
the figures of what asking is worth come from the judge's records, which no model was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from clients.institution.lookup.concluding import evaluation_of
from clients.institution.lookup.customers import read_customers, scheme_of
from clients.institution.lookup.snapshot import Snapshot
from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.lookup.identifiers import Scheme
from federation.lookup.joint_score import JointScorecard
from federation.lookup.outcome import Freshness, Outcome, Scored
from federation.lookup.record import STEPS, JointSum, prior
from federation.lookup.settings import ScoringSettings
from federation.models import PublishedModel
from federation.records.encoded import Encoded
from federation.scorecard import Scorer
from protocols.lookup.parameters import CHECK, COEFFICIENTS, COUNT, EVIDENCE
from workbench.demo.cast import Homes
from workbench.demo.epoch import CUSTOMERS, Answered
from workbench.demo.inputs import Inputs
from workbench.demo.oracle import read_aside
from workbench.joint import evaluate

QUESTIONS = 20
_SCORE_STEP = 25.0
_AUCS = ("auc_own", "auc_joint", "auc_plaintext_joint")
COMPARABLE = 500  # persons: with fewer, chance moves an AUC by more than asking the federation does
_CLOSE = 1e-6  # points: both sides add the same floating-point numbers, a wrong sum moves a score by more than one


@dataclass(frozen=True)
class Case:
    """A question of the demonstration, and what `members` institutions know of the subject."""

    institution: str
    subject: str
    members: int


@dataclass(frozen=True)
class Plain:
    """Every institution's customers of the epoch, and the scorecard that a querier has."""

    snapshots: Mapping[str, Snapshot]
    card: JointScorecard
    scheme: Scheme = field(repr=False)

    @classmethod
    def of(cls, homes: Homes, inputs: Inputs, catalogue: Catalogue) -> Plain:
        """Reads every home. Raises what reading one may raise."""
        file = homes.run / "model.json"
        model, settings = PublishedModel.read(file.read_bytes()), ScoringSettings()
        scorer = Scorer(model, catalogue, settings.scaling)
        card = JointScorecard.of(scorer, settings.correlation, evaluation_of(model, catalogue, file))
        opened = [_home(homes.institution(given.name)) for given in inputs.institutions]
        snapshots = {home.name: read_customers(home, model, settings.scaling) for home in opened}
        return cls(snapshots, card, scheme_of(opened[0]))

    def cases(self, inside: Sequence[str], outside: Sequence[str], count: int = QUESTIONS) -> list[Case]:
        """`count` questions, askers taking turns: of every four, one about a person that nobody knows (from `outside`)
        and three about persons known to one, two, three institutions (from `inside`), where there are such."""
        strangers = [Case("", subject, 0) for subject in outside if self.members(subject) == 0]
        known = [Case("", subject, self.members(subject)) for subject in inside]
        kinds = [strangers, *([case for case in known if case.members == n] for n in range(1, len(self.snapshots) + 1))]
        taken = [case for group in zip_longest(*kinds) for case in group if case is not None][:count]
        askers = tuple(self.snapshots)
        return [Case(askers[i % len(askers)], case.subject, case.members) for i, case in enumerate(taken)]

    def members(self, subject: str) -> int:
        """How many institutions know `subject`."""
        return len(self.known_to(subject))

    def known_to(self, subject: str) -> tuple[str, ...]:
        """The institutions that know `subject`."""
        identifier = self.scheme.normalise(subject)
        return tuple(name for name, snapshot in self.snapshots.items() if snapshot.of(identifier) is not None)

    def expected(self, case: Case) -> Outcome:
        """What the asker must learn: the sum of all records, its own at full precision, by the public rule."""
        identifier = self.scheme.normalise(case.subject)
        total = np.zeros(COEFFICIENTS, dtype=np.int64)
        for snapshot in self.snapshots.values():
            if (known := snapshot.of(identifier)) is not None:
                total += known[0]
        joint = JointSum(int(total[COUNT]), total[EVIDENCE] / STEPS, tuple(total[EVIDENCE + 1 :] / STEPS))
        own = self.snapshots[case.institution].of(identifier)
        return self.card.outcome(
            joint.with_own(*(own or (None, None))), own=own is not None, freshness=_freshness(self.card)
        )

    def correct(self, case: Case, answer: Answered) -> bool:
        """Whether `answer` is what it must be: outcome, number of members, score and band."""
        expected = self.expected(case)
        said = (answer.outcome, answer.members)
        if said != (expected.kind, case.members or None) or case.subject != answer.subject:
            return False
        if not isinstance(expected, Scored):
            return answer.score is None
        return answer.score is not None and abs(answer.score - expected.score) < _CLOSE and answer.band == expected.band

    def distribution(self) -> dict[str, Any]:
        """Joint scores of everybody in the epoch, in shares per bin, by how many institutions know them."""
        rows = {identifier: i for i, identifier in enumerate(dict.fromkeys(self._everybody()))}
        total = np.zeros((len(rows), COEFFICIENTS), dtype=np.int64)
        for snapshot in self.snapshots.values():
            total[[rows[identifier] for identifier in snapshot.identifiers]] += snapshot.records
        total = total[total[:, CHECK + 2 :].any(axis=1)]  # a thin file has no score
        scaling, catalogue = self.card.scorer.scaling, self.card.scorer.catalogue
        shift = self.card.rule.shift(total[:, EVIDENCE] / STEPS, total[:, COUNT])
        scores = np.asarray(scaling.clamp(scaling.from_logits(prior(catalogue) + shift)))
        edges = np.arange(scaling.minimum, scaling.maximum + _SCORE_STEP, _SCORE_STEP)
        shares, persons = {}, {}
        for n in np.unique(total[:, COUNT]):
            counts = np.histogram(scores[total[:, COUNT] == n], edges)[0]
            shares[str(n)], persons[str(n)] = (counts / counts.sum()).tolist(), int(counts.sum())
        return {"edges": edges.tolist(), "shares": shares, "persons": persons}

    def _everybody(self) -> list[bytes]:
        return [identifier for snapshot in self.snapshots.values() for identifier in snapshot.identifiers]


def worth(inputs: Inputs, catalogue: Catalogue, card: JointScorecard) -> dict[str, Any]:
    """AUCs on the judge's records of own, joint and plaintext-joined scores; null where persons cannot be joined, or
    are so few that chance decides which of them is higher."""
    aside = {given.name: read_aside(given.oracle, catalogue).records for given in inputs.institutions}
    try:
        figures = evaluate(aside, card)
    except RecordsError as error:
        return {**dict.fromkeys(_AUCS), "auc_reason": str(error)}
    if figures.persons < COMPARABLE:
        return {**dict.fromkeys(_AUCS), "auc_reason": f"{figures.persons} persons are too few to compare"}
    return {**{name: getattr(figures, name) for name in _AUCS}, "auc_reason": None}


def subjects(files: Sequence[Path], catalogue: Catalogue, seed: int) -> list[str]:
    """Identifiers in `files` of records, each once, in an order drawn from `seed`."""
    records: list[Encoded] = [read_aside(file, catalogue).scored for file in files]
    columns = [record.subjects for record in records if record.subjects is not None]
    found: NDArray[Any] = np.unique(np.concatenate([np.asarray(column, dtype=np.str_) for column in columns]))
    return [str(subject) for subject in np.random.default_rng(seed).permutation(found)]


def _home(path: Path) -> InstitutionHome:
    """A home with the records that it published in the epoch."""
    home = InstitutionHome.open(path)
    return replace(home, settings=home.settings.model_copy(update={"data": CUSTOMERS}))


def _freshness(card: JointScorecard) -> Freshness:
    """Of no epoch: outcomes are compared without it."""
    return Freshness(epoch="00" * 32, counter=1, as_of=0, closes_at=1, model=card.scorer.model.hash)
