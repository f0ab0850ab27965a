"""The records that a replay is computed on: those that the attempt was committed to, as far as they may still be read.

Corrections that were decided since are taken back, one after the other, until the salted root of the records is the
logged one. An erasure is never taken back: a round that used an erased record cannot be replayed, and the result says
that the records differ.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from clients.institution.home import InstitutionHome
from clients.institution.person.records import amendments_back
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.sealed_store import SealedStore
from federation.catalogue import Catalogue
from federation.oversight.replay import Place
from federation.records import Encoded, load_records
from protocols.errors import StageError

Split = Callable[[Encoded], tuple[Encoded, Encoded]]


def records_as_committed(
    home: InstitutionHome, catalogue: Catalogue, store: SealedStore, place: Place, split: Split
) -> tuple[tuple[Encoded, Encoded], bytes]:
    """((training, holdout), root of the one that the phase of `place` uses): as committed to, else as they count now.

    Raises RecordsError for a file that cannot be used.
    """
    newest: tuple[tuple[Encoded, Encoded], bytes] | None = None
    for amend in amendments_back(home, catalogue):
        records, _ = load_records(home.data, catalogue, coverage=home.settings.features, amend=amend)
        parts = split(records)
        root = record_tree(parts[0 if place.phase == "train" else 1], home.keys).root
        newest = newest or (parts, root)
        if _is_committed(store, place, root):
            return parts, root
    assert newest is not None  # noqa: S101 (the records as they count now are always among them)
    return newest


def _is_committed(store: SealedStore, place: Place, root: bytes) -> bool:
    with suppress(StageError):
        return store.secret(place).hide(root).hex() == store.require(place).commitment.record_root
    return False
