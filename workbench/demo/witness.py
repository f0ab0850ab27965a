"""What reached each party in this run: kinds of messages, their number and size, and whether any identifier was in one.

    needles = Needles(forms(subjects, scheme))
    seen = witness(folder, needles)

An identifier is looked for in every form that tells it to somebody: as written, as it is hashed, its SHA-256, its point
on the curve before any key has touched it; each in bytes and in hexadecimal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.lookup.identifiers import Scheme
from protocols.oprf.group import hash_to_group
from workbench.recorder import Message, read

QUERIER, MEMBER, RELAY, POOL = PARTIES = ("querier", "member", "relay", "pool")
_PROGRAMS = {
    "server.membership_process": RELAY,
    "server.lookup.pool_process": POOL,
    "clients.institution.node_service": MEMBER,
    "clients.institution.lookup.closing_process": MEMBER,
    "publish": MEMBER,
    "query": QUERIER,
}
_KINDS = {
    # requests
    (True, "View"): "looks at the record of the epoch",
    (True, "Submit"): "signed steps: public keys, digests, signatures",
    (True, "Upload"): "pseudonyms of own customers, row signatures, sealed hand-overs",
    (True, "Fetch"): "asks for a blob by its digest",
    (True, "Enrol"): "blinded identifiers to be evaluated",
    (True, "Append"): "signed leaves for the log",
    (True, "Ticket"): "blinded identifiers of questions",
    (True, "Work"): "evaluations, proofs and sealed pads",
    (True, "Put"): "padded and masked tables",
    (True, "Table"): "auditors ask for tables",
    (True, "Rows"): "asks for the signed rows",
    (True, "Hint"): "asks for the engine's hint",
    (True, "Register"): "public evaluation keys",
    (True, "Query"): "encrypted queries",
    # replies
    (False, "View"): "the record of the epoch",
    (False, "Submit"): "receipts for steps",
    (False, "Upload"): "receipts for blobs",
    (False, "Fetch"): "the layout, proofs of own places, sealed hand-overs",
    (False, "Enrol"): "evaluations of own blinded identifiers",
    (False, "Append"): "the log's promises",
    (False, "Ticket"): "evaluations, proofs and pads sealed to the asker",
    (False, "Work"): "blinded identifiers to be evaluated, signed leaves",
    (False, "Put"): "receipts for the own table",
    (False, "Table"): "all tables, padded and masked (auditors)",
    (False, "Rows"): "the signed rows, padded",
    (False, "Hint"): "the engine's hint",
    (False, "Register"): "receipts for keys",
    (False, "Query"): "encrypted rows",
}
_LOG_READING = "reads the log: checkpoints, proofs, entries"
_TAIL = 8  # bytes of a needle by which it is first looked for
_BITS = 22
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Seen:
    """Messages of one kind that reached one party. `identifiers`: how often one was found in them."""

    party: str
    kind: str
    messages: int
    bytes: int
    identifiers: int


@dataclass(frozen=True)
class Traffic:
    """Everything witnessed; `up` and `down`: bytes of the calls that questions make, `seconds` by call."""

    seen: tuple[Seen, ...]
    up: int
    down: int
    once_up: int
    once_down: int
    seconds: dict[str, float]

    @property
    def identifiers(self) -> int:
        return sum(kind.identifiers for kind in self.seen)


class Needles:
    """Byte strings of eight bytes or more, many, looked for all at once."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._by_tail: dict[int, list[bytes]] = defaultdict(list)
        for needle in set(needles):
            if len(needle) < _TAIL:
                raise ValueError(f"needles: got one of {len(needle)} bytes, expected {_TAIL} or more")
            self._by_tail[int.from_bytes(needle[-_TAIL:], "little")].append(needle)
        self._tails = np.array(sorted(self._by_tail), dtype=np.uint64)
        self._marked = np.zeros(2**_BITS, dtype=np.bool_)
        self._marked[_hash(self._tails)] = True

    def count(self, data: bytes) -> int:
        """How often any needle occurs in `data`."""
        if len(data) < _TAIL or not len(self._tails):
            return 0
        tails = np.ndarray((len(data) - _TAIL + 1,), dtype="<u8", buffer=data, strides=(1,)).astype(np.uint64)
        places = np.flatnonzero(self._marked[_hash(tails)])
        places = places[np.isin(tails[places], self._tails)]
        return sum(
            data.endswith(needle, max(end - len(needle), 0), end)
            for place in places.tolist()
            for end in [place + _TAIL]
            for needle in self._by_tail[int(tails[place])]
        )


def forms(subjects: Iterable[str], scheme: Scheme) -> Iterator[bytes]:
    """Everything that tells one of `subjects` to a reader. Text of less than eight bytes is looked for as it is hashed:
    alone it would be found in any noise."""
    for subject in subjects:
        hashed = scheme.normalise(subject)
        telling = [hashed, sha256(hashed).digest(), sha256(subject.encode()).digest(), hash_to_group(hashed)]
        telling += [subject.encode()] if len(subject.encode()) >= _TAIL else []
        for form in telling:
            yield form
            yield form.hex().encode()


def witness(folder: Path, needles: Needles) -> Traffic:
    """Read what processes recorded in `folder` (workbench.recorder)."""
    groups: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    asking: dict[str, list[Message]] = defaultdict(list)
    for message in read(folder):
        party = party_of(message.command)
        groups[party, _KINDS.get((message.request, message.method), _LOG_READING)].append(message.body)
        if party == QUERIER:
            asking[message.method].append(message)
    order = sorted(groups, key=lambda key: (PARTIES.index(key[0]), -sum(map(len, groups[key]))))
    seen = tuple(
        Seen(party, kind, len(bodies), sum(map(len, bodies)), needles.count(bytes(_TAIL).join(bodies)))
        for party, kind in order
        for bodies in [groups[party, kind]]
    )
    each = [message for method in ("Append", "Ticket", "Query") for message in asking[method]]
    once = [message for method, messages in asking.items() for message in messages if message not in each]
    return Traffic(
        seen=seen,
        up=sum(message.sent for message in each),
        down=sum(len(message.body) for message in each),
        once_up=sum(message.sent for message in once),
        once_down=sum(len(message.body) for message in once),
        seconds={
            method: sum(message.seconds for message in asking[method]) for method in ("Append", "Ticket", "Query")
        },
    )


def party_of(command: Sequence[str]) -> str:
    """Whose process a command line is. Raises ValueError for one that has no business with these messages."""
    for word in command:
        if word in _PROGRAMS:
            return _PROGRAMS[word]
    raise ValueError(f"command: got {command[:6]}, expected a party of the private score query")


def _hash(tails: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray((tails * _ODD) >> np.uint64(64 - _BITS))
