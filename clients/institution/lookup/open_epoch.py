"""An epoch that is open, ready to be asked: verified from the record down to the engine's hint."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from clients.institution.lookup.channel import PoolClient
from clients.institution.lookup.epoch_record import POOL
from clients.institution.lookup.kept_answers import KEYS_FILE
from clients.institution.lookup.part import Part
from clients.institution.lookup.publishing import refresh
from clients.institution.lookup.signing import fetch_layout
from federation.errors import Refused
from federation.lookup.engines import load
from protocols.canonical import canonical
from protocols.lookup.audit import check_hint
from protocols.lookup.context import EpochContext
from protocols.lookup.engines import Client, Geometry
from protocols.lookup.evidence import keys_hash
from protocols.lookup.fields import from_hex_map
from protocols.lookup.layout import Layout
from protocols.lookup.manifest import Opening, SignedOpening
from protocols.signing import VerifyingKey

HINT_FILE, STATE_FILE = "hint.bin", "query.key"


@dataclass
class OpenEpoch:
    """One open epoch. `part` has replicated its record."""

    part: Part
    _client: Client | None = field(default=None, repr=False)

    @classmethod
    def current(cls, part: Part) -> OpenEpoch:
        """The relay's current epoch. Raises Refused (`closed`) unless it is open and this institution signed it."""
        refresh(part)
        if part.record.phase != "open":
            got = part.record.phase or "no epoch"
            raise Refused("closed", "epoch", got=got, expected="an epoch that is open")
        part.context.check_open(part.clock())
        return cls(part)

    @property
    def context(self) -> EpochContext:
        return self.part.context

    @cached_property
    def layout(self) -> Layout:
        """Where every subject stands; checked by its digest, in full before it was signed."""
        return fetch_layout(self.part, self.context.signed.epoch)

    @cached_property
    def opened(self) -> SignedOpening:
        """What the auditors signed of table and hint."""
        said = self.part.record.body("open", POOL)
        opened = SignedOpening(
            Opening.decode(canonical(said.get("opening"))), from_hex_map(said.get("signatures"), "open.signatures", 64)
        )
        opened.verify(self.context.signed.epoch, self.context.roster)
        return opened

    @cached_property
    def auditors(self) -> tuple[VerifyingKey, ...]:
        """Keys under which every row must be signed, in the epoch's order."""
        return tuple(self.context.roster.member(name).key for name in self.context.signed.epoch.auditors)

    @property
    def no_signatures(self) -> bytes:
        """What is verified in place of a row's signatures where an answer holds none: real ones, of another statement.

        Anything shorter or malformed is refused at once, and the pool sees how long a querier takes.
        """
        return b"".join(self.opened.signatures[name] for name in self.context.signed.epoch.auditors)

    @property
    def geometry(self) -> Geometry:
        epoch = self.context.signed.epoch
        return Geometry(epoch.rows, epoch.slots, len(epoch.auditors))

    def client(self, pool: PoolClient) -> Client:
        """The engine's client of this epoch: the kept one, or a new one whose keys the pool is given once."""
        if self._client is None:
            with _alone(self.part):
                self._client = self._kept_or_new(pool)
        return self._client

    def _kept_or_new(self, pool: PoolClient) -> Client:
        folder, engine = self.part.folder, load(self.context.parameters.engine)
        make: Callable[[bytes | None], Client] = lambda saved: engine.client(  # noqa: E731
            self.geometry, self.context.epoch_id, self._hint(pool), self.part.random, saved
        )
        kept = folder.read(STATE_FILE)
        if kept is not None:
            return make(kept)
        client = make(None)
        state = client.save()
        if client.keys:
            folder.keep(KEYS_FILE, client.keys)
            pool.register(client.keys)
        if state is not None:
            folder.keep(STATE_FILE, state)
        return client

    def _hint(self, pool: PoolClient) -> bytes:
        """From the folder, or from the pool; never used unless the auditors signed it."""
        hint = self.part.folder.read(HINT_FILE)
        if hint is None:
            hint = pool.hint()
            check_hint(self.context, self.opened, hint)
            self.part.folder.keep(HINT_FILE, hint)
        check_hint(self.context, self.opened, hint)
        return hint

    def keys_name(self, client: Client) -> bytes:
        """What queries name the client's keys by."""
        return keys_hash(client.keys)

    def pool(self, *, patience: float) -> PoolClient:
        return self.part.pool(patience=patience)


@contextmanager
def _alone(part: Part) -> Iterator[None]:
    """One process of an institution makes the epoch's key; the others find it."""
    descriptor = os.open(part.folder.file("query.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
