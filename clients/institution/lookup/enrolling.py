"""Enrolment from the member that enrols: its new customers' pseudonyms, in batches, each sent again as the same bytes.

A batch's blinding comes from a seed that is kept, and from the batch itself: a process that was killed after the relay
had charged for a batch asks again with the same envelope, is not charged twice, and can open the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.folders import RosterFolder
from federation.lookup.parallel import spread
from protocols.canonical import canonical, digest
from protocols.errors import MessageError
from protocols.lookup.bound import ENROL_POINTS
from protocols.lookup.roster import Roster
from protocols.oprf.enrolment import Enrolment
from protocols.wire import lookup_pb2 as wire

CONTEXT_LABEL = "fedscore/v1/lookup/enrolment"
ELEMENT_BYTES = 32
Progress = Callable[[int, int], None]
Answers = dict[str, tuple[list[bytes], bytes]]
Work = tuple[Enrolment, Answers, dict[str, bytes], bytes]  # state, answers by member, public keys, context
T = TypeVar("T")


@dataclass
class Stream:
    """Bytes of SHAKE-256 in order: the randomness of one batch. Picklable; the seed is never printed."""

    seed: bytes = field(repr=False)
    _served: int = 0

    def __call__(self, count: int) -> bytes:
        block = hashlib.shake_256(self.seed + self._served.to_bytes(8, "little")).digest(count)
        self._served += 1
        return block


def batch_stream(seed: bytes, identifiers: Sequence[bytes]) -> Stream:
    """The blinding of exactly this batch."""
    together = hashlib.sha256()
    for identifier in identifiers:
        together.update(len(identifier).to_bytes(8, "little") + identifier)
    return Stream(digest("fedscore/v1/lookup/blinding", seed + together.digest()))


def enrolment_context(roster_id: bytes, institution: str, points: bytes) -> bytes:
    """What proofs of an evaluation are bound to: the roster, who enrols, and this very request."""
    request = {"roster": roster_id.hex(), "institution": institution, "points": hashlib.sha256(points).hexdigest()}
    return digest(CONTEXT_LABEL, canonical(request))


@dataclass(frozen=True)
class Batch:
    """What one process works on: identifiers in, pseudonyms out."""

    identifiers: tuple[bytes, ...] = field(repr=False)
    seed: bytes = field(repr=False)

    def start(self) -> tuple[Enrolment, bytes]:
        state, blinded = Enrolment.start(self.identifiers, batch_stream(self.seed, self.identifiers))
        return state, b"".join(blinded)


def start_batch(batch: Batch) -> tuple[Enrolment, bytes]:
    return batch.start()


def finish_batch(work: Work) -> list[bytes]:
    """Pseudonyms of one batch, every member's proof verified. Raises ProofError naming the member."""
    state, answers, publics, context = work
    return state.finish(answers, publics, context)


def enrol(
    relay: RelayClient,
    folder: RosterFolder,
    roster: Roster,
    institution: str,
    counter: int,
    identifiers: Sequence[bytes],
    *,
    random: Callable[[int], bytes],
    processes: int,
    progress: Progress,
) -> int:
    """Give every one of `identifiers` a pseudonym; how many points were ever charged to this member under the roster.

    Blinding, the others' evaluations and the checks of their proofs overlap: one batch travels while `processes` work
    on those before and after it. Raises Refused (allowance used up, a member that is away), ProofError naming the
    member whose answer does not hold.
    """
    store, seed = folder.pseudonyms, folder.seed(random)
    missing = store.missing(identifiers)
    publics = {member.institution: member.pseudonym_key for member in roster.members}
    batches = [Batch(tuple(part), seed) for part in _cut(missing, ENROL_POINTS)]
    at_once = max(1, min(processes, len(batches) // 2))

    def evaluated() -> Iterator[Work]:
        for state, points in spread(start_batch, batches, processes=at_once):
            answers, charged = _ask(relay, roster.id, counter, points)
            folder.charged = max(folder.charged, charged)
            yield state, answers, publics, enrolment_context(roster.id, institution, points)

    done = 0
    for batch, pseudonyms in zip(batches, spread(finish_batch, evaluated(), processes=at_once), strict=True):
        store.add(batch.identifiers, pseudonyms)
        done += len(pseudonyms)
        progress(done, len(missing))
    return folder.charged


def _ask(relay: RelayClient, roster_id: bytes, counter: int, points: bytes) -> tuple[Answers, int]:
    reply = relay.enrol(wire.EnrolBatch(roster_id=roster_id, counter=counter, points=points))
    answers: Answers = {}
    for evaluated in reply.evaluations:
        if evaluated.institution in answers:
            raise MessageError("evaluations", got=f"two of {evaluated.institution}", expected="one of each member")
        answers[evaluated.institution] = (split_points(evaluated.points), evaluated.proof)
    return answers, reply.charged


def split_points(data: bytes) -> list[bytes]:
    """Elements of 32 bytes. Raises MessageError for a part of one; whether they are elements is the user's to check."""
    if len(data) % ELEMENT_BYTES:
        raise MessageError("points", got=f"{len(data)} bytes", expected=f"a multiple of {ELEMENT_BYTES}")
    return [data[start : start + ELEMENT_BYTES] for start in range(0, len(data), ELEMENT_BYTES)]


def _cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
