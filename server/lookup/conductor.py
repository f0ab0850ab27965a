"""What the relay itself owes to an epoch: one look at the record, one step at a time, each of them resumable.

    conductor = Conductor(relay, revoked)
    conductor.tick()                      # often; raises nothing that a member caused

z is drawn once and kept until the epoch is closing, so an interrupted layout is made again from the same secret; what
is recorded is never made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from federation.lookup.engines import load
from federation.lookup.parallel import spread
from federation.runtime.logging import get_logger
from protocols.canonical import canonical
from protocols.lookup.dummies import dummy_points
from protocols.lookup.layout import arrange, union
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedEpoch
from protocols.lookup.parameters import Parameters
from protocols.lookup.placement import proof_chunks, prove_places
from protocols.lookup.roster import Roster, RosterMember, read_authorities
from protocols.oprf.group import SIZE, base
from protocols.signing import VerifyingKey
from server.lookup.checks import read_key_opening
from server.lookup.epochs import RELAY, Phase
from server.lookup.progress import ProgressFile
from server.lookup.proposals import earliest, roster_before
from server.lookup.record_store import EpochRecord
from server.lookup.relay import Relay, context_of, roster_of
from server.lookup.settling import settle

_log = get_logger("conductor")


@dataclass
class Conductor:
    """`revoked` says which of the epoch's members are no longer admitted; `processes` share the heavy work."""

    relay: Relay
    revoked: Callable[[Collection[str]], Collection[str]]
    processes: int = 1
    _steps: dict[str, Callable[[EpochRecord], None]] = field(init=False, default_factory=dict)
    _files: dict[int, ProgressFile] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._steps = {
            "roster": self._roster,
            "header": self._header,
            "layout": self._layout,
            "epoch": self._epoch,
            "erased": self._erased,
        }

    def tick(self) -> bool:
        """Do what is due now; whether there was anything."""
        record = self.relay.record.current()
        if record is None:
            return False
        if self._leaving(record):
            return True
        if record.state.phase is Phase.OPEN and self.relay.now() >= context_of(record).signed.epoch.closes_at:
            self.relay.say(record.counter, "close", {"reason": "due"})
            return True
        if record.state.closing:  # no ticket any more, whoever is still missing: z has no use left
            self.relay.folders.erase_relay_secret(record.counter)
        self._want_pool(record)
        for kind in record.state.owed(RELAY):
            if kind in self._steps:
                self._steps[kind](record)
                return True
        return False

    def _leaving(self, record: EpochRecord) -> bool:
        """A member that was revoked ends the epoch; in the closing nobody waits for it."""
        state = record.state
        if state.phase is Phase.CLOSED:
            return False
        gone = [name for name in self.revoked(state.parties.members) if not state.has("left", name)]
        if gone and not state.closing:
            self.relay.say(record.counter, "close", {"reason": "revoked"})
        elif gone:
            self.relay.say(record.counter, "left", {}, party=sorted(gone)[0])
        return bool(gone)

    def _want_pool(self, record: EpochRecord) -> None:
        """The supervisor starts the pool while this file is there."""
        wanted = self.relay.folders.pool_wanted
        state = record.state
        if state.has("epoch") and state.phase is not Phase.CLOSED:
            if not wanted.exists():
                wanted.touch(mode=0o600)
        else:
            wanted.unlink(missing_ok=True)

    def _roster(self, record: EpochRecord) -> None:
        """The proposed members with the K_j they revealed; where no key was made, the roster before."""
        if record.proposal["new_keys"]:
            document = _new_roster(record).encode()
        else:
            document = roster_before(self.relay.record, record.counter)
        self.relay.say(record.counter, "roster", document)

    def _header(self, record: EpochRecord) -> None:
        """The fresh public keys of this epoch: every member's, and L."""
        secrets, proposal = record.bodies("secrets"), record.proposal
        header = LayoutHeader(
            roster_id=roster_of(record).id,
            catalogue=bytes.fromhex(proposal["catalogue"]),
            model=bytes.fromhex(proposal["model"]),
            pads={name: bytes.fromhex(said["pad"]) for name, said in secrets.items()},
            masks={name: bytes.fromhex(said["mask"]) for name, said in secrets.items()},
            relay=base(self._secret(record)),
            pool=VerifyingKey.from_hex(proposal["pool_key"]),
            counter=record.counter,
        )
        self.relay.say(record.counter, "header", canonical(header.to_json()))

    def _layout(self, record: EpochRecord) -> None:
        """Q = z P for the union, proved to each member for its own, in the order that layout_id gives."""
        header, roster = LayoutHeader.from_json(record.body("header")), roster_of(record)
        reported = {name: self._reported(record, name) for name in roster.institutions}
        work = [
            _Chunk(header, name, tuple(chunk))
            for name, points in reported.items()
            for _, chunk in proof_chunks(_split(points))
        ]
        done = spread(
            partial(_prove, self._secret(record)),
            work,
            processes=self.processes,
            progress=lambda count: self._progress(record).say(Phase.LAYOUT, count, len(work)),
        )
        lifted: dict[str, list[bytes]] = {name: [] for name in reported}
        proofs: dict[str, list[bytes]] = {name: [] for name in reported}
        for chunk, (points, proof) in zip(work, done, strict=True):
            lifted[chunk.institution].append(points)
            proofs[chunk.institution].append(proof)
        answers = {name: b"".join(parts) for name, parts in lifted.items()}
        dummies = dummy_points(header, roster.parameters.dummies)
        together = union(answers)
        subjects = len(together) // SIZE + len(dummies)
        # In another process: an engine brings libraries that this one can do without.
        shape = partial(_slots, roster.parameters.engine, roster.parameters.quorum)
        [slots] = spread(shape, [subjects], processes=2)
        layout = arrange(header.id, together, dummies, slots)
        epoch = EpochHeader(
            layout_id=header.id,
            layout_digest=layout.digest,
            auditors=record.state.parties.auditors,
            rows=layout.rows,
            slots=layout.slots,
            subjects=layout.subjects,
            **self._times(roster),
        )
        blobs = self.relay.blobs
        names = {
            name: blobs.put(record.counter, answers[name] + b"".join(proofs[name]), reader=name).hex()
            for name in roster.institutions
        }
        everywhere = blobs.put(record.counter, layout.points).hex()
        self.relay.say(record.counter, "layout", {"epoch": epoch.to_json(), "layout": everywhere, "proofs": names})

    def _epoch(self, record: EpochRecord) -> None:
        """Both headers under every member's signature."""
        signatures = {name: bytes.fromhex(said["signature"]) for name, said in record.bodies("sign").items()}
        header = LayoutHeader.from_json(record.body("header"))
        signed = SignedEpoch(header, EpochHeader.from_json(record.body("layout")["epoch"]), signatures)
        signed.verify(roster_of(record))
        self.relay.say(record.counter, "epoch", signed.encode())

    def _erased(self, record: EpochRecord) -> None:
        """z and all that was uploaded are gone; only then is it said."""
        epoch = context_of(record).epoch_id.hex() if record.state.has("epoch") else ""
        settle(self.relay, record)
        self.relay.folders.erase_relay_secret(record.counter)
        self.relay.blobs.erase(record.counter)
        self.relay.say(record.counter, "erased", {"epoch": epoch})

    def _secret(self, record: EpochRecord) -> bytes:
        return self.relay.folders.relay_secret(record.counter, self.relay.random)

    def _reported(self, record: EpochRecord, name: str) -> bytes:
        said = record.body("report", name)
        return self.relay.blobs.read(record.counter, name, bytes.fromhex(said["points"]), size=SIZE * said["count"])

    def _times(self, roster: Roster) -> dict[str, int]:
        """Opens now, or a cadence after the last one did; lasts a cadence."""
        opens = max(int(self.relay.now()), earliest(self.relay.record))
        return {"opens_at": opens, "closes_at": opens + roster.parameters.cadence_s}

    def _progress(self, record: EpochRecord) -> ProgressFile:
        path = self.relay.folders.progress(record.counter)
        return self._files.setdefault(record.counter, ProgressFile(path, self.relay.now))


@dataclass(frozen=True)
class _Chunk:
    header: LayoutHeader
    institution: str
    points: tuple[bytes, ...]


def _prove(secret: bytes, chunk: _Chunk) -> tuple[bytes, bytes]:
    """In a process of its own: the Q of one member's P, and the proof for them."""
    return prove_places(secret, chunk.header, chunk.institution, chunk.points, os.urandom)


def _slots(engine: str, quorum: int, subjects: int) -> int:
    return load(engine).geometry(subjects, quorum).slots


def _split(points: bytes) -> list[bytes]:
    return [points[offset : offset + SIZE] for offset in range(0, len(points), SIZE)]


def _new_roster(record: EpochRecord) -> Roster:
    proposal = record.proposal
    revealed = {party: read_key_opening(body).public for party, body in record.bodies("reveal").items()}
    return Roster(
        members=tuple(
            RosterMember(name, VerifyingKey.from_hex(said["key"]), revealed[name], said["customers"])
            for name, said in sorted(proposal["members"].items())
        ),
        coordinator_key=VerifyingKey.from_hex(proposal["coordinator_key"]),
        log_key=VerifyingKey.from_hex(proposal["log_key"]),
        parameters=Parameters.from_json(proposal["parameters"]),
        oversight=bytes.fromhex(proposal["oversight"]) or None,
        authorities=read_authorities(proposal["authorities"], "proposal.authorities"),
    )
