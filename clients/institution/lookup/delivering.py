"""Openings to the regulator through the coordinator's mailbox: sealed to its key, each until it has signed a receipt.

    delivery = Delivery(home, opener, mailbox)
    delivery.seal(leaf, draw)                  # once for all, on disk; raises for what cannot be opened
    delivery.turn(drawn)                       # hands over what has no receipt, asks for receipts: which have one now

HOME/lookup/openings/LEAF-DRAW.opening, .receipt       what was sealed, and the regulator's signature for it

Only to the regulator whose key institution.toml names. The log's is the coordinator's word: it could name itself, draw
everything, and be handed by its own mailbox what was never meant for it.

The receipt is what counts: the regulator signs it once it has read the opening and has it on disk. A carrier that drops
letters has none to show, and then they are handed over as files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clients.institution.home import InstitutionHome
from clients.institution.lookup.drawn import OwnLeaf, RevealedDraw
from clients.institution.lookup.opening import Opener
from federation.errors import ConfigurationError, Refused
from federation.runtime.private_files import private_directory, read_private, write_public
from protocols.errors import SignatureError
from protocols.notices import REGULATOR, check_receipt, letter_name

Drawn = tuple[OwnLeaf, RevealedDraw]
_FULL = "quota"


class Carrier(Protocol):
    """What is asked of the mailbox; `clients.institution.person.mailbox_client.MailboxClient` is one."""

    def put(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Take (recipient, sealed bytes), once however often. Raises Refused (quota where there is no room)."""

    def receipts(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """The recipients' signatures for letters of these names, where there are any. Raises Refused."""


@dataclass(frozen=True)
class Delivery:
    """For one institution. Raises ConfigurationError where no regulator's key was entered here."""

    home: InstitutionHome
    opener: Opener
    carrier: Carrier

    def __post_init__(self) -> None:
        if not self.home.settings.lookup.regulator:
            expected = "the regulator's own key, as it reads it out; or --out, and hand the files over yourself"
            raise ConfigurationError("institution.toml: lookup.regulator", got="none", expected=expected)

    def seal(self, leaf: OwnLeaf, draw: RevealedDraw) -> bytes:
        """What is carried: sealed once, for sealed again it would be another letter. Raises as `Opener.open`."""
        file = self._file(leaf, draw, "opening")
        if not file.exists():
            write_public(file, self.opener.open(leaf, draw), mode=0o600)
        return read_private(file)

    def turn(self, drawn: Sequence[Drawn]) -> list[bool]:
        """Hand over what has no receipt, the same bytes however often; of each whether the regulator has signed for it.

        What the mailbox has no room for waits for the next turn. Raises Refused or Unreachable, and as `seal`.
        """
        waiting = {letter_name(self.seal(*each)): each for each in drawn if not self._receipt(*each).exists()}
        if waiting:
            try:
                self.carrier.put([(REGULATOR, self.seal(*each)) for each in waiting.values()])
            except Refused as error:
                if error.code != _FULL:
                    raise
            for name, receipt in self.carrier.receipts(list(waiting)).items():
                if name in waiting and self._good(name, receipt):
                    write_public(self._receipt(*waiting[name]), receipt, mode=0o600)
        return [self._receipt(*each).exists() for each in drawn]

    def _good(self, name: bytes, receipt: bytes) -> bool:
        try:
            check_receipt(name, receipt, self.opener.draws.regulator, "the regulator")
        except SignatureError:
            return False  # the carrier's own
        return True

    def _receipt(self, leaf: OwnLeaf, draw: RevealedDraw) -> Path:
        return self._file(leaf, draw, "receipt")

    def _file(self, leaf: OwnLeaf, draw: RevealedDraw, suffix: str) -> Path:
        folder = private_directory(self.home.path / "lookup" / "openings")
        return folder / f"{leaf.signed.hash.hex()}-{draw.hash.hex()[:16]}.{suffix}"
