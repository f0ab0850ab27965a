"""Opening logged inquiries to the regulator: only what was drawn, sealed to its key, signed for that very leaf.

    opener = Opener(home, AskedStore(engine), draws)
    opener.open(leaf, draw)            # bytes for the regulator; ConfigurationError for what is not drawn or not known

An opening shows whom the inquiry was about, and with recorded traffic her record: so what was not drawn stays closed,
whoever asks, and what was asked without a consent document, in a federation that needs none, has nothing to show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.drawn import LoggedDraws, OwnLeaf, RevealedDraw
from federation.errors import ConfigurationError
from protocols.consent.opening import Opening, SignedOpening
from protocols.consent.sealed import SealedOpening

_NAME = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Opener:
    """For one institution; `draws` are those that hold."""

    home: InstitutionHome
    asked: AskedStore
    draws: LoggedDraws

    def open(self, leaf: OwnLeaf, draw: RevealedDraw) -> bytes:
        """What `SealedOpening.decode` reads. Raises as `answer`, and MessageError for a key that seals nothing."""
        answer, key = self.answer(leaf, draw), bytes.fromhex(draw.seeds.key)
        return SealedOpening.of(answer, draw=draw.hash, querier=self.home.name, key=key).encode()

    def answer(self, leaf: OwnLeaf, draw: RevealedDraw) -> SignedOpening:
        """Not sealed: whoever is shown it reaches the regulator's verdict, and learns whom the inquiry was about.

        Raises ConfigurationError for an inquiry that is not drawn, is not in this home's database, or has no consent
        document.
        """
        if not draw.draws(leaf.index):
            got = f"entry {leaf.index}, which was not drawn"
            raise ConfigurationError(leaf.signed.hash.hex(), got=got, expected="one that was: it stays closed")
        identifier, secrets = self.asked.opening(leaf.signed.hash)
        if not secrets.receipt:
            where = leaf.signed.hash.hex()
            raise ConfigurationError(where, got="asked without a consent document", expected="one to show")
        return Opening(leaf.signed.hash, identifier, secrets).sign(self.home.signing_key)

    def named(self, name: str) -> tuple[OwnLeaf, RevealedDraw]:
        """The inquiry with this qid (32 hexadecimal digits) or leaf hash (64), and the draw that drew it.

        Raises ConfigurationError for one that this institution has not logged, or that no draw that holds has drawn.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError("QID", got=name[:70], expected="32 or 64 hexadecimal digits")
        named = lambda leaf: name in (leaf.signed.leaf.qid.hex(), leaf.signed.hash.hex())  # noqa: E731
        for leaf in self.draws.leaves(0, named):
            for draw in self.draws.valid:
                if draw.draws(leaf.index):
                    return leaf, draw
            refused = "; ".join(f"{draw[:16]}: {why}" for draw, why in self.draws.refused.items())
            got = f"entry {leaf.index}, which no draw that holds has drawn" + (f" ({refused})" if refused else "")
            raise ConfigurationError(name, got=got, expected="one that was drawn: it stays closed")
        raise ConfigurationError(name, got="no inquiry in the log", expected="one of this institution's")
