"""What a replay is held against: the code that runs, the records that are held, and what the ledger says was sent."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import federation
import protocols
from federation.ledger import Kind, SignedEntry
from federation.oversight.replay import Place
from federation.records.encoded import Encoded
from federation.runtime.private_files import keep_private, read_private
from protocols.replay import RecordTree, code_digest

SALT_FILE = "record-salt.key"
_PACKAGES = (federation, protocols)
_LIBRARIES = ("numpy", "torch", "opacus", "cryptography")


@lru_cache(maxsize=1)
def running_code() -> bytes:
    """32 bytes: the digest of the installed federation and protocols packages, and of what they run with."""
    files = {}
    for package in _PACKAGES:
        folder = Path(str(package.__file__)).parent
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
            files[f"{package.__name__}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    versions = {name: version(name) for name in _LIBRARIES}
    return code_digest(files, {**versions, "machine": platform.machine(), "python": platform.python_version()})


def record_tree(records: Encoded, keys: Path) -> RecordTree:
    """The salted tree over the records a round is computed on, in their order; `keys` is HOME/keys.

    A leaf is the subject (its length, its text; empty where the catalogue names none), the cells and the outcome.
    """
    key = read_private(keep_private(keys / SALT_FILE, lambda: secrets.token_bytes(32)))
    return RecordTree(list(_leaves(records)), key=key)


def _leaves(records: Encoded) -> Iterable[bytes]:
    outcomes = bytes(len(records)) if records.target is None else records.target.tobytes()
    for at, codes in enumerate(records.codes):
        subject = b"" if records.subjects is None else str(records.subjects[at]).encode()
        yield len(subject).to_bytes(4, "big") + subject + codes.tobytes() + outcomes[at : at + 1]


@dataclass(frozen=True)
class Logged:
    """An attempt, by the ledger: `update_hash` is empty where nothing was sent, `aborted` where nothing will be."""

    plan_hash: str
    model_hash: str
    reservation_hash: str
    update_hash: str = ""
    aborted: bool = False


def logged_attempt(entries: Iterable[SignedEntry], place: Place) -> Logged | None:
    """The attempt in a verified ledger; None for one that was never reserved."""
    found: Logged | None = None
    for signed in entries:
        entry, release = signed.entry, signed.entry.release
        if entry.kind is Kind.RESERVE and release is not None:
            if (*release.slot, release.attempt) == (place.run_id, place.phase, place.round, place.attempt):
                found = Logged(release.plan_hash, release.model_hash, signed.hash)
        elif found is not None and entry.reservation == found.reservation_hash:
            found = replace(found, update_hash=entry.update_hash or "", aborted=not entry.update_hash)
    return found
