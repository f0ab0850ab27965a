"""One file of applicants, scored blind: read, encoded and encrypted here, and opened here.

1. Read and validate; what breaks a rule is refused by row, column and rule, before anything is asked.
2. Applicants of whom too little is known (thin files) are not asked about: an answer is not spent on them.
3. The owner's offer must be the one that was accepted, and leave enough answers for all of them.
4. Ask, as many in a request as the offer allows; each request has its own secret key.
5. Score, band, parts and reasons from the opened parts, with a bound on what noise may have moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clients.lender.blind_client import BlindOwner
from clients.lender.home import LenderHome
from federation.blind import Offer, SignedOffer, read_scores, uncertainty
from federation.blind.reading import bands_within, known_features
from federation.catalogue import Catalogue
from federation.errors import ConfigurationError, FederationError, RecordsError, Refused
from federation.records import Encoded, encode, read_table, validate
from federation.records.report import Validated
from federation.scorecard import Scores
from protocols import blind

Ask = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Applicants:
    """The good rows of a file. `rows`: their numbers in it, from 1."""

    records: Encoded
    rows: NDArray[np.int64]
    refused: pl.DataFrame


@dataclass(frozen=True)
class Result:
    """`plus_minus`: points by which noise and rounding move a score at most; `asked`: answers that were spent;
    `failure`: why not all applicants were answered about, None where they were. Only those answered are in it.
    """

    scores: Scores
    applicants: Applicants
    plus_minus: float
    asked: int
    requests: int
    failure: FederationError | None = None

    def to_frame(self) -> pl.DataFrame:
        """One row per applicant; `band_low` and `band_high` are between what `plus_minus` allows."""
        names = [band.name for band in self.scores.scaling.bands]
        low, high = (
            pl.Series(name, [None if index < 0 else names[index] for index in found], dtype=pl.String)
            for name, found in zip(("band_low", "band_high"), bands_within(self.scores, self.plus_minus), strict=True)
        )
        subjects = self.applicants.records.subjects
        frame = self.scores.to_frame() if subjects is None else self.scores.to_frame(subjects)
        frame = frame.insert_column(0, pl.Series("row", self.applicants.rows))
        return frame.with_columns(pl.lit(self.plus_minus).alias("plus_minus"), low, high)

    def to_json(self) -> dict[str, Any]:
        low, high = bands_within(self.scores, self.plus_minus)
        return {
            "applicants": len(self.scores),
            "asked": self.asked,
            "requests": self.requests,
            "refused_rows": self.applicants.refused.height,
            "outcomes": self.scores.counts(),
            "bands": self.scores.band_counts(),
            "band_uncertain": int((low != high).sum()),
            "plus_minus": self.plus_minus,
            "reference": self.scores.reference,
            "failure": None if self.failure is None else str(self.failure),
        }


def read_applicants(path: Path, catalogue: Catalogue, *, skip_bad: bool = False) -> Applicants:
    """Raises RecordsError naming row, column and rule of the first bad value, unless `skip_bad`."""
    table = read_table(path)
    held = catalogue.held(table.columns)
    if not held:
        raise RecordsError(str(path), got="no feature of the catalogue", expected=f"columns of {catalogue.name}")
    checked = validate(table, catalogue, require_target=False, coverage=held)
    if checked.quarantine.height and not skip_bad:
        raise _refusal(path, checked)
    rows = np.setdiff1d(np.arange(1, checked.report.rows_read + 1), checked.quarantine["row"].to_numpy())
    records = encode(checked.good, catalogue, coverage=held)
    return Applicants(replace(records, target=None, protected={}), rows, checked.quarantine)


def score(home: LenderHome, owner: BlindOwner, applicants: Applicants) -> Result:
    """Raises ConfigurationError where the offer is not the accepted one, Refused (`quota`) before anything is asked."""
    accepted, (present, left) = home.accepted(), owner.offer()
    check_accepted(accepted, present)
    catalogue = home.catalogue
    enough = known_enough(present.offer, catalogue, applicants.records)
    needed = int(enough.sum())
    if needed > left:
        expected = f"at most {left}, which the owner leaves you {present.offer.limits.leaves}"
        raise Refused("quota", "applicants", got=needed, expected=expected)
    asked = applicants.records.take(enough)
    opened, requests, failure = ask_all(present.offer, catalogue, asked, owner.score)
    answered = len(opened.parts)
    enough[np.flatnonzero(enough)[answered:]] = False
    kept = enough | ~known_enough(present.offer, catalogue, applicants.records)
    parts = np.zeros((len(applicants.records), opened.parts.shape[1]))
    parts[enough] = opened.parts
    known = replace(applicants, records=applicants.records.take(kept), rows=applicants.rows[kept])
    scores = read_scores(present.offer, catalogue, blind.Scores(parts[kept], opened.intercept), known.records)
    return Result(scores, known, uncertainty(present.offer, catalogue), answered, requests, failure)


def check_accepted(accepted: SignedOffer | None, present: SignedOffer) -> None:
    """Raises ConfigurationError for an offer that nobody here has looked at."""
    if accepted is None or accepted.offer != present.offer:
        got = "none accepted" if accepted is None else "another than was accepted"
        raise ConfigurationError("offer", got=got, expected="`fedscore lender terms --accept`")


def known_enough(offer: Offer, catalogue: Catalogue, records: Encoded) -> NDArray[np.bool_]:
    """Of each record, whether so many features are known that it gets a score."""
    least = np.ceil(offer.read_scaling().minimum_known * len(catalogue.features))
    return np.asarray(known_features(catalogue, records) >= least)


def ask_all(
    offer: Offer, catalogue: Catalogue, records: Encoded, ask: Ask
) -> tuple[blind.Scores, int, FederationError | None]:
    """The opened parts of records in their order, the number of requests answered, and what ended it early, if
    something did after an answer: what was answered is paid for. One applicant is a request of its own size.
    """
    terms = offer.read_terms()
    client = blind.BlindClient(terms, secrets.token_bytes)
    encoded, most = offer.columns(catalogue).encode(records), offer.limits.per_request
    parts = [np.zeros((0, terms.parts))]
    failure = None
    for start in range(0, len(encoded), most):
        pending, request = client.ask(encoded[start : start + most])
        try:
            parts.append(pending.open(ask(request)).parts)
        except FederationError as error:
            if start == 0:
                raise
            failure = error
            break
    return blind.Scores(np.concatenate(parts), terms.intercept), len(parts) - 1, failure


def _refusal(path: Path, checked: Validated) -> RecordsError:
    first = checked.quarantine.row(0, named=True)
    more = f" ({checked.quarantine.height} rows in all)" if checked.quarantine.height > 1 else ""
    where = f"{path} row {first['row']}"
    return RecordsError(where, got=f"{first['reasons']}{more}", expected="rows that keep the rules, or --quarantine")
