"""What an institution contributes: its own customers' evidence and parts under the epoch's model, at full precision.

Nothing here is a release: what leaves the house is quantised, padded and masked (`federation.lookup.record`,
`protocols.lookup.table`). Records that break the catalogue's rules, and identifiers that are none of the scheme, stay
out of the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from clients.institution.lookup.snapshot import Snapshot
from clients.institution.person.records import amendments
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.lookup.identifiers import IdentifierError, Scheme, scheme
from federation.lookup.record import contributions
from federation.models import PublishedModel
from federation.records import load_records
from federation.records.encoded import Encoded
from federation.scorecard import Scaling, Scorer


def scheme_of(home: InstitutionHome) -> Scheme:
    """How this federation writes identifiers."""
    return scheme(home.settings.lookup.identifiers)


def model_file(home: InstitutionHome, file: Path | None) -> Path:
    """Where the published model is: `file`, or what the settings name. Raises ConfigurationError."""
    chosen = file or home.settings.lookup.model
    if chosen is None:
        raise ConfigurationError("--model", got="none", expected="the published model, here or as lookup.model")
    return chosen if file else home.path / chosen


def read_model(home: InstitutionHome, file: Path | None, expected: str) -> PublishedModel:
    """The published model whose SHA-256 the epoch names, believed only under the pinned coordinator's signature.

    Raises ConfigurationError, Refused or SignatureError.
    """
    path = model_file(home, file)
    try:
        model = PublishedModel.read(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="the published model") from error
    if model.plan.coordinator != home.coordinator_key.hex:
        raise ConfigurationError(f"{path}: coordinator", got=model.plan.coordinator[:16], expected="the pinned one")
    model.verify()
    if model.hash != expected:
        raise ConfigurationError(f"{path}: hash", got=model.hash[:16], expected=f"{expected[:16]}, as proposed")
    return model


def read_customers(
    home: InstitutionHome, model: PublishedModel, scaling: Scaling, say: Callable[[str], None] = lambda what: None
) -> Snapshot:
    """The home's customers as they are now; `say` hears, in words, of records that stay out of the epoch.

    Raises ConfigurationError where the catalogue names no subject, RecordsError for a file that cannot be used.
    """
    catalogue = load_catalogue(home.catalogue)
    if catalogue.subject is None:
        raise ConfigurationError("catalogue", got=catalogue.name, expected="a catalogue with a subject identifier")
    records, report = load_records(
        home.data,
        catalogue,
        coverage=home.settings.features,
        require_target=False,
        quarantine=home.quarantine / "lookup.csv",
        amend=amendments(home, catalogue),
    )
    how = scheme_of(home)
    identifiers, rows, unidentified = _identified(records, how)
    if report.rows_quarantined:
        say(f"{report.rows_quarantined:,} records break a rule and stay out: {report.quarantine_file}")
    if unidentified:
        say(f"{unidentified:,} of {len(records):,} records have no identifier of the scheme {how.name}, and stay out")
    if not identifiers:
        raise ConfigurationError(str(home.data), got="no customer with an identifier", expected="at least one")
    evidence, parts = contributions(Scorer(model, catalogue, scaling), records.take(rows))
    return Snapshot(identifiers, evidence, parts)


def _identified(records: Encoded, how: Scheme) -> tuple[tuple[bytes, ...], NDArray[np.int64], int]:
    """Identifiers as hashed and the rows they come from; the first row of an identifier counts. How many rows have
    none."""
    found: dict[bytes, int] = {}
    without = 0
    for row, subject in enumerate(records.subjects if records.subjects is not None else ()):
        try:
            found.setdefault(how.normalise(str(subject)), row)
        except IdentifierError:
            without += 1
    return tuple(found), np.fromiter(found.values(), np.int64, len(found)), without
