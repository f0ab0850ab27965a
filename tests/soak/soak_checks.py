"""What must hold after any number of kills, by what was noted outside of the homes and the bytes that the log serves.

Each check takes the entries of the log, in order, and raises AssertionError; nobody's own word is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from soak_parties import DELTA, EVENT, Notebook

from federation.ledger import Kind, SignedEntry
from federation.oversight.replay import BeaconStatement
from federation.oversight.reservations import LEDGER_ENTRY, read_logged
from federation.privacy.accounting import spent
from protocols.replay import check_preimage
from protocols.signing import VerifyingKey
from protocols.transparency import (
    Frontier,
    Promise,
    VerifierKey,
    leaf_hash,
    open_checkpoint,
    read_entry,
    verify_promise,
)


def check_promises(entries: Sequence[bytes], notebook: Notebook, key: VerifierKey) -> int:
    """Every promise that was ever given is kept: the entry stands where it says. How many there were."""
    promises = [Promise.decode(line["promise"].encode()) for line in notebook.lines("promise")]
    for promise in promises:
        verify_promise(promise, promise.leaf_hash, key, promise.issued_at)
        assert promise.index < len(entries), f"entry {promise.index} was promised and is lost"
        assert leaf_hash(entries[promise.index]) == promise.leaf_hash, f"another entry in the place of {promise.index}"
    return len(promises)


def check_checkpoints(entries: Sequence[bytes], notebook: Notebook, key: VerifierKey) -> int:
    """Every checkpoint that was ever shown is of this history, and no answer to the same question went back."""
    trees = accumulate(entries, lambda tree, data: tree.append(leaf_hash(data))[0], initial=Frontier())
    roots = [tree.root for tree in trees]
    shown = [(line["asked"], open_checkpoint(line["note"].encode(), key)) for line in notebook.lines("note")]
    for asked, checkpoint in shown:
        assert checkpoint.size < len(roots), f"{asked}: a checkpoint of {checkpoint.size} was shown, entries are lost"
        assert checkpoint.root == roots[checkpoint.size], f"{asked}: another history at {checkpoint.size}"
    for question in {asked for asked, _ in shown}:
        sizes = [checkpoint.size for asked, checkpoint in shown if asked == question]
        assert sizes == sorted(sizes), f"{question}: a checkpoint went back"
    return len(shown)


def check_kept(entries: Sequence[bytes], notebook: Notebook) -> int:
    """What the regulator had kept before it was killed was said, each once."""
    said = Counter(leaf_hash(data).hex() for data in entries)
    kept = [line["leaf"] for line in notebook.lines("kept")]
    assert [leaf for leaf in kept if said[leaf] != 1] == []
    assert len(set(kept)) == len(kept)
    return len(kept)


def check_beacons(entries: Sequence[bytes], regulator: VerifyingKey, anchor: bytes) -> int:
    """Elements of the chain were revealed one after the other, each once, for trees that were there before."""
    said = [(place, read_entry(data)) for place, data in enumerate(entries)]
    beacons = [(place, BeaconStatement.read(entry, regulator)) for place, entry in said if entry.kind == "beacon"]
    assert [beacon.index for _, beacon in beacons] == list(range(1, len(beacons) + 1))
    for place, beacon in beacons:
        check_preimage(anchor, beacon.index, bytes.fromhex(beacon.preimage))
        assert beacon.size <= place
    sizes = [beacon.size for _, beacon in beacons]
    assert sizes == sorted(set(sizes))
    return len(beacons)


def logged_ledger(entries: Sequence[bytes]) -> list[SignedEntry]:
    """The institution's ledger as the log has it."""
    return [read_logged(entry) for entry in map(read_entry, entries) if entry.kind == LEDGER_ENTRY]


def check_budget(ledger: Sequence[SignedEntry], notebook: Notebook) -> int:
    """What left was reserved and spent first, and the ledger states no less epsilon than all of it costs."""
    released = list(notebook.lines("released"))
    kinds = {signed.hash: signed.entry.kind for signed in ledger}
    lost = [line for line in released if kinds.get(line["reserved"]) != Kind.RESERVE]
    assert lost == [], "released, and the reservation is not in the ledger"
    assert [line for line in released if kinds.get(line["spent"]) != Kind.SPEND] == []
    assert len({line["spent"] for line in released}) == len(released)
    reserved = [signed.entry for signed in ledger if signed.entry.kind is Kind.RESERVE]
    stated = next(amount.pld for amount in reserved[-1].amounts if amount.scope == "lifetime")
    assert stated >= spent([EVENT] * len(released), DELTA)
    assert abs(stated - spent([EVENT] * len(reserved), DELTA)) < 1e-6  # charged whatever became of it
    return len(released)
