"""Consent at the querier's own node, durably: receipts that have served, and revocations from when they were delivered.

    store = ConsentStore(open_engine(lookup_database(home)))
    store.revoke(signed, now)                # what `fedscore institution consent revoke` delivers
    store.acknowledgement(signed, "bank-a")  # what is said of it, the same for ever: `acknowledging`
    store.take([(leaf, consent)])            # before the leaf is logged: a receipt serves one question, answered or not
    store.inquiry(leaf_hash)                 # whether it was a hard or a soft one

What has served stays when the request itself is forgotten: a receipt must not come back to life with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, insert, select
from sqlalchemy.sql import ColumnElement

from federation.errors import ConfigurationError
from federation.runtime.database import reading, writing
from protocols.canonical import canonical, parse_canonical
from protocols.consent.acknowledgement import NONCE_BYTES, Acknowledgement
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Receipt, SignedRevocation
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.lookup.leaf import SignedLeaf

_metadata = MetaData()
_served = Table(
    "lookup_consents",
    _metadata,
    Column("subject_key", LargeBinary(32), primary_key=True),
    Column("serial", String(64), primary_key=True),
    Column("leaf_hash", LargeBinary(32), nullable=False, unique=True),
    Column("qid", LargeBinary(16), nullable=False, unique=True),
    Column("inquiry", String(16), nullable=False),
)
_revoked = Table(
    "lookup_revocations",
    _metadata,
    Column("subject_key", LargeBinary(32), primary_key=True),
    Column("serial", String(64), primary_key=True),
    Column("delivered", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
_acknowledged = Table(
    "lookup_acknowledgements",
    _metadata,
    Column("subject_key", LargeBinary(32), primary_key=True),
    Column("serial", String(64), primary_key=True),
    Column("nonce", LargeBinary(32), nullable=False),
    Column("said", LargeBinary, nullable=False),
)
_LOCK = "fedscore_lookup"


class ConsentStore:
    """The tables `lookup_consents`, `lookup_revocations` and `lookup_acknowledgements`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def revoke(self, signed: SignedRevocation, now: int) -> int:
        """Keep a revocation, on disk when this returns; the moment (Unix s) it counts from: that of the first delivery.

        Raises SignatureError unless the key it names signed it.
        """
        signed.verify()
        said = signed.revocation
        row = {"subject_key": said.subject_key.raw, "serial": said.serial, "delivered": now}
        with writing(self._engine, lock=_LOCK) as connection:
            known = connection.execute(
                select(_revoked.c.delivered).where(_of(_revoked, said.subject_key.raw, said.serial))
            )
            first: int | None = known.scalar_one_or_none()
            if first is None:
                connection.execute(insert(_revoked), [row | {"document": signed.encode()}])
            return now if first is None else first

    def acknowledgement(
        self, signed: SignedRevocation, institution: str, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> tuple[bytes, Acknowledgement]:
        """(nonce, what is said) of a revocation that was delivered: kept before it is said, the same however often.

        Since it was delivered `take` refuses the receipt, so whether it has served is known for good. Raises
        ConfigurationError for a revocation that was not delivered.
        """
        name = (signed.revocation.subject_key.raw, signed.revocation.serial)
        with writing(self._engine, lock=_LOCK) as connection:
            known = connection.execute(select(_acknowledged).where(_of(_acknowledged, *name))).one_or_none()
            if known is not None:
                return known.nonce, Acknowledgement.from_json(parse_canonical(known.said))
            delivered = connection.execute(
                select(_revoked.c.delivered).where(_of(_revoked, *name))
            ).scalar_one_or_none()
            if delivered is None:
                raise ConfigurationError("revocation", got="none delivered", expected="one that `revoke` has kept")
            leaf = connection.execute(select(_served.c.leaf_hash).where(_of(_served, *name))).scalar_one_or_none()
            said = Acknowledgement(institution, signed.hash, leaf, delivered)
            nonce = random(NONCE_BYTES)
            row = {"subject_key": name[0], "serial": name[1], "nonce": nonce, "said": canonical(said.to_json())}
            connection.execute(insert(_acknowledged), [row])
            return nonce, said

    def revocations_of(self, receipt: Receipt) -> Revocations:
        """What was delivered about this receipt; verified when it was."""
        name = (receipt.subject_key.raw, receipt.serial)
        with reading(self._engine) as connection:
            moment = connection.execute(select(_revoked.c.delivered).where(_of(_revoked, *name))).scalar_one_or_none()
        return Revocations(MappingProxyType({} if moment is None else {name: moment}))

    def check_unused(self, receipt: Receipt) -> None:
        """Raises ConsentRefused (used) for a receipt that has served."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(_served.c.serial).where(_of(_served, receipt.subject_key.raw, receipt.serial))
            ).first()
        if found is not None:
            raise used()

    def take(self, asked: Sequence[tuple[SignedLeaf, Consent]]) -> None:
        """These receipts serve these leaves and no others, on disk when this returns.

        Raises ConsentRefused (used, revoked), and takes none, if one of them serves already or was taken back since it
        was checked: another process came first.
        """
        rows: list[dict[str, Any]] = [
            {
                "subject_key": consent.receipt.receipt.subject_key.raw,
                "serial": consent.serial,
                "leaf_hash": leaf.hash,
                "qid": leaf.leaf.qid,
                "inquiry": str(consent.receipt.receipt.inquiry),
            }
            for leaf, consent in asked
        ]
        with writing(self._engine, lock=_LOCK) as connection:
            for row in rows:
                query = select(_served.c.serial).where(_of(_served, row["subject_key"], row["serial"]))
                if connection.execute(query).first() is not None:
                    raise used()
                name = (row["subject_key"], row["serial"])
                if connection.execute(select(_revoked.c.serial).where(_of(_revoked, *name))).first() is not None:
                    raise ConsentRefused(Rule.REVOKED, got="a receipt that was taken back", expected="one in force")
                connection.execute(insert(_served), [row])

    def inquiry(self, leaf_hash: bytes) -> Inquiry | None:
        """Whether the request was a hard or a soft inquiry; None for one without consent."""
        with reading(self._engine) as connection:
            query = select(_served.c.inquiry).where(_served.c.leaf_hash == leaf_hash)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else Inquiry(found)

    def leaf_of(self, qid: bytes) -> bytes | None:
        """The leaf hash of the request with this number, if this institution made it with consent."""
        with reading(self._engine) as connection:
            query = select(_served.c.leaf_hash).where(_served.c.qid == qid)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)


def used() -> ConsentRefused:
    """The refusal of a receipt that has served."""
    return ConsentRefused(Rule.USED, got="a receipt that has served a question", expected="one for each question")


def _of(table: Table, subject_key: bytes, serial: str) -> ColumnElement[bool]:
    return (table.c.subject_key == subject_key) & (table.c.serial == serial)
