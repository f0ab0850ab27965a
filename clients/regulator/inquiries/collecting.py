"""Openings that institutions handed to the coordinator's mailbox: fetched, read, kept, and only then signed for.

    collected = collect(home, store, copied, shipped(), log, time.time())
    collected.complete                       # whether the mailbox has nothing more that can be read now

A receipt says that an opening of this very leaf, by its querier, is on this disk: so what has one is never said to be
missing. Nothing else gets one, whoever put it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from clients.regulator.home import RegulatorHome
from clients.regulator.inquiries.copied import CopiedLog
from clients.regulator.inquiries.judging import Bench
from clients.regulator.inquiries.sampling import Sampling
from clients.regulator.mirror import LogReader, LogUnreachable, MirrorStore
from federation.catalogue import load_catalogue, shipped_catalogues
from federation.catalogue.values import Catalogue
from federation.errors import ConfigurationError
from federation.oversight.inquiries import DRAW
from protocols.consent.sealed import SealedOpening
from protocols.errors import ProtocolError
from protocols.notices import Order, letter_name, sign_receipt
from protocols.notices.order import MAX_NAMES

MAX_TURNS = 1000


@dataclass(frozen=True)
class Collected:
    """kept: openings that were signed for now. complete: nothing is left in the mailbox, as far as it says."""

    kept: int
    complete: bool


def collect(
    home: RegulatorHome,
    store: MirrorStore,
    copied: CopiedLog,
    catalogues: Iterable[Catalogue],
    log: LogReader,
    now: float,
) -> Collected:
    """Raises LogUnreachable where nobody answers. Where no mailbox is served there is nothing to wait for."""
    desk, order, count = _Desk(home, store, copied, tuple(catalogues), now), Order(int(now)), 0
    for _ in range(MAX_TURNS):
        answer = log.letters(order.sign(home.signing_key))
        letters = [] if answer is None else _letters(answer)
        kept, refused = {}, []
        for sealed in letters:
            name = letter_name(sealed)
            if desk.take(sealed):
                kept[name] = sign_receipt(name, home.signing_key)
            else:
                refused.append(name)
        count += len(kept)
        if not letters:
            return Collected(count, complete=True)
        order = Order(int(now), kept, tuple(refused))
    return Collected(count, complete=False)


@cache
def shipped() -> tuple[Catalogue, ...]:
    """The catalogues that come with fedscore."""
    return tuple(map(load_catalogue, shipped_catalogues()))


class _Desk:
    """The benches of this home's draws, each opened when there is something for it."""

    def __init__(
        self, home: RegulatorHome, store: MirrorStore, copied: CopiedLog, known: tuple[Catalogue, ...], now: float
    ) -> None:
        self._home, self._store, self._copied, self._known, self._now = home, store, copied, known, now
        self._names = {said.leaf: said.slot.removeprefix(f"{DRAW}/") for said in store.said(DRAW)}
        self._benches: dict[str, Bench] = {}

    def take(self, sealed: bytes) -> bool:
        """Whether it is kept. What is of no use, or not yet, gets no receipt: an honest sender tries again."""
        try:
            draw = SealedOpening.decode(sealed).draw.hex()
            if draw not in self._names:
                return False
            return self._bench(draw).take(sealed)
        except (ProtocolError, ConfigurationError):
            return False

    def _bench(self, draw: str) -> Bench:
        if draw not in self._benches:
            sampling = Sampling(self._home, self._store, self._names[draw], lambda: self._now)
            self._benches[draw] = Bench(sampling, self._copied, self._known)
        return self._benches[draw]


def _letters(answer: bytes) -> list[bytes]:
    """Raises LogUnreachable for what is no answer of a mailbox."""
    try:
        return [bytes.fromhex(letter["sealed"]) for letter in json.loads(answer)["letters"][:MAX_NAMES]]
    except (ValueError, KeyError, TypeError) as error:
        raise LogUnreachable("letters", got="another form", expected="sealed openings") from error
