"""Scoring an institution's own records: trust the model first, then read, validate, encode, score, write.

Nothing here is a release: the records, the scores and the quarantine stay in files that only their owner may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from clients.institution.person.records import counting_rows, counting_table
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError, RecordsError
from federation.evaluation import EvaluationSpec
from federation.models import PublishedEvaluation, PublishedModel
from federation.records import Encoded, check_output, encode, validate, write_output, write_quarantine
from federation.records.report import Validated
from federation.scorecard import Coverage, Scaling, Scorer, Scores, SubjectScore

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True)
class FileResult:
    """What became of one file: rows_read == scored + thin_file + quarantined."""

    out: Path
    rows_read: int
    quarantined: int
    quarantine_file: Path | None
    scores: Scores

    def to_json(self) -> dict[str, Any]:
        return {
            "out": str(self.out),
            "rows_read": self.rows_read,
            "quarantined": self.quarantined,
            "quarantine_file": None if self.quarantine_file is None else str(self.quarantine_file),
            "outcomes": self.scores.counts(),
            "bands": self.scores.band_counts(),
            "coverage": self.scores.coverage.to_json(),
            "reference": self.scores.reference,
            "note": self.scores.note,
        }


def open_scorer(home: InstitutionHome, model: Path, evaluation: Path | None, scaling: Scaling) -> Scorer:
    """A scorer for a model that this institution may believe.

    1. The plan names the coordinator that was pinned at enrolment.
    2. Every member approved the plan, and that coordinator signed plan and model.
    3. The plan's catalogue is this institution's, by hash.
    4. The evaluation, where there is one, is that coordinator's, of this very model.

    Raises ConfigurationError, Refused or SignatureError.
    """
    published = PublishedModel.read(_bytes(model))
    pinned = home.coordinator_key.hex
    if published.plan.coordinator != pinned:
        raise ConfigurationError(
            f"{model}: coordinator", got=published.plan.coordinator[:16], expected=f"{pinned[:16]}, as enrolled"
        )
    published.verify()
    scorer = Scorer(published, load_catalogue(home.catalogue), scaling)
    shares = _average_subject(scorer, model, evaluation)
    return scorer if shares is None else Scorer(published, scorer.catalogue, scaling, shares)


def _average_subject(scorer: Scorer, model: Path, evaluation: Path | None) -> Sequence[NDArray[np.float64]] | None:
    path = evaluation or model.parent / EVALUATION_FILE
    if evaluation is None and not path.is_file():
        return None
    published = PublishedEvaluation.read(_bytes(path))
    published.verify(scorer.model.plan)
    if published.model_hash != scorer.model.hash:
        raise ConfigurationError(f"{path}: model_hash", got=published.model_hash[:16], expected=scorer.model.hash[:16])
    spec = EvaluationSpec.from_catalogue(scorer.catalogue)
    return spec.read(np.array(published.counts), published.sd).cell_shares() or None


def score_file(home: InstitutionHome, scorer: Scorer, data: Path, out: Path) -> FileResult:
    """Score every good row of `data` into `out` (mode 0600); bad rows go to the home's quarantine with their reasons.

    Raises RecordsError for a file that cannot be used, ConfigurationError for an output of another format.
    """
    check_output(out)
    checked, records = _read(home, scorer, counting_table(home, data))
    scores = scorer.score(records)
    write_output(_frame(scores, records, checked), out)
    kept = None
    if checked.quarantine.height:
        kept = home.quarantine / f"score-{data.name.split('.')[0]}.csv"
        write_quarantine(checked.quarantine, kept, replace=True)
    return FileResult(out, checked.report.rows_read, checked.quarantine.height, kept, scores)


def score_subject(home: InstitutionHome, scorer: Scorer, data: Path, subject: str) -> SubjectScore:
    """The typed score of one subject of `data`; `no_hit` where the file does not have it.

    Raises ConfigurationError where the catalogue names no subject identifier, RecordsError for a file that cannot be
    used or a record that breaks the catalogue's rules: it is in the data, so it is not a no-hit.
    """
    column = scorer.catalogue.subject
    if column is None:
        raise ConfigurationError(
            "--subject", got=scorer.catalogue.name, expected="a catalogue with a subject identifier"
        )
    rows = counting_rows(home, data, column, subject)
    if not rows.height:
        return SubjectScore.no_hit(subject, held(home, scorer))
    checked, records = _read(home, scorer, rows)
    if not len(records):
        reasons = str(checked.quarantine["reasons"][0])
        raise RecordsError(f"the record of subject {subject}", got=reasons, expected="a record that keeps the rules")
    return scorer.score(records).subject(0, subject)


def held(home: InstitutionHome, scorer: Scorer) -> Coverage:
    """The coverage this institution declares."""
    names, declared = scorer.catalogue.feature_names, home.settings.features
    return Coverage(len(names), () if declared is None else tuple(name for name in names if name not in declared))


def _read(home: InstitutionHome, scorer: Scorer, table: pl.DataFrame) -> tuple[Validated, Encoded]:
    coverage = home.settings.features
    checked = validate(table, scorer.catalogue, require_target=False, coverage=coverage)
    return checked, encode(checked.good, scorer.catalogue, coverage=coverage)


def _frame(scores: Scores, records: Encoded, checked: Validated) -> pl.DataFrame:
    """Scores with the subject, or with the row of the file (from 1) where the catalogue has no identifier."""
    if records.subjects is not None:
        return scores.to_frame(records.subjects)
    rows = np.setdiff1d(np.arange(1, checked.report.rows_read + 1), checked.quarantine["row"].to_numpy())
    return scores.to_frame().insert_column(0, pl.Series("row", rows))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="a readable file") from error
