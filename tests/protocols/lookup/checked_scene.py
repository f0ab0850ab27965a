"""The relay's stores, and the record of an epoch up to the step that is checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from world import Epoch, World

from protocols.canonical import canonical, parse_canonical
from protocols.signing import SigningKey
from server.lookup.blob_store import BlobStore
from server.lookup.charges import charge
from server.lookup.checks import check_step
from server.lookup.epochs import Epoch as State
from server.lookup.epochs import Parties
from server.lookup.folders import LookupFolders
from server.lookup.pool_files import PoolFiles
from server.lookup.record_store import EpochRecord, RecordStore, Said
from server.lookup.relay import own_step

NAMES = ("bank-00", "bank-01", "bank-02")
RELAY = SigningKey.from_seed(bytes(32))


class Scene:
    """The relay's stores, and an epoch in which everything was said that the step to be checked rests on."""

    def __init__(self, world: World, epoch: Epoch, folder: Path) -> None:
        self.world, self.epoch = world, epoch
        engine = RecordStore.open(f"sqlite:///{folder}/coordinator.db").engine
        folders = LookupFolders(folder)
        self.blobs = BlobStore(engine, folders.root)
        self.relay: Any = SimpleNamespace(record=SimpleNamespace(engine=engine), blobs=self.blobs, folders=folders)
        self.files = PoolFiles(folders.pool(1))
        members = {name: {"key": world.signers[name].public.hex, "customers": 10} for name in NAMES}
        context = epoch.context
        self.said: list[Said] = []
        self.say("propose", "relay", {"members": members})
        self.say("roster", "relay", world.roster.encode())
        self.say("header", "relay", epoch.header.to_json())
        self.say("layout", "relay", {"epoch": context.signed.epoch.to_json()})
        self.say("epoch", "relay", context.signed.encode())
        for name, digest in world.digests(epoch).items():
            self.say("table", name, {"digest": digest.hex()})

    def say(self, kind: str, party: str, body: Any) -> None:
        data = body if isinstance(body, bytes) else canonical(body)
        self.said.append(own_step(RELAY, 1, kind, data, party=party))

    def check(self, party: str, kind: str, body: Any) -> None:
        """What the relay asks before it records `body`, as it would come out of an envelope."""
        auditors = self.epoch.context.signed.epoch.auditors
        state = State(Parties(NAMES, auditors), frozenset((said.kind, said.party) for said in self.said))
        check_step(self.relay, EpochRecord(1, state, tuple(self.said)), party, kind, parse_canonical(canonical(body)))

    def upload(self, owner: str, data: bytes, reader: str = "") -> str:
        name = hashlib.sha256(data).digest()
        self.blobs.receive(1, owner, name, len(data), 0, data, reader=reader)
        return name.hex()

    def charge(self, party: str, count: int) -> None:
        charge(self.relay.record.engine, self.world.roster, party, os.urandom(8), count, lambda: b"promise")
