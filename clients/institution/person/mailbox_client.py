"""The coordinator's mailbox as a member reaches it. Nothing that comes back is verified here."""

from __future__ import annotations

from collections.abc import Sequence

from clients.institution.home import InstitutionHome
from clients.institution.member_client import MemberClient
from protocols.wire import mailbox_pb2 as wire

TOGETHER = 64
_NAMES = 1024
_MAILBOX = wire.DESCRIPTOR.services_by_name["Mailbox"]


class MailboxClient(MemberClient):
    """One connection. Calls raise Refused or Unreachable after `patience` (s)."""

    def __init__(self, home: InstitutionHome, *, patience: float = 0.0) -> None:
        super().__init__(home, home.coordinator().member_address, _MAILBOX, patience=patience)

    def publish(self, key: bytes) -> None:
        self._ask("Publish", wire.PublishRequest(key=key))

    def published(self) -> list[bytes]:
        """The documents of all members' keys."""
        return list(self._ask("Keys", wire.KeysRequest()).keys)

    def put(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Hand (recipient, sealed) over."""
        for start in range(0, len(letters), TOGETHER):
            batch = [wire.Outgoing(recipient=to, sealed=sealed) for to, sealed in letters[start : start + TOGETHER]]
            self._ask("Put", wire.PutRequest(letters=batch))

    def take(self) -> list[tuple[str, bytes]]:
        """(sender, sealed) of what waits, oldest first."""
        return [(each.sender, each.sealed) for each in self._ask("Take", wire.TakeRequest()).letters]

    def acknowledge(self, receipts: Sequence[tuple[bytes, bytes]]) -> None:
        """Have the mailbox delete letters: (name, receipt)."""
        letters = [wire.Acknowledged(name=name, receipt=receipt) for name, receipt in receipts]
        self._ask("Acknowledge", wire.AcknowledgeRequest(letters=letters))

    def receipts(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Receipts by name, of letters that were sent from here."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(names), _NAMES):
            request = wire.ReceiptsRequest(names=list(names[start : start + _NAMES]))
            found |= {each.name: each.receipt for each in self._ask("Receipts", request).letters}
        return found
