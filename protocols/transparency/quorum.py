"""How many witnesses must have seen a checkpoint: enough that two forks cannot both have found them.

>>> from protocols.transparency.cosignature import WitnessKey
>>> keys = [WitnessKey.from_seed(f"w{i}", bytes([i]) * 32) for i in range(4)]
>>> quorum = Quorum.of([key.public for key in keys], required=[keys[0].public])
>>> quorum.faults, quorum.size
(1, 3)

Of n witnesses up to f may cosign anything, and f may be away, n >= 3f + 1. A quorum is floor((n + f) / 2) + 1: two of
them share at least f + 1 witnesses, one of which is honest and cosigns one history only. For n = 3f + 1 that is the
familiar 2f + 1; for other n, 2f + 1 would be too few. The rest, n - f, are always enough (Malkhi and Reiter,
"Byzantine quorum systems", 1998, section 3).

A witness may hand its key over. Which key counts is decided by the size of the checkpoint alone:

>>> heir = WitnessKey.from_seed("w9", bytes([9]) * 32)
>>> changed = quorum.following([Succession(keys[0].public, heir.public, place=7)])
>>> [quorum.name for size in (7, 8) for quorum in changed.at(size).required]
['w0', 'w9']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from protocols.errors import MessageError, SignatureError
from protocols.transparency.cosignature import WitnessVerifier, cosignature_time
from protocols.transparency.note import Checkpoint, VerifierKey, open_checkpoint

CLOCK_SKEW_S = 300


class Cosigned(NamedTuple):
    """A checkpoint that a quorum cosigned, and when (Unix seconds), by the witnesses' names."""

    checkpoint: Checkpoint
    times: dict[str, int]


class Succession(NamedTuple):
    """`new` cosigns for `old` whatever covers the entry at `place`: checkpoints of more than `place` entries."""

    old: WitnessVerifier
    new: WitnessVerifier
    place: int


@dataclass(frozen=True)
class Quorum:
    """Who witnesses, how many of them may be faulty, and who must always be among those that cosign.

    `witnesses` and `required` are as before any of the `successions`, which are in the log's order.

    Raises MessageError for fewer than 3f + 1 witnesses, one key or name twice, a required one who is no witness, or
    successions that branch, join or lead back.
    """

    witnesses: tuple[WitnessVerifier, ...]
    faults: int
    required: tuple[WitnessVerifier, ...] = ()
    successions: tuple[Succession, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.witnesses)
        if type(self.faults) is not int or self.faults < 0 or count < 3 * self.faults + 1:
            raise MessageError("quorum.faults", got=f"{self.faults} of {count}", expected="f >= 0, n >= 3f + 1")
        # One key under two names would be counted twice: the message does not say whose it is.
        if len({witness.key.raw for witness in self.witnesses}) != count:
            raise MessageError("quorum.witnesses", got="one key twice", expected="a key for each witness")
        if len({witness.name for witness in self.witnesses}) != count:
            raise MessageError("quorum.witnesses", got="one name twice", expected="a name for each witness")
        for witness in self.required:
            if witness not in self.witnesses:
                raise MessageError("quorum.required", got=witness.name, expected="one of the witnesses")
        left: set[WitnessVerifier] = set()
        used: set[WitnessVerifier] = set()
        for old, new, _ in self.successions:
            if old == new or old in left or new in used:
                got, expected = f"{old.name} to {new.name}", "one chain for a key"
                raise MessageError("quorum.successions", got=got, expected=expected)
            left, used = left | {old}, used | {old, new}

    @classmethod
    def of(cls, witnesses: Iterable[WitnessVerifier], *, required: Iterable[WitnessVerifier] = ()) -> Quorum:
        """With as many faults as the number of witnesses allows: f = floor((n - 1) / 3)."""
        everybody = tuple(witnesses)
        return cls(everybody, (len(everybody) - 1) // 3 if everybody else 0, tuple(required))

    def following(self, successions: Iterable[Succession]) -> Quorum:
        """With keys that are handed over; a witness may be named by any key of its chain. Raises MessageError."""
        chain = tuple(successions)
        before = {each.new: each.old for each in chain}
        return replace(self, successions=chain)._each(before)

    def at(self, size: int) -> Quorum:
        """Who must cosign a checkpoint of `size` entries. Raises MessageError where a key is another witness's then."""
        if not self.successions:
            return self
        heirs = {each.old: each.new for each in self.successions if each.place < size}
        return replace(self, successions=())._each(heirs)

    def _each(self, other: Mapping[WitnessVerifier, WitnessVerifier]) -> Quorum:
        """With the end of the chain in `other` in the place of each key."""

        def end(witness: WitnessVerifier) -> WitnessVerifier:
            while witness in other:
                witness = other[witness]
            return witness

        return replace(self, witnesses=tuple(map(end, self.witnesses)), required=tuple(map(end, self.required)))

    @property
    def size(self) -> int:
        return (len(self.witnesses) + self.faults) // 2 + 1

    def times(self, note: bytes, log_key: VerifierKey) -> Cosigned:
        """The log's checkpoint and who has cosigned it, quorum or not. Raises MessageError or SignatureError."""
        checkpoint = open_checkpoint(note, log_key)
        witnesses = self.at(checkpoint.size).witnesses
        if any(witness.key == log_key.key for witness in witnesses):
            raise MessageError("quorum.witnesses", got="the log's own key", expected="keys that are not the log's")
        found = ((witness.name, cosignature_time(note, witness)) for witness in witnesses)
        return Cosigned(checkpoint, {name: time for name, time in found if time is not None})

    def check(self, note: bytes, log_key: VerifierKey, now: float | None = None) -> Cosigned:
        """The log's checkpoint and the witnesses' times, where a quorum and everybody required cosigned it.

        `now` (Unix seconds) also refuses times of the future; None where the reader has no clock to compare with.
        Raises MessageError (form, time) or SignatureError: not the log's, a line that does not verify, or too few
        witnesses, naming those that are missing.
        """
        cosigned = self.times(note, log_key)
        there = self.at(cosigned.checkpoint.size)
        missing = [witness.name for witness in there.required if witness.name not in cosigned.times]
        if missing:
            raise SignatureError("quorum.required", got=f"none by {', '.join(missing)}", expected="all of the required")
        if len(cosigned.times) < self.size:
            absent = [witness.name for witness in there.witnesses if witness.name not in cosigned.times]
            raise SignatureError(
                "quorum",
                got=f"{len(cosigned.times)} of {len(self.witnesses)}, none by {', '.join(absent)}",
                expected=f"{self.size} cosignatures",
            )
        for name, time in cosigned.times.items():
            if now is not None and time > now + CLOCK_SKEW_S:
                raise MessageError(f"cosignature.time of {name}", got=time, expected=f"at most {int(now)}")
        return cosigned
