"""Entries of the private query that speak for themselves: who signed them. Part of step 2.

| kind | signed by |
|---|---|
| `lookup-leaf` | the querier that it names, for an epoch that is logged before |
| `lookup-enrol` | the institution whose records it adds, with as many points as the entry says |
| `lookup-step` | the member that it names; the coordinator for the relay, and for a member that has left; the pool |

In steps: a `roster` has the members' own keys, an `epoch` every member's signature, an opening every auditor's. What
the documents refer to (tables, layouts, proofs) is not in the log: the members of an epoch judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from clients.regulator.line import Line
from protocols.canonical import canonical, parse_canonical
from protocols.envelope import open_envelope, read_envelope
from protocols.errors import MessageError, SignatureError
from protocols.lookup.bound import ENROL_KIND, enrol_body
from protocols.lookup.context import EpochContext
from protocols.lookup.fields import from_hex_map, integer, take, text
from protocols.lookup.leaf import KIND as LEAF_KIND
from protocols.lookup.leaf import LABEL, SignedLeaf
from protocols.lookup.manifest import EpochHeader, Opening, SignedEpoch, SignedOpening
from protocols.lookup.roster import Roster
from protocols.signing import VerifyingKey
from protocols.transparency import read_entry
from protocols.wire import lookup_pb2 as wire

STEP_KIND = "lookup-step"
KINDS = frozenset({LEAF_KIND, ENROL_KIND, STEP_KIND})
RELAY, POOL = "relay", "pool"
POINT_BYTES = 32
T = TypeVar("T")


class Lookups:
    """Folded in log order. `member`: the key of an institution at the place of the entry; raises MessageError."""

    def __init__(self, coordinator: VerifyingKey, member: Callable[[str], VerifyingKey]) -> None:
        self._coordinator, self._member = coordinator, member
        self._pools: dict[int, VerifyingKey] = {}
        self._rosters: dict[int, Roster] = {}
        self._epochs: dict[int, EpochHeader] = {}
        self.contexts: dict[bytes, EpochContext] = {}  # by epoch id: what its inquiries are judged by

    def check(self, line: Line) -> SignedLeaf | None:
        """The inquiry in an entry that holds, where the epoch's roster needs consent for it: a spot check may open it.

        Raises SignatureError or MessageError (EncodingError too) for an entry that is not what it says.
        """
        body = read_entry(line.data).body
        if line.kind == LEAF_KIND:
            signed = SignedLeaf.decode(body)
            key = self._member(signed.leaf.querier)
            key.verify(LABEL, signed.leaf.signed_bytes, signed.signature)
            return signed if self._needs_consent(signed, key) else None
        if line.kind == ENROL_KIND:
            self._enrol(body)
        else:
            self._step(body)
        return None

    def _needs_consent(self, signed: SignedLeaf, key: VerifyingKey) -> bool:
        """Whether members of the epoch could answer it, and only with the person's consent.

        Raises MessageError for an epoch that the log does not show: no spot check would ever draw from it.
        """
        context = self.contexts.get(signed.leaf.epoch_id)
        if context is None:
            got = f"{signed.leaf.epoch_id.hex()[:16]}, which the log does not show"
            raise MessageError("leaf.epoch_id", got=got, expected="an epoch that is logged before")
        if not context.roster.needs_consent:
            return False
        return any((each.institution, each.key) == (signed.leaf.querier, key) for each in context.roster.members)

    def _enrol(self, body: bytes) -> None:
        value = take(parse_canonical(body), ENROL_KIND, ("institution", "count", "envelope"))
        name, data = text(value["institution"], "institution"), _bytes(value["envelope"])
        batch = open_envelope(data, wire.EnrolBatch, self._member(name))
        count = len(batch.points) // POINT_BYTES
        if body != enrol_body(name, count, data):
            raise MessageError(f"{ENROL_KIND}.count", got=str(value["count"])[:20], expected=f"{count}, as signed")

    def _step(self, body: bytes) -> None:
        value = take(parse_canonical(body), STEP_KIND, ("counter", "kind", "party", "envelope"))
        counter, party, data = integer(value["counter"], "counter", 1), value["party"], _bytes(value["envelope"])
        step = open_envelope(data, wire.Step, self._signer(counter, party, read_envelope(data).signer))
        got, said = (step.counter, step.kind, step.party), (counter, value["kind"], party)
        if got != said:
            raise MessageError(STEP_KIND, got=str(said)[:80], expected=f"{got}, as signed")
        if party in (RELAY, POOL):
            self._document(counter, step.kind, step.body)

    def _signer(self, counter: int, party: str, key_id: str) -> VerifyingKey:
        if party == POOL:
            if counter not in self._pools:
                raise MessageError(f"{STEP_KIND}.party", got=POOL, expected="an epoch whose proposal names its key")
            return self._pools[counter]
        return self._coordinator if party == RELAY or key_id == self._coordinator.key_id else self._member(party)

    def _document(self, counter: int, kind: str, body: bytes) -> None:
        """What later entries of the epoch are held against, and what all members or auditors signed together."""
        if kind == "propose":
            proposal: Any = parse_canonical(body)
            self._pools[counter] = VerifyingKey.from_hex(text(proposal.get("pool_key"), "propose.pool_key"))
        elif kind == "roster":
            self._rosters[counter] = self._checked(Roster.decode(body))
        elif kind == "epoch":
            epoch = SignedEpoch.decode(body)
            context = EpochContext.of(_known(self._rosters, counter, "roster"), epoch)
            self._epochs[counter] = epoch.epoch
            self.contexts[epoch.epoch.id] = context
        elif kind == "open":
            value = take(parse_canonical(body), "open", ("opening", "signatures"))
            opening = Opening.decode(canonical(value["opening"]))
            signed = SignedOpening(opening, from_hex_map(value["signatures"], "open.signatures", 64))
            signed.verify(_known(self._epochs, counter, "epoch"), _known(self._rosters, counter, "roster"))

    def _checked(self, roster: Roster) -> Roster:
        for member in roster.members:
            key = self._member(member.institution)
            if member.key != key:
                got, expected = f"key {member.key.key_id}", f"key {key.key_id}, admitted at this place"
                raise SignatureError(f"roster.{member.institution}", got=got, expected=expected)
        return roster


def _known(known: Mapping[int, T], counter: int, what: str) -> T:
    if counter not in known:
        raise MessageError(STEP_KIND, got=f"no {what} of epoch {counter}", expected="one that is logged before")
    return known[counter]


def _bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(text(value, "envelope"))
    except ValueError as error:
        raise MessageError("envelope", got="other characters", expected="hexadecimal digits") from error
