"""From the members' sum to the outcome that a person or a program sees: model and rule are the epoch's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clients.institution.lookup.customers import read_model
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.part import Part
from clients.institution.lookup.snapshot import Snapshot
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.evaluation import EvaluationSpec
from federation.evaluation.tables import EvaluationTables
from federation.lookup.joint_score import JointScorecard
from federation.lookup.outcome import Freshness, Outcome
from federation.lookup.record import JointSum
from federation.lookup.settings import ScoringSettings
from federation.models import PublishedEvaluation, PublishedModel
from federation.scorecard import Scorer

MODEL_FILE, EVALUATION_FILE = "model.json", "evaluation.json"


@dataclass(frozen=True)
class Concluding:
    """The epoch's scorecard and freshness, and this institution's own records."""

    card: JointScorecard
    snapshot: Snapshot
    freshness: Freshness

    @classmethod
    def of(cls, epoch: OpenEpoch, model: Path | None) -> Concluding:
        """Raises ConfigurationError for a model that is not the epoch's."""
        part, layout, header = epoch.part, epoch.context.signed.layout, epoch.context.signed.epoch
        kept = part.folder.file(MODEL_FILE)
        chosen = kept if model is None and kept.is_file() else model
        published = read_model(part.home, chosen, layout.model.hex())
        settings = ScoringSettings.of(epoch.context.parameters)
        scorer = Scorer(published, load_catalogue(part.home.catalogue), settings.scaling)
        tables = None if chosen is None else evaluation_of(published, scorer.catalogue, chosen)
        freshness = Freshness(
            epoch=header.id.hex(),
            counter=layout.counter,
            as_of=header.opens_at,
            closes_at=header.closes_at,
            model=layout.model.hex(),
        )
        card = JointScorecard.of(scorer, settings.correlation, tables)
        return cls(card, part.snapshot, freshness)

    def outcome(self, joint: JointSum, identifier: bytes) -> Outcome:
        """The sum with the own record at full precision in place of the published one, as a score."""
        own = self.snapshot.of(identifier)
        known = joint.with_own(*(own or (None, None)))
        return self.card.outcome(known, own=own is not None, freshness=self.freshness)


def keep_model(part: Part, model: PublishedModel, source: Path) -> None:
    """Keep the epoch's model, and the evaluation beside it, for those who ask."""
    part.folder.keep(MODEL_FILE, model.canonical())
    beside = source.parent / EVALUATION_FILE
    if beside.is_file():
        part.folder.keep(EVALUATION_FILE, beside.read_bytes())


def evaluation_of(model: PublishedModel, catalogue: Catalogue, source: Path) -> EvaluationTables | None:
    """The federation's evaluation of this very model, beside it; None where there is none.

    Raises ConfigurationError or SignatureError for one of another model, or of somebody else.
    """
    beside = source.parent / EVALUATION_FILE
    if not beside.is_file():
        return None
    published = PublishedEvaluation.read(beside.read_bytes())
    published.verify(model.plan)
    if published.model_hash != model.hash:
        raise ConfigurationError(f"{beside}: model_hash", got=published.model_hash[:16], expected=model.hash[:16])
    return EvaluationSpec.from_catalogue(catalogue).read(np.array(published.counts), published.sd)
