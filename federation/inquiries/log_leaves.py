"""Every logged request of a range, as the log itself shows it: read from its first entry, believed by nobody's word.

    logged = LoggedLeaves(coordinator_key, keep=lambda leaf: leaf.issued_at >= since)
    for entry in log.entries(0, size):
        logged.take(entry)
    logged.check(note, log_key, now)         # all of it is under a checkpoint that a quorum cosigned; SignatureError
    logged.leaves, logged.left_out           # whom to ask about, and what could not be asked about, counted
    logged.doubtful                          # what is asked about, though an answer of no says little, counted

Whoever reads all entries needs no proofs from anybody: the root says that none is missing, and the statements among
them say whose cosignatures count. One pass, one entry at a time; what is kept is the leaves of the range.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from federation.oversight.members import ROSTER, Roster
from protocols.canonical import parse_canonical
from protocols.consent.question import ProvenTag
from protocols.envelope import open_envelope
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup.fields import from_hex, integer, take, text
from protocols.lookup.leaf import KIND as LEAF_KIND
from protocols.lookup.leaf import LABEL, Leaf, SignedLeaf
from protocols.lookup.manifest import SignedEpoch
from protocols.lookup.roster import Roster as LookupRoster
from protocols.signing import VerifyingKey
from protocols.transparency import Cosigned, Frontier, KeptNodes, VerifierKey, inclusion_path, leaf_hash, read_entry
from protocols.wire import lookup_pb2 as wire

STEP_KIND = "lookup-step"
RELAY = "relay"
_KIND = re.compile(rb'"kind":"([a-z0-9-]{1,32})","v":1}$')
_READ = {LEAF_KIND, STEP_KIND, *ROSTER}


class Why(NamedTuple):
    """Why a leaf of the range is not asked about, or why an answer about it says little."""

    reason: str
    querier: str


FORGED = "not signed by the querier it names"
UNPROVED = "with a tag that its maker cannot have made"
UNTAGGED = "without a tag"
OTHER_KEY = "tagged for another oversight key"
UNREADABLE = "that cannot be read"
HIDDEN = "of an epoch that the log does not show, so that nobody can tell whether they are tagged for this key"


@dataclass(frozen=True, slots=True)
class LoggedLeaf:
    """One request: its place and hash in the log, what it says, and its epoch (0 where the log does not show it).

    body: `SignedLeaf.encode`, all of it.
    """

    index: int
    hash: bytes
    querier: str
    purpose: str
    serial: str
    issued_at: int
    epoch: int
    tag: ProvenTag
    body: bytes

    @classmethod
    def of(cls, index: int, epoch: int, body: bytes) -> LoggedLeaf:
        """NOT checked. Raises MessageError or EncodingError for what is no leaf with a tag."""
        signed = SignedLeaf.decode(body)
        leaf = signed.leaf
        tag = ProvenTag(leaf.tag, leaf.tag_proof, leaf.tag_bond)
        said = (leaf.querier, leaf.purpose, leaf.receipt_serial, leaf.issued_at)
        return cls(index, signed.hash, *said, epoch=epoch, tag=tag, body=body)


@dataclass
class LoggedLeaves:
    """Entries in log order. `oversight`: the key asked under; `keep`: which leaves are of the range."""

    coordinator: VerifyingKey
    oversight: bytes
    keep: Callable[[int, Leaf, int], bool] = lambda index, leaf, epoch: True
    tree: Frontier = field(default_factory=Frontier)
    leaves: list[LoggedLeaf] = field(default_factory=list)
    left_out: Counter[Why] = field(default_factory=Counter)
    doubtful: Counter[Why] = field(default_factory=Counter)  # among `leaves`
    statements: list[tuple[int, bytes]] = field(default_factory=list)  # (place, entry): by which leaves are judged

    def __post_init__(self) -> None:
        self._roster = Roster(self.coordinator)
        self._rosters: dict[int, LookupRoster] = {}
        self._epochs: dict[bytes, tuple[int, bytes | None]] = {}
        self._nodes = KeptNodes(self.tree)

    def take(self, data: bytes) -> None:
        """The next entry. What is not what it says is left out and, if it is a leaf, counted: nothing raises."""
        index = self.tree.size
        self.tree, completed = self.tree.append(leaf_hash(data))
        self._nodes.keep(completed)
        self._read(index, data)

    def resume(self, tree: Frontier, statements: Iterable[tuple[int, bytes]]) -> None:
        """Go on after the entries of `tree`, whose `statements` these are; nothing was read yet."""
        for index, data in statements:
            self._read(index, data)
        self.tree, self._nodes = tree, KeptNodes(tree)

    def path(self, index: int) -> tuple[bytes, ...]:
        """The inclusion path, in the tree so far, of an entry that was taken here, asked of nobody."""
        return tuple(inclusion_path(self._nodes.node, index, self.tree.size))

    def _read(self, index: int, data: bytes) -> None:
        found = _KIND.search(data)
        kind = found[1].decode() if found else ""
        if kind not in _READ:
            return
        try:
            entry = read_entry(data)
            if entry.kind in ROSTER:
                self._roster = self._roster.after(entry, index)
                self.statements.append((index, data))
            elif entry.kind == LEAF_KIND:
                self._leaf(index, entry.body)
            elif entry.kind == STEP_KIND and self._step(entry.body):
                self.statements.append((index, data))
        except (ProtocolError, ValueError, TypeError, RecursionError):
            if kind == LEAF_KIND:
                self.left_out[Why(UNREADABLE, "")] += 1

    def check(self, note: bytes, log_key: VerifierKey, now: float) -> Cosigned:
        """The checkpoint and its times, if `note` is of these very entries, cosigned by a quorum of their witnesses.

        Raises MessageError (another tree) or SignatureError (not the log's, too few witnesses).
        """
        cosigned = self._roster.quorum.check(note, log_key, now)
        checkpoint = cosigned.checkpoint
        if (checkpoint.size, checkpoint.root) != (self.tree.size, self.tree.root):
            got = f"{self.tree.size} entries, root {self.tree.root.hex()[:16]}"
            expected = f"{checkpoint.size}, root {checkpoint.root.hex()[:16]}, as cosigned"
            raise MessageError("log", got=got, expected=expected)
        return cosigned

    def _leaf(self, index: int, body: bytes) -> None:
        signed = SignedLeaf.decode(body)
        leaf = signed.leaf
        epoch, oversight = self._epochs.get(leaf.epoch_id, (0, self.oversight))
        if not self.keep(index, leaf, epoch):
            return
        reason = self._reason(signed, oversight)
        if reason:
            self.left_out[Why(reason, leaf.querier)] += 1
            return
        self.leaves.append(LoggedLeaf.of(index, epoch, body))
        if leaf.epoch_id not in self._epochs:
            self.doubtful[Why(HIDDEN, leaf.querier)] += 1

    def _reason(self, signed: SignedLeaf, oversight: bytes | None) -> str:
        leaf = signed.leaf
        member = self._roster.members.get(leaf.querier)
        try:
            if member is None:
                return FORGED
            VerifyingKey.from_hex(member.key).verify(LABEL, leaf.signed_bytes, signed.signature)
        except SignatureError:
            return FORGED
        if not leaf.tag:
            return UNTAGGED
        if oversight != self.oversight:
            return OTHER_KEY
        try:
            ProvenTag(leaf.tag, leaf.tag_proof, leaf.tag_bond).check()
        except ProtocolError:
            return UNPROVED
        return ""

    def _step(self, body: bytes) -> bool:
        """Which epoch has which number and oversight key: as the coordinator logged it, and every member signed it.

        Whether the step says something of that.
        """
        value: dict[str, Any] = take(parse_canonical(body), STEP_KIND, ("counter", "kind", "party", "envelope"))
        if value["party"] != RELAY or value["kind"] not in ("roster", "epoch"):
            return False
        counter, envelope = integer(value["counter"], "counter", 1), text(value["envelope"], "envelope")
        data = from_hex(envelope, "envelope", len(envelope) // 2)
        step = open_envelope(data, wire.Step, self.coordinator)
        if (step.counter, step.kind, step.party) != (counter, value["kind"], RELAY):
            raise MessageError(STEP_KIND, got="another step", expected="the one that was signed")
        if step.kind == "roster":
            self._rosters[counter] = LookupRoster.decode(step.body)
            return True
        signed, roster = SignedEpoch.decode(step.body), self._rosters.get(counter)
        if roster is None:
            raise MessageError(STEP_KIND, got=f"no roster of epoch {counter}", expected="one that is logged before")
        signed.verify(roster)
        for member in roster.members:
            admitted = self._roster.members.get(member.institution)
            if admitted is None or admitted.key != member.key.hex:
                raise SignatureError(f"roster.{member.institution}", got="another key", expected="the admitted one")
        self._epochs[signed.epoch.id] = (counter, roster.oversight)
        return True
