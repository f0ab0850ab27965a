"""A charged release about one vintage of this institution's records under a published model.

    order = Order(vintage="2030Q2", epsilon=0.2, delta=1e-6)
    released = release(home, scorer, data, order, OsNoise())     # reserved, noised, signed, spent
    released.data                                               # the signed file (federation.monitoring.release)

The same vintage under the same model is released once: asked again on the same terms, the ledger answers with the bytes
it has, at no charge, whatever has become of the records since.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from clients.institution.person.records import counting_table
from federation.errors import ConfigurationError, RecordsError
from federation.evaluation import EvaluationSpec
from federation.ledger import Ledger, Release, Reservation
from federation.monitoring import MonitoringRelease, StabilitySpec
from federation.privacy import GaussianEvent, NoiseSource, epsilons
from federation.privacy.calibration import calibrate_multiplier
from federation.privacy.exact import ExactMechanism
from federation.records import Encoded, encode, validate
from federation.records.report import ValidationReport
from federation.rounds.rule import logits_of
from federation.scorecard import Scorer
from protocols.canonical import digest

_LABEL = "fedscore/v1/monitoring-order"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Order:
    """Which vintage, for how much. Raises ConfigurationError for a name that no ledger takes."""

    vintage: str
    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.vintage):
            expected = "1 to 32 letters, digits, dots, dashes: a label such as 2030Q2"
            raise ConfigurationError("--vintage", got=self.vintage, expected=expected)

    @property
    def event(self) -> GaussianEvent:
        """Raises PrivacyError for an epsilon or delta that is none."""
        return GaussianEvent(1.0, calibrate_multiplier(self.epsilon, self.delta, 1.0, 1), 1)


@dataclass(frozen=True)
class Released:
    """`data`: the signed file; `repeated`: it was released before, and nothing was charged now."""

    data: bytes
    release: MonitoringRelease
    report: ValidationReport
    repeated: bool


def release(home: InstitutionHome, scorer: Scorer, data: Path, order: Order, noise: NoiseSource) -> Released:
    """Count, reserve, add noise, sign, spend.

    Raises RecordsError for a file that cannot be used or has no good row, before anything is charged; BudgetExceeded
    (recorded) or LedgerError.
    """
    records, report = _read(home, scorer, data)
    vector = _vector(scorer, records)
    wanted = _release(home, scorer, order, outcomes=records.target is not None)
    ledger = Ledger.open(
        home.database_url, institution=home.name, key=home.signing_key, caps=home.caps(), recover=False
    )
    try:
        known = ledger.stored_reply(wanted.run_id, wanted.phase, wanted.round, wanted.model_hash)
        if known is not None:
            return Released(known, _as_ordered(known, order, outcomes=records.target is not None), report, True)
        if not report.rows_good:
            raise RecordsError(str(data), got=f"{report.rows_read} rows, 0 of them good", expected="rows to count")
        reservation = ledger.reserve(wanted)
        try:
            made = _made(home, scorer, order, wanted, reservation, vector, noise, outcomes=records.target is not None)
            signed = made.entry(home.signing_key).data
        except BaseException:  # paid for all the same; what is asked next is another release, with other noise
            ledger.fail(reservation, "failed")
            raise
        ledger.spend(reservation, hashlib.sha256(signed).hexdigest(), signed)
    finally:
        ledger.close()
    return Released(signed, made, report, False)


def _made(
    home: InstitutionHome,
    scorer: Scorer,
    order: Order,
    wanted: Release,
    reservation: Reservation,
    vector: NDArray[np.float64],
    noise: NoiseSource,
    *,
    outcomes: bool,
) -> MonitoringRelease:
    return MonitoringRelease(
        institution=home.name,
        vintage=order.vintage,
        catalogue=scorer.catalogue.hash,
        model=scorer.model.hash,
        outcomes=outcomes,
        counts=tuple(ExactMechanism(wanted.event, clip=1.0, noise=noise).release(vector).tolist()),
        sd=wanted.event.noise_multiplier,
        epsilon=epsilons([wanted.event], order.delta).pld,
        delta=order.delta,
        reservation=reservation.entry_hash,
    )


def _release(home: InstitutionHome, scorer: Scorer, order: Order, *, outcomes: bool) -> Release:
    model, event = scorer.model.hash, order.event
    terms = f"{scorer.catalogue.hash} {model} {order.vintage} {outcomes} {event.noise_multiplier} {order.delta}"
    return Release(
        run_id=f"monitor-{order.vintage}-{model[:16]}",
        phase="monitor",
        round=1,
        event=event,
        delta=order.delta,
        plan_hash=digest(_LABEL, terms.encode()).hex(),
        catalogue_hash=scorer.catalogue.hash,
        model_hash=model,
        nominal_records=home.settings.nominal_records,
        vintage=order.vintage,
        family=scorer.model.plan.recipe.family,
    )


def _as_ordered(data: bytes, order: Order, *, outcomes: bool) -> MonitoringRelease:
    """What was released before. Raises ConfigurationError where it was on other terms."""
    known = MonitoringRelease.read(data)
    had = (known.outcomes, known.delta, known.sd)
    if had != (outcomes, order.delta, order.event.noise_multiplier):
        got = (
            f"epsilon {known.epsilon:.4g} at delta {known.delta:g}, outcomes {'known' if known.outcomes else 'unknown'}"
        )
        raise ConfigurationError(
            f"vintage {order.vintage}", got=f"released before ({got})", expected="the same terms, or another vintage"
        )
    return known


def _read(home: InstitutionHome, scorer: Scorer, data: Path) -> tuple[Encoded, ValidationReport]:
    """With outcomes where the file has that column: rows without one are then left out, as in training."""
    table, coverage = counting_table(home, data), home.settings.features
    known = scorer.catalogue.target.column in table.columns
    checked = validate(table, scorer.catalogue, require_target=known, coverage=coverage)
    return encode(checked.good, scorer.catalogue, coverage=coverage), checked.report


def _vector(scorer: Scorer, records: Encoded) -> NDArray[np.float64]:
    logits = logits_of(scorer.catalogue, scorer.model.plan, scorer.model.vector, records)
    if records.target is None:
        return StabilitySpec.from_catalogue(scorer.catalogue).counts(logits, records.codes)
    return EvaluationSpec.from_catalogue(scorer.catalogue).counts(logits, records)
