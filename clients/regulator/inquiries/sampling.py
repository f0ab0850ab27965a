"""One draw of this regulator's, by its name: committed to, logged, waited for, revealed. Every step can be repeated.

    sampling = Sampling(home, store, "november", clock=time.time)
    leaf, draw = sampling.commit(copied, Asked(rate=300_000), log_size)     # in the log; nobody knows the seed
    sampling.reveal(copied, leaf, days=14)                                  # StageError before a quorum saw draw.size
    sampling.sampled(copied).sample

Seed and sealing key follow from a secret of the home and the draw's name: killed at any moment, the same name goes on
with the same. What is said is kept before it is sent, and what the log has under this seed is what was said.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from clients.regulator.home import RegulatorHome
from clients.regulator.inquiries.copied import CopiedLog
from clients.regulator.inquiries.draws import DrawSeen
from clients.regulator.inquiries.papers import Papers
from clients.regulator.mirror.store import MirrorStore
from clients.regulator.saying import say
from federation.errors import ConfigurationError
from federation.oversight.fields import require_name
from federation.oversight.inquiries import DRAW, REGULATOR, SeedsStatement, draw_entry
from protocols.consent.draw import MARGIN, MILLION, Draw, SignedDraw, check_alone, commit_seed
from protocols.errors import ProofError, StageError
from protocols.transparency import Entry, Promise

AFTER = 64
"""Entries between a draw and its size, by default: what is logged meanwhile must not overtake it."""
_SEED = b"fedscore/v1/regulator/inquiry-seed\x00"
_KEY = b"fedscore/v1/regulator/inquiry-opening-key\x00"
_DAY_S = 86_400


@dataclass(frozen=True)
class Asked:
    """rate: in millionths; first: where the last draw ended, by default; after: entries until the draw's size."""

    rate: int | None = None
    first: int | None = None
    after: int = AFTER

    def __post_init__(self) -> None:
        if self.after <= MARGIN:
            raise ConfigurationError("--after", got=self.after, expected=f"more than {MARGIN}")


@dataclass(frozen=True)
class Sampling:
    """`clock` is Unix time (s). Statements are sent to the log of the home's settings."""

    home: RegulatorHome
    store: MirrorStore
    name: str
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        require_name("name of the draw", self.name)

    @property
    def key(self) -> X25519PrivateKey:
        """What openings of this draw are sealed to."""
        return X25519PrivateKey.from_private_bytes(self._derived(_KEY))

    def drawn(self, copied: CopiedLog) -> str | None:
        """Leaf hash of the draw of this name, in the log or about to be; None before there is one."""
        commitment = commit_seed(self._seed)
        for leaf, seen in copied.draws.seen.items():
            if seen.draw.seeds.get(REGULATOR) == commitment:  # also where this database came from a backup
                return leaf
        kept = self._kept(DRAW)
        return None if kept is None else kept.hash.hex()

    def commit(self, copied: CopiedLog, asked: Asked, log_size: int) -> tuple[str, Draw]:
        """The draw and its leaf hash, once the log has promised it. `log_size`: how many entries the log has now.

        Raises ConfigurationError without a rate, or for another one than this draw has; StageError while the
        ombudsman's signature is awaited; LogUnreachable.
        """
        leaf = self.drawn(copied)
        if leaf is not None and copied.draw(leaf) is not None:
            self._check_same(asked, copied.draws.seen[leaf].draw)
            return leaf, copied.draws.seen[leaf].draw
        kept = self._kept(DRAW)
        if kept is not None:
            self._check_same(asked, SignedDraw.decode(kept.body).draw)
        entry = kept or self._entry(copied, asked, log_size)
        said = say(self.home, self.store, self._slot(DRAW), entry)
        return said.hash.hex(), SignedDraw.decode(said.body).draw

    def reveal(self, copied: CopiedLog, leaf: str, *, days: int) -> SeedsStatement:
        """The seeds, once the log has promised them: said only if a quorum cosigned a log of the draw's size or more.

        Raises StageError before that, or while the ombudsman's seed is awaited; ConfigurationError where the log grew
        over the draw before it was logged.
        """
        seen = copied.draw(leaf)
        if seen is None or copied.size < seen.draw.size:
            size = "the draw" if seen is None else f"{seen.draw.size} entries"
            raise StageError("seeds", got=f"{copied.size} entries with a quorum", expected=size)
        if seen.void:
            got = f"a draw at entry {seen.index} of {seen.draw.size}"
            expected = f"{MARGIN} entries after it: draw anew, under another name and with a larger --after"
            raise ConfigurationError(self.name, got=got, expected=expected)
        if seen.revealed is not None:
            return seen.revealed
        deadline = int(self.clock()) + days * _DAY_S
        public = self.key.public_key().public_bytes_raw().hex()
        seeds = {REGULATOR: self._seed.hex(), **self.papers.seeds(seen.draw)}
        said = SeedsStatement(leaf, seeds, deadline, public)
        entry = say(self.home, self.store, self._slot(SeedsStatement.kind), said.entry(self.home.signing_key))
        return SeedsStatement.read(entry, self.home.signing_key.public)

    def sampled(self, copied: CopiedLog) -> DrawSeen:
        """The draw with its sample. Raises ConfigurationError before its seeds are revealed."""
        leaf = self.drawn(copied)
        seen, kept = None if leaf is None else copied.draw(leaf), self._kept(SeedsStatement.kind)
        if seen is not None and seen.revealed is not None:
            return seen
        if seen is None or kept is None:
            expected = "one whose seeds are revealed: `fedscore regulator sample` goes on with it"
            raise ConfigurationError(self.name, got="a draw without seeds" if leaf else "no draw", expected=expected)
        return copied.draws.sampled(seen, SeedsStatement.read(kept, self.home.signing_key.public))

    @cached_property
    def papers(self) -> Papers:
        """What the ombudsman handed over, where policy.toml names one."""
        return Papers(self.home.inquiries, self.name, self.home.policy.ombudsman)

    def _entry(self, copied: CopiedLog, asked: Asked, log_size: int) -> Entry:
        draw = self.papers.draw(lambda: self._draw(copied, asked, log_size))
        self._check_same(asked, draw)
        signatures = {REGULATOR: draw.sign(self.home.signing_key), **self.papers.signatures(draw)}
        return draw_entry(SignedDraw(draw, signatures))

    def _draw(self, copied: CopiedLog, asked: Asked, log_size: int) -> Draw:
        if asked.rate is None:
            raise ConfigurationError("--rate", got="none", expected="what share is opened, or --forged and --chance")
        waiting = tuple(self._waiting(copied))
        ends = [seen.draw.size for seen in copied.draws.seen.values() if not seen.void]
        first = max([*ends, *(draw.size for draw in waiting)], default=0) if asked.first is None else asked.first
        seeds = {REGULATOR: commit_seed(self._seed), **self.papers.commitments()}
        draw = Draw(seeds, asked.rate, first, max(copied.size, log_size, first) + asked.after)
        try:
            check_alone(draw, waiting)
        except ProofError as error:
            raise ConfigurationError("--first", got=error.got, expected=error.expected) from error
        return draw

    def _waiting(self, copied: CopiedLog) -> Iterator[Draw]:
        """Draws whose seeds are awaited, also those of this home that its copy of the log does not show yet."""
        yield from (seen.draw for seen in copied.draws.seen.values() if seen.open)
        for said in self.store.said(DRAW):
            shown = said.promise is not None and Promise.decode(said.promise).index < copied.size
            if not shown and said.leaf not in copied.draws.seen:
                yield SignedDraw.decode(said.entry.body).draw

    def _check_same(self, asked: Asked, draw: Draw) -> None:
        for name, wanted, there in (("--rate", asked.rate, draw.rate), ("--first", asked.first, draw.first)):
            if wanted is not None and wanted != there:
                unit = MILLION if name == "--rate" else 1
                expected = f"{there / unit:g}, as {self.name} was committed to; another draw has another name"
                raise ConfigurationError(name, got=f"{wanted / unit:g}", expected=expected)

    def _kept(self, kind: str) -> Entry | None:
        slot = self._slot(kind)
        return next((said.entry for said in self.store.said(kind) if said.slot == slot), None)

    def _slot(self, kind: str) -> str:
        return f"{kind}/{self.name}"

    @property
    def _seed(self) -> bytes:
        return self._derived(_SEED)

    def _derived(self, label: bytes) -> bytes:
        return hmac.digest(self.home.inquiry_key, label + self.name.encode(), "sha256")
