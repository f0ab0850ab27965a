"""What a person's look-up reads and writes: the log, her range of it, her receipts, the file for her institution.

read = read_log(reader, key, span, now, progress)                    # verified; SignatureError, MessageError
found = [shown(read, each) for each in asking.found]                 # with what proves each to somebody else
inquirers(wallet, key.shares, checkpoint, span, found)               # what the file says
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from clients.subject.asking import Found
from clients.subject.bookmark import Bookmark
from clients.subject.wallet import Wallet
from federation.errors import ConfigurationError
from federation.inquiries.inquirers import UNKNOWN, Inquirer, Inquirers, Kind
from federation.inquiries.log_leaves import LoggedLeaf, LoggedLeaves, Why
from federation.inquiries.showing import Evidence, Shown
from federation.runtime.log_reader import LogReader
from protocols.consent.check import CLOCK_SKEW_S
from protocols.consent.holders import OversightKey
from protocols.consent.receipt import Inquiry
from protocols.lookup.leaf import Leaf
from protocols.oprf.group import Element
from protocols.transparency import Checkpoint, Cosigned, VerifierKey, open_checkpoint


@dataclass(frozen=True)
class Span:
    """Which requests are asked about: issued on these days (UTC, both included), in these epochs; None, (): all.

    The date is the querier's word, within a day of the members' clocks. Raises ConfigurationError for no day at all.
    """

    since: date | None = None
    until: date | None = None
    epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.since and self.until and self.until < self.since:
            raise ConfigurationError("--until", got=self.until, expected=f"{self.since} or later")

    @property
    def everything(self) -> bool:
        return self == Span()

    def holds(self, index: int, leaf: Leaf, epoch: int) -> bool:
        """Whether a leaf is of it. One whose epoch the log does not show is of every epoch."""
        if self.since and leaf.issued_at < _midnight(self.since):
            return False
        if self.until and leaf.issued_at >= _midnight(self.until + timedelta(days=1)):
            return False
        return not self.epochs or epoch in (0, *self.epochs)

    def __str__(self) -> str:
        parts = [f"from {self.since}"] * bool(self.since) + [f"until {self.until}"] * bool(self.until)
        parts += [f"epochs {', '.join(map(str, self.epochs))}"] * bool(self.epochs)
        return "; ".join(parts) or "all"


class Read(NamedTuple):
    """What was read, and the checkpoint that it is under, as a quorum cosigned it: its note, and what that says."""

    logged: LoggedLeaves
    cosigned: Cosigned
    note: bytes


def read_log(
    reader: LogReader,
    key: OversightKey,
    span: Span,
    now: float,
    progress: Callable[[int, int], None],
    *,
    bookmark: Bookmark | None = None,
) -> Read:
    """All entries under the newest checkpoint that a quorum cosigned, and the leaves of `span` among them.

    From `bookmark` on only what is new is read: it is of everything, as `span` then must be. `progress`: entries read,
    of how many. Raises LogUnreachable, MessageError, SignatureError, LogContradicts.
    """
    log_key = VerifierKey.of(key.log)
    note = reader.cosigned()
    if note is None:
        raise ConfigurationError("log", got="no checkpoint that a quorum cosigned", expected="one")
    size = open_checkpoint(note, log_key).size
    logged = LoggedLeaves(key.coordinator, key.public, span.holds)
    if bookmark is not None:
        bookmark.check_continued(note, log_key, reader)
        bookmark.resume(logged)
    for number, entry in enumerate(reader.entries(logged.tree.size, size), start=logged.tree.size + 1):
        logged.take(entry)
        progress(number, size)
    return Read(logged, logged.check(note, log_key, now), note)


def shown(read: Read, found: Found) -> Shown:
    """A leaf that was found, with what shows it. Nobody is asked for its path: that would tell which one it is."""
    leaf, match = found
    return Shown(leaf, Evidence(leaf.body, read.note, read.logged.path(leaf.index), match))


def inquirers(
    wallet: Wallet, holders: Mapping[str, Element], checkpoint: Checkpoint, span: Span, found: Sequence[Shown]
) -> Inquirers:
    """The file: who, when, for which purpose; hard or soft as her own receipt of that number says.

    A receipt says it of the first request that it covers, and of no other: what is behind it she did not permit.
    """
    permitted = {consent.serial: consent.receipt.receipt for consent in wallet.permitted()}

    def kind(leaf: LoggedLeaf) -> Kind:
        given = permitted.get(leaf.serial)
        if given is None or (given.querier, given.purpose) != (leaf.querier, leaf.purpose):
            return UNKNOWN
        if not given.issued - CLOCK_SKEW_S <= leaf.issued_at < given.expires:
            return UNKNOWN
        del permitted[leaf.serial]  # it permits one
        return "hard" if given.inquiry is Inquiry.HARD else "soft"

    rows = (
        Inquirer(
            leaf=leaf.hash.hex(),
            querier=leaf.querier,
            purpose=leaf.purpose,
            inquiry=kind(leaf),
            epoch=leaf.epoch,
            issued_at=leaf.issued_at,
            index=leaf.index,
            evidence=evidence,
        )
        for leaf, evidence in sorted(found, key=lambda each: each.leaf.index)
    )
    return Inquirers(checkpoint.origin, checkpoint.size, checkpoint.root.hex(), str(span), holders, tuple(rows))


def uncertain(counted: Counter[Why]) -> list[str]:
    """What could not be asked about, or is in doubt, in words: nothing of the range goes unsaid."""
    said: list[str] = []
    by_reason: dict[str, Counter[str]] = {}
    for why, count in counted.items():
        by_reason.setdefault(why.reason, Counter())[why.querier] += count
    for reason, queriers in sorted(by_reason.items()):
        named = ", ".join(f"{name} ({count})" for name, count in sorted(queriers.items()) if name)
        said.append(f"{queriers.total()} requests {reason}{f': {named}' if named else ''}")
    return said


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
