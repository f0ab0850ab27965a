"""The mailbox: letters of one size from admitted members to admitted members, bounded in number, kept until fetched.

    mailbox = Mailbox.open(url, admitted, clock)
    mailbox.put("bank-a", [("bank-b", sealed)])
    mailbox.take("bank-b") -> [("bank-a", sealed)]
    mailbox.acknowledge("bank-b", [(name, receipt)])          # deletes the bytes
    mailbox.discard(REGULATOR, [name])                        # likewise, and there is no receipt

The regulator is a recipient too, of openings, and never a sender (`server.mailbox.door`).
It reads nothing and logs nothing of a letter: who wrote to whom, and when, is all it knows, and a sender that writes to
everybody says nothing by that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from federation.errors import Refused
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.consent.sealed import MAX_BYTES as MAX_OPENING
from protocols.errors import MessageError
from protocols.notices import REGULATOR, SEALED_BYTES, NoticeKey, check_receipt, letter_name
from protocols.signing import VerifyingKey
from server.mailbox.tables import keys, letters

MAX_TOGETHER = 64
MAX_WAITING = 256  # from one sender to one recipient
MAX_A_DAY = 4096  # of one sender
MAX_NAMES = 1024
KEPT_S = 90 * 86_400  # a letter that nobody fetches, and a receipt that nobody asks for
_DAY_S = 86_400
_LOCK = "fedscore_mailbox"
Admitted = Callable[[str], VerifyingKey]


class Mailbox:
    """`admitted`: the key of an admitted member, raises Refused for others. `clock`: Unix time (s). Thread-safe."""

    def __init__(self, engine: Engine, admitted: Admitted, clock: Callable[[], float]) -> None:
        self._engine, self._admitted, self._clock = engine, admitted, clock

    @classmethod
    def open(cls, url: str, admitted: Admitted, clock: Callable[[], float]) -> Mailbox:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used."""
        engine = open_engine(url)
        migrate(engine, "server.mailbox:migrations", version_table="mailbox_version")
        return cls(engine, admitted, clock)

    def close(self) -> None:
        self._engine.dispose()

    def publish(self, caller: str, document: bytes) -> None:
        """Keep the caller's key. Raises MessageError or SignatureError for one that is not the caller's own."""
        key = NoticeKey.decode(document)
        key.verify(self._admitted(caller))
        if key.institution != caller:
            raise MessageError("notice key.institution", got="another member", expected=caller)
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(delete(keys).where(keys.c.institution == caller))
            connection.execute(insert(keys), {"institution": caller, "document": document})

    def keys(self) -> list[bytes]:
        """The documents of all who published one, by name."""
        with reading(self._engine) as connection:
            found = connection.execute(select(keys.c.document).order_by(keys.c.institution)).scalars()
            return [bytes(document) for document in found]

    def put(self, sender: str, outgoing: Sequence[tuple[str, bytes]]) -> None:
        """Keep letters, all or none. Raises Refused: too many, another size, no member."""
        if not 0 < len(outgoing) <= MAX_TOGETHER:
            raise Refused("invalid", "letters", got=len(outgoing), expected=f"1 to {MAX_TOGETHER}")
        for recipient, sealed in outgoing:
            if recipient == REGULATOR and not 0 < len(sealed) <= MAX_OPENING:
                raise Refused("invalid", "opening", got=f"{len(sealed)} bytes", expected=f"at most {MAX_OPENING}")
            if recipient != REGULATOR and len(sealed) != SEALED_BYTES:
                raise Refused("invalid", "letter", got=f"{len(sealed)} bytes", expected=f"{SEALED_BYTES} bytes")
            self._admitted(recipient)
        now = int(self._clock())
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(delete(letters).where(letters.c.put_at < now - KEPT_S))
            for recipient, sealed in outgoing:
                self._put(connection, sender, recipient, sealed, now)

    def _put(self, connection: Connection, sender: str, recipient: str, sealed: bytes, now: int) -> None:
        name = letter_name(sealed)
        known = connection.execute(select(letters).where(letters.c.name == name)).one_or_none()
        if known is not None and (known.sealed is not None or known.receipt is not None):
            return
        of = letters.c.sender == sender
        count = select(func.count()).select_from(letters).where(of)
        today = connection.execute(count.where(letters.c.put_at > now - _DAY_S)).scalar_one()
        waiting = connection.execute(
            count.where(letters.c.recipient == recipient, letters.c.sealed.is_not(None))
        ).scalar_one()
        if today >= MAX_A_DAY or waiting >= MAX_WAITING:
            raise Refused("quota", "letters", got="more than are carried", expected=f"{MAX_WAITING} waiting for one")
        if known is not None:  # it was discarded once
            connection.execute(update(letters).where(letters.c.name == name).values(sealed=sealed))
            return
        last = connection.execute(select(func.max(letters.c.number))).scalar() or 0
        row = {"number": last + 1, "name": name, "sender": sender, "recipient": recipient, "sealed": sealed}
        connection.execute(insert(letters), row | {"put_at": now})

    def take(self, recipient: str, most: int = MAX_TOGETHER) -> list[tuple[str, bytes]]:
        """(sender, sealed) of what waits for `recipient`, oldest first, so many together."""
        waits = select(letters.c.sender, letters.c.sealed).where(
            letters.c.recipient == recipient, letters.c.sealed.is_not(None)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(waits.order_by(letters.c.number).limit(most)).all()
        return [(row.sender, bytes(row.sealed)) for row in rows]

    def acknowledge(self, recipient: str, receipts: Sequence[tuple[bytes, bytes]]) -> None:
        """Delete the bytes of letters to `recipient`, keep its receipts. Raises SignatureError for another's."""
        if len(receipts) > MAX_TOGETHER:
            raise Refused("invalid", "receipts", got=len(receipts), expected=f"at most {MAX_TOGETHER}")
        key = self._admitted(recipient)
        for name, receipt in receipts:
            check_receipt(name, receipt, key, recipient)
        with writing(self._engine, lock=_LOCK) as connection:
            for name, receipt in receipts:
                mine = (letters.c.name == name, letters.c.recipient == recipient)
                connection.execute(update(letters).where(*mine).values(sealed=None, receipt=receipt))

    def discard(self, recipient: str, names: Sequence[bytes]) -> None:
        """Delete the bytes of letters to `recipient` that were of no use to it: their senders get no receipt, and may
        send again. They count as sent."""
        if names:
            mine = (letters.c.name.in_(list(names)), letters.c.recipient == recipient)
            with writing(self._engine, lock=_LOCK) as connection:
                connection.execute(update(letters).where(*mine).values(sealed=None))

    def receipts(self, sender: str, names: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """(name, receipt) of those of the sender's letters that were acknowledged."""
        if len(names) > MAX_NAMES:
            raise Refused("invalid", "names", got=len(names), expected=f"at most {MAX_NAMES}")
        mine = select(letters.c.name, letters.c.receipt).where(
            letters.c.sender == sender, letters.c.name.in_(list(names)), letters.c.receipt.is_not(None)
        )
        with reading(self._engine) as connection:
            return [(bytes(row.name), bytes(row.receipt)) for row in connection.execute(mine).all()]
