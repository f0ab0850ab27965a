"""A federation in one process, built from the pure parts alone: nothing is simulated, only the wires are missing.

    world = World(members=3, subjects=60)
    epoch = world.epoch()                       # enrolment to signed opening, every check run
    epoch.read(identifier)                      # what a ticket for this subject opens in the sum table

Attack tests stop in between: `prepare`, `place`, `sign`, `build`, `audit` are the stages of `epoch`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.canonical import canonical, digest
from protocols.lookup.audit import Audited, check_layout, check_public_places, complete, sum_tables
from protocols.lookup.context import EpochContext
from protocols.lookup.dummies import DummyOpening, dummy_points, open_dummies
from protocols.lookup.engines.base import Engine
from protocols.lookup.engines.mirror import MirrorEngine
from protocols.lookup.layout import Layout, arrange, check_contribution, lift, union
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedEpoch, SignedOpening
from protocols.lookup.pads import pad
from protocols.lookup.parameters import COEFFICIENTS, MODULUS, Parameters
from protocols.lookup.placement import Places, PlacesChunk, check_places, own_places, proof_chunks, prove_places
from protocols.lookup.roster import Roster, RosterMember
from protocols.lookup.rows import sign_rows
from protocols.lookup.secrets import EpochSecrets
from protocols.lookup.table import MemberTable, Snapshot, TableKey, build_rows, table_digest
from protocols.oprf.enrolment import MAX_IDENTIFIERS, Enrolment, evaluate
from protocols.oprf.group import base, multiply, random_scalar
from protocols.oprf.joint_key import KeyShare, commit, open_all
from protocols.signing import SigningKey

START = 1_767_225_600
WEEK = 7 * 86_400


class Seeded:
    """Reproducible bytes: SHAKE-256(seed, call)."""

    def __init__(self, seed: int) -> None:
        self._seed, self._calls = seed.to_bytes(8, "big"), 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(self._seed + self._calls.to_bytes(8, "big")).digest(count)


def signed_values(residues: NDArray[Any]) -> NDArray[np.int64]:
    """Residues mod t as numbers between -t/2 and t/2."""
    values = residues.astype(np.int64) % MODULUS
    return np.where(values > MODULUS // 2, values - MODULUS, values)


@dataclass
class Epoch:
    """An epoch under way; fields fill up stage by stage."""

    world: World
    header: LayoutHeader
    z: bytes
    secrets: dict[str, EpochSecrets]
    layout: Layout
    places: dict[str, Places] = field(default_factory=dict)
    signed: SignedEpoch | None = None
    tables: dict[str, bytes] = field(default_factory=dict)
    audited: Audited | None = None
    opened: SignedOpening | None = None

    @cached_property
    def context(self) -> EpochContext:
        assert self.signed is not None
        return EpochContext.of(self.world.roster, self.signed)

    def point(self, identifier: bytes) -> bytes:
        """Q of a subject: known to whoever holds a ticket for it."""
        return multiply(self.z, self.world.pseudonym(identifier))

    def opened_pads(self, identifier: bytes) -> dict[str, NDArray[np.uint32]]:
        """What a ticket for `identifier` gives: every member's pad. Tickets proper are tested beside `ticket`."""
        point, epoch_id = self.point(identifier), self.context.epoch_id
        return {
            name: pad(epoch_id, name, point, multiply(secrets.pad, point)) for name, secrets in self.secrets.items()
        }

    def sum_values(self) -> NDArray[np.uint32]:
        total = sum(self.table(name).astype(np.int64) for name in self.tables)
        return (np.asarray(total) % MODULUS).astype(np.uint32)

    def table(self, institution: str) -> NDArray[np.uint32]:
        """uint32[rows, slots, 8] of one member."""
        from protocols.lookup.packing import unpack

        return unpack(self.tables[institution]).reshape(-1, self.layout.slots, COEFFICIENTS)

    def read(self, identifier: bytes, values: NDArray[np.uint32] | None = None) -> NDArray[np.int64]:
        """int64[8]: the sum at the subject's place, pads taken away; zeros where it has none."""
        place = self.layout.find(self.point(identifier))
        if place is None:
            return np.zeros(COEFFICIENTS, dtype=np.int64)
        found = (self.sum_values() if values is None else values)[place].astype(np.int64)
        return signed_values(found - sum(p.astype(np.int64) for p in self.opened_pads(identifier).values()))


class World:
    """Members with overlapping customers, a relay, auditors; `records[institution][identifier]` is int[6]."""

    def __init__(
        self,
        members: int = 3,
        subjects: int = 60,
        engine: Engine | None = None,
        seed: int = 1,
        bound: int = 400,
        **parameters: Any,
    ) -> None:
        self.random = Seeded(seed)
        self.engine: Engine = engine or MirrorEngine()
        self.parameters = Parameters(**{"engine": "mirror", "dummies": 8, **parameters})
        self.names = [f"bank-{number:02d}" for number in range(members)]
        self.signers = {name: SigningKey.from_seed(self.random(32)) for name in self.names}
        self.relay, self.log = (SigningKey.from_seed(self.random(32)) for _ in range(2))
        self.pool_key = SigningKey.from_seed(self.random(32))
        self.identifiers = [f"person-{number}".encode() for number in range(subjects)]
        self.records = self._records(seed, bound)
        self.shares = {name: KeyShare.generate(self.random) for name in self.names}
        self.roster = self._found()
        self.pseudonyms = {name: self._enrol(list(self.records[name])) for name in self.names}

    def _records(self, seed: int, bound: int) -> dict[str, dict[bytes, NDArray[np.int64]]]:
        rng = np.random.default_rng(seed)
        holders = [rng.choice(len(self.names), rng.integers(1, 4), replace=False) for _ in self.identifiers]
        return {
            name: {
                identifier: rng.integers(-bound, bound + 1, 6)
                for identifier, held in zip(self.identifiers, holders, strict=True)
                if number in held
            }
            for number, name in enumerate(self.names)
        }

    def _found(self) -> Roster:
        """Commit, reveal, prove possession: the key ceremony."""
        context = digest("fedscore/v1/tests/key-ceremony", canonical(self.names))
        pairs = {name: commit(share, name, context, self.random) for name, share in self.shares.items()}
        open_all(
            {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}, context
        )
        members = tuple(
            RosterMember(name, self.signers[name].public, self.shares[name].public, len(self.records[name]) + 5)
            for name in self.names
        )
        return Roster(members, self.relay.public, self.log.public, self.parameters)

    def _enrol(self, identifiers: list[bytes]) -> dict[bytes, bytes]:
        publics = {member.institution: member.pseudonym_key for member in self.roster.members}
        pseudonyms: dict[bytes, bytes] = {}
        for first in range(0, len(identifiers), MAX_IDENTIFIERS):
            some = identifiers[first : first + MAX_IDENTIFIERS]
            state, blinded = Enrolment.start(some, self.random)
            answers = {name: evaluate(self.shares[name], blinded, self.random, self.roster.id) for name in self.names}
            pseudonyms |= zip(some, state.finish(answers, publics, self.roster.id), strict=True)
        return pseudonyms

    def pseudonym(self, identifier: bytes) -> bytes:
        """P, of strangers too (a ticket's first round gives it, blinded)."""
        for known in self.pseudonyms.values():
            if identifier in known:
                return known[identifier]
        return self._enrol([identifier])[identifier]

    def truth(self, identifier: bytes) -> NDArray[np.int64]:
        """int64[8]: check 0, the number of members that know the subject, the sum of their values."""
        total = np.zeros(COEFFICIENTS, dtype=np.int64)
        for records in self.records.values():
            if identifier in records:
                total[1:] += [1, *records[identifier]]
        return total

    # ---- the stages of an epoch

    def prepare(
        self, counter: int = 1, secrets: Mapping[str, EpochSecrets] | None = None, planted: tuple[bytes, ...] = ()
    ) -> Epoch:
        """Fresh secrets, the layout header, contributions checked, lifted and arranged."""
        drawn = dict(secrets or {name: EpochSecrets.generate(name, self.random) for name in self.names})
        z = random_scalar(self.random)
        header = LayoutHeader(
            roster_id=self.roster.id,
            catalogue=bytes(32),
            model=bytes(32),
            pads={name: own.pad_public for name, own in drawn.items()},
            masks={name: own.mask_public for name, own in drawn.items()},
            relay=base(z),
            pool=self.pool_key.public,
            counter=counter,
        )
        contributions = {name: b"".join(sorted(known.values())) for name, known in self.pseudonyms.items()}
        for name, points in contributions.items():
            check_contribution(self.roster, name, points)
        lifted = lift(z, union(contributions)) + b"".join(planted)
        dummies = dummy_points(header, self.parameters.dummies)
        subjects = len(lifted) // 32 + len(dummies)
        slots = self.engine.geometry(subjects, self.parameters.quorum).slots
        return Epoch(self, header, z, drawn, arrange(header.id, lifted, dummies, slots))

    def place(self, epoch: Epoch) -> None:
        """Every member's own places: proved, then found by its own search."""
        for name in self.names:
            lifted = b""
            for first, points in proof_chunks(list(self.pseudonyms[name].values())):
                answer, proof = prove_places(epoch.z, epoch.header, name, points, self.random)
                check_places(epoch.header, name, PlacesChunk(first, b"".join(points), answer, proof))
                lifted += answer
            epoch.places[name] = own_places(epoch.layout, lifted)

    def sign(self, epoch: Epoch, opens_at: int = START) -> None:
        """Every member checks keys, layout and dummies, then signs epoch_id."""
        layout = epoch.layout
        header = EpochHeader(
            layout_id=epoch.header.id,
            layout_digest=layout.digest,
            auditors=tuple(self.names[: self.parameters.quorum]),
            rows=layout.rows,
            slots=layout.slots,
            subjects=layout.subjects,
            opens_at=opens_at,
            closes_at=opens_at + WEEK,
        )
        for name in self.names:
            epoch.secrets[name].check_named(epoch.header)
        layout.check_holds(dummy_points(epoch.header, self.parameters.dummies), "dummy")
        signatures = {name: header.sign(self.signers[name]) for name in self.names}
        epoch.signed = SignedEpoch(epoch.header, header, signatures)
        check_layout(epoch.context, layout, map)

    def snapshot(self, epoch: Epoch, name: str) -> Snapshot:
        rows = [[0, 1, *self.records[name][identifier]] for identifier in self.pseudonyms[name]]
        return Snapshot.of(epoch.places[name], np.array(rows, dtype=np.int32).reshape(-1, 8), len(self.names))

    def build(self, epoch: Epoch, change: Callable[[TableKey], TableKey] = lambda key: key) -> None:
        """Every member's table. `change` alters what a member builds with: a fault, or a protection taken away."""
        assert epoch.signed is not None
        for name in self.names:
            snapshot = self.snapshot(epoch, name)
            epoch.secrets[name] = epoch.secrets[name].bind(epoch.signed.epoch, snapshot.digest)
            table = MemberTable.plan(epoch.secrets[name], epoch.context, epoch.layout, snapshot)
            epoch.tables[name] = b"".join(map(partial(build_rows, change(table.key)), table.chunks()))

    def digests(self, epoch: Epoch) -> dict[str, bytes]:
        return {name: table_digest(epoch.context.epoch_id, name, table) for name, table in epoch.tables.items()}

    def dummy_openings(self, epoch: Epoch) -> dict[str, DummyOpening]:
        assert epoch.signed is not None
        count = self.parameters.dummies
        return {name: open_dummies(epoch.secrets[name], epoch.signed, count, self.random) for name in self.names}

    def audit(self, epoch: Epoch, logged: Mapping[str, bytes] | None = None) -> None:
        """Every auditor does all steps; the pool would serve `audited.prepared` of its own."""
        context = epoch.context
        total = sum_tables(context, epoch.layout, epoch.tables.items(), logged or self.digests(epoch))
        check_public_places(context, total, epoch.layout, self.dummy_openings(epoch))
        auditors = context.signed.epoch.auditors
        rows = {name: sign_rows(self.signers[name], context.epoch_id, total.values) for name in auditors}
        epoch.audited = complete(context, total, rows, self.engine)
        opening = epoch.audited.opening
        epoch.opened = SignedOpening(opening, {name: opening.sign(self.signers[name]) for name in auditors})
        epoch.opened.verify(context.signed.epoch, self.roster)

    def epoch(self, counter: int = 1) -> Epoch:
        """All stages, in order."""
        epoch = self.prepare(counter)
        self.place(epoch)
        self.sign(epoch, START + (counter - 1) * WEEK)
        self.build(epoch)
        self.audit(epoch)
        return epoch


def without_masks(key: TableKey) -> TableKey:
    """The protection taken away: a table padded, but not masked."""
    return replace(key, seeds={})
