"""From the members' sum to the outcome that a person or a program sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clients.institution.lookup.customers import read_model
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.snapshot import Snapshot
from federation.catalogue import load_catalogue
from federation.lookup.outcome import Freshness, NoHit, Outcome, Scored, ThinFile
from federation.lookup.record import DIMENSIONS, JointSum, prior
from federation.scorecard import Scorer

MODEL_FILE = "model.json"


@dataclass(frozen=True)
class Concluding:
    """The epoch's model and freshness, and this institution's own records."""

    scorer: Scorer
    snapshot: Snapshot
    freshness: Freshness

    @classmethod
    def of(cls, epoch: OpenEpoch, model: Path | None) -> Concluding:
        """Raises ConfigurationError for a model that is not the epoch's."""
        part, layout, header = epoch.part, epoch.context.signed.layout, epoch.context.signed.epoch
        kept = part.folder.file(MODEL_FILE)
        published = read_model(part.home, kept if model is None and kept.is_file() else model, layout.model.hex())
        freshness = Freshness(
            epoch=header.id.hex(),
            counter=layout.counter,
            as_of=header.opens_at,
            closes_at=header.closes_at,
            model=layout.model.hex(),
        )
        return cls(Scorer(published, load_catalogue(part.home.catalogue)), part.snapshot, freshness)

    def outcome(self, joint: JointSum, identifier: bytes) -> Outcome:
        """The sum with the own record at full precision in place of the published one, as a score."""
        own = self.snapshot.of(identifier)
        known = joint.with_own(*(own or (None, None)))
        if not known.count:
            return NoHit(self.freshness)
        if known.says_nothing:
            return ThinFile(known.count, own is not None, self.freshness)
        return self._scored(known, own is not None)

    def _scored(self, known: JointSum, own: bool) -> Scored:
        scaling, card = self.scorer.scaling, self.scorer.card
        unclamped = float(scaling.from_logits(np.float64(prior(self.scorer.catalogue) + known.evidence)))
        parts = None
        if card is not None:
            points = card.base - scaling.factor * np.array(known.parts)
            unclamped = float(points.sum())
            parts = {name.value: float(value) for name, value in zip(DIMENSIONS, points, strict=True)}
        score = min(max(unclamped, scaling.minimum), scaling.maximum)
        return Scored(score, unclamped, scaling.band_of(score).name, parts, (), known.count, own, self.freshness)
