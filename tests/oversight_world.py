"""A trail that may be changed, signed again by everybody, exported and judged; all keys of a small federation.

    world = honest()                                   # oversight_federation: three banks, one run
    path = world.export(tmp_path / "export.zip")       # checkpoint and cosignatures over whatever the entries are
    verify(path, world.policy())

Everybody's keys are at hand, so a test may change anything and have it signed again by everybody: what is noticed then
is noticed for its own sake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from clients.regulator.export import write_export
from clients.regulator.line import read_line
from clients.regulator.policy import Policy
from clients.regulator.trail import Trail
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import sign_entry
from federation.oversight import MemberStatement
from protocols.canonical import canonical
from protocols.signing import SigningKey
from protocols.transparency import (
    Checkpoint,
    Entry,
    Frontier,
    LogKey,
    Promise,
    Statement,
    VerifierKey,
    WitnessKey,
    attach,
    cosign,
    leaf_hash,
    read_entry,
    split_note,
)

BANKS = ("bank-a", "bank-b", "bank-c")
RUN = "spring"
NOW = 1_780_000_000
DELTA = 1e-5
NOMINAL = 5_000


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@cache
def key_of(name: str) -> SigningKey:
    return SigningKey.from_seed(seed(name))


@cache
def log_key(name: str = "log") -> LogKey:
    return LogKey.from_seed(VerifierKey.of(key_of(name).public).name, seed(name))


@cache
def witness_key(name: str) -> WitnessKey:
    return WitnessKey.from_pem(key_of(f"witness {name}").to_pem())


WITNESSES = ("regulator", *BANKS)


def ledger_entry(entry: LedgerEntry, key: SigningKey) -> bytes:
    """The log entry of a ledger entry, signed."""
    return Entry("ledger-entry", canonical(sign_entry(entry, key).to_json())).data


def member(name: str, standing: Any = "admitted", key: str | None = None) -> bytes:
    """The log entry in which the coordinator admits or revokes."""
    public = key or key_of(name).public.hex
    said = MemberStatement(name, public, witness_key(name).public.key.hex, NOMINAL, standing)
    return said.entry(key_of("coordinator")).data


@dataclass(frozen=True)
class World:
    """A trail: log entries in order, documents by path, sizes of earlier checkpoints, promises by index."""

    entries: tuple[bytes, ...]
    documents: dict[str, bytes]
    earlier: tuple[int, ...] = (8, 12)
    promised: tuple[int, ...] = (9, 11)
    cosigners: tuple[str, ...] = WITNESSES
    log: str = "log"
    promises: tuple[bytes, ...] | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    def note(self, size: int | None = None, *, at: int = NOW + 10_000) -> bytes:
        """The checkpoint over the first entries, with the cosignatures of `cosigners`."""
        size = len(self.entries) if size is None else size
        checkpoint = Checkpoint(log_key(self.log).name, size, root_of(self.entries[:size]))
        note = checkpoint.note(log_key(self.log))
        return attach(note, [cosign(split_note(note)[0], witness_key(name), at) for name in self.cosigners])

    def trail(self, **changes: Any) -> Trail:
        promises = self.promises
        if promises is None:
            promises = tuple(promise(self.entries[index], index) for index in self.promised)
        values: dict[str, Any] = {
            "origin": log_key(self.log).name,
            "entries": lambda: iter(self.entries),
            "checkpoint": self.note(),
            "checkpoints": tuple(self.note(size) for size in self.earlier if size <= len(self.entries)),
            "promises": promises,
            "documents": {path: (lambda data=data: data) for path, data in self.documents.items()},
        }
        return Trail(**{**values, **changes})

    def export(self, path: Path, **changes: Any) -> Path:
        write_export(path, self.trail(**changes))
        return path

    def policy(self, **changes: Any) -> Policy:
        return Policy.of({**policy_values(), **self.changes, **changes})

    def changed(self, index: int, data: bytes) -> World:
        """Another entry in one place."""
        return replace(self, entries=(*self.entries[:index], data, *self.entries[index + 1 :]))

    def inserted(self, index: int, *data: bytes) -> World:
        return replace(self, entries=(*self.entries[:index], *data, *self.entries[index:]))

    def without(self, index: int) -> World:
        return replace(self, entries=(*self.entries[:index], *self.entries[index + 1 :]))

    def find(self, kind: str, number: int = 0) -> int:
        """The place of an entry of a kind."""
        return [index for index, data in enumerate(self.entries) if read_line(index, data).kind == kind][number]

    def ledger(self, institution: str) -> list[tuple[int, LedgerEntry]]:
        """(log index, entry) of one ledger."""
        lines = [read_line(index, data) for index, data in enumerate(self.entries)]
        signed = [(line.index, line.signed.entry) for line in lines if line.signed is not None]
        return [(index, entry) for index, entry in signed if entry.institution == institution]

    def content(self, index: int) -> dict[str, Any]:
        """What the statement in an entry says."""
        return dict(Statement.read(read_entry(self.entries[index])).content)

    def resaid(self, index: int, signer: str = "coordinator", **changes: Any) -> World:
        """A statement with other content, signed again."""
        kind = read_entry(self.entries[index]).kind
        said = Statement.sign(kind, {**self.content(index), **changes}, key_of(signer))
        return self.changed(index, said.entry.data)

    def seen(self, size: int) -> dict[str, Any]:
        """What a regulator remembers who once verified the first entries."""
        return {"size": size, "root": root_of(self.entries[:size]).hex()}


def policy_values() -> dict[str, Any]:
    """As tomllib would read it."""
    return {
        "keys": {
            "log": key_of("log").public.hex,
            "coordinator": key_of("coordinator").public.hex,
            "regulator": key_of("regulator").public.hex,
        },
        "witnesses": [
            {"name": name, "key": witness_key(name).public.key.hex, "required": name == "regulator"}
            for name in WITNESSES
        ],
        "caps": {"run": 1.0, "year": 3.0, "lifetime": 10.0, "delta": DELTA, "person": 10.0},
        "accounting": {"sample": 4},
    }


def root_of(entries: Iterable[bytes]) -> bytes:
    tree = Frontier()
    for data in entries:
        tree, _ = tree.append(leaf_hash(data))
    return tree.root


def promise(data: bytes, index: int, issued_at: int = NOW) -> bytes:
    made = Promise.make(log_key(), leaf_hash=leaf_hash(data), index=index, issued_at=issued_at, merge_delay_s=3600)
    return made.encode()
