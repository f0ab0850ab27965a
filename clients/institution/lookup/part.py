"""This institution's part in one epoch: what every step of it needs, in one value."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from clients.institution.home import InstitutionHome
from clients.institution.lookup.ceremony import accept_roster
from clients.institution.lookup.channel import PoolClient, RelayClient
from clients.institution.lookup.epoch_record import RELAY, EpochRecord
from clients.institution.lookup.folders import EpochFolder, LookupFolders
from clients.institution.lookup.snapshot import Snapshot
from clients.institution.member_client import PATIENCE_S
from federation.errors import ConfigurationError
from federation.runtime.progress import Report, unheard
from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import LayoutHeader, SignedEpoch
from protocols.lookup.roster import Roster
from protocols.lookup.secrets import EpochSecrets

SECRETS_FILE = "secrets.key"


def no_snapshot(part: Part) -> Snapshot:
    """For processes that never read the data file: the snapshot is there, or `publish` has not run."""
    raise ConfigurationError("snapshot", got="none", expected="`fedscore institution publish` to have read it")


@dataclass
class Part:
    """One epoch as this institution sees it. `read_snapshot` reads the data file; called at most once in an epoch."""

    home: InstitutionHome
    relay: RelayClient
    record: EpochRecord
    read_snapshot: Callable[[Part], Snapshot]
    report: Report = unheard
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], float] = time.time
    table_delivered: bool = False
    _roster: Roster | None = field(default=None, repr=False)

    @property
    def institution(self) -> str:
        return self.home.name

    @property
    def folders(self) -> LookupFolders:
        return LookupFolders(self.home)

    @property
    def folder(self) -> EpochFolder:
        return self.folders.epoch(self.record.counter)

    @property
    def roster(self) -> Roster:
        """The epoch's roster, checked once. Raises what `accept_roster` raises."""
        if self._roster is None:
            self._roster = accept_roster(self.folders, self.record)
        return self._roster

    @cached_property
    def snapshot(self) -> Snapshot:
        """The records as they are in this epoch: read from the data file once, kept, and never read anew."""
        kept = self.folder.read("snapshot.parquet")
        if kept is not None:
            return Snapshot.decode(kept)
        snapshot = self.read_snapshot(self)
        self.folder.keep("snapshot.parquet", snapshot.encode())
        return Snapshot.decode(snapshot.encode())

    def drawn_secrets(self) -> EpochSecrets:
        """Pad and mask keys of this epoch, drawn at the first call, before they are published."""
        make = lambda: EpochSecrets.generate(self.institution, self.random).encode()  # noqa: E731
        return EpochSecrets.decode(self.folder.secret(SECRETS_FILE, make))

    @property
    def secrets(self) -> EpochSecrets:
        """The keys that were drawn. Raises ConfigurationError where they are erased, or were lost: others are none."""
        kept = self.folder.secret_if_there(SECRETS_FILE)
        if kept is None:
            raise ConfigurationError("epoch secrets", got="none", expected="those this institution published")
        return EpochSecrets.decode(kept)

    def keep_secrets(self, secrets: EpochSecrets) -> None:
        """Store what the secrets are bound to, before anything is made with them."""
        self.folder.replace_secret(SECRETS_FILE, secrets.encode())

    @cached_property
    def header(self) -> LayoutHeader:
        """The epoch's public keys, checked against the roster and against what every member said."""
        header = LayoutHeader.from_json(self.record.body("header", RELAY))
        header.check(self.roster)
        for member, said in self.record.bodies("secrets").items():
            if (header.pads[member].hex(), header.masks[member].hex()) != (said.get("pad"), said.get("mask")):
                raise ConfigurationError(f"keys of {member}", got="others in the layout", expected="what it published")
        if header.counter != self.record.counter:
            raise ConfigurationError("layout.counter", got=header.counter, expected=self.record.counter)
        proposal = self.record.body("propose", RELAY)
        if header.pool.hex != proposal["pool_key"]:
            raise ConfigurationError("layout.pool", got="another key", expected="the proposed one")
        for name in ("catalogue", "model"):
            if getattr(header, name).hex() != proposal[name]:
                raise ConfigurationError(f"layout.{name}", got="another", expected="the proposed one")
        return header

    @cached_property
    def context(self) -> EpochContext:
        """The epoch as all its members signed it."""
        signed = SignedEpoch.decode(self.record.raw("epoch", RELAY))
        return EpochContext.of(self.roster, signed)

    def pool(self, *, patience: float = PATIENCE_S) -> PoolClient:
        """The pool of this epoch. Raises ConfigurationError where the relay names none."""
        if not self.record.pool_address:
            raise ConfigurationError("pool", got="no address", expected="a pool that runs")
        return PoolClient(self.home, self.record.pool_address, self.context.epoch_id, patience=patience)

    @property
    def is_auditor(self) -> bool:
        return self.institution in self.context.signed.epoch.auditors
