"""What a relay tells one member of an epoch, up to the layout that it is to sign: true, until something is changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from world import START, WEEK, World

from clients.institution.lookup import signing
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.part import SECRETS_FILE, Part
from clients.institution.lookup.settings import LookupSettings
from clients.institution.lookup.snapshot import Snapshot
from protocols.canonical import canonical, parse_canonical
from protocols.envelope import seal
from protocols.lookup.dummies import dummy_points
from protocols.lookup.layout import Layout, arrange, lift, union
from protocols.lookup.manifest import MEMBER_LABEL, EpochHeader, LayoutHeader, SignedEpoch
from protocols.lookup.placement import prove_places
from protocols.lookup.secrets import EpochSecrets
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

VICTIM = "bank-00"


class Told:
    """What the relay tells the victim of an epoch: true, until something is changed."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.epoch = world, world.prepare()
        self.header: LayoutHeader = self.epoch.header
        self.points = sorted(world.pseudonyms[VICTIM].values())
        lifted, proof = prove_places(self.epoch.z, self.header, VICTIM, self.points, os.urandom)
        self.layout, self.blob = self.epoch.layout, lifted + proof
        self.changed: Callable[[EpochHeader], EpochHeader] = lambda header: header
        self.blobs: dict[bytes, bytes] = {}
        self.published: dict[str, EpochSecrets] = dict(self.epoch.secrets)
        (folder / "keys").mkdir(mode=0o700)
        home: Any = SimpleNamespace(
            path=folder,
            keys=folder / "keys",
            name=VICTIM,
            signing_key=world.signers[VICTIM],
            settings=SimpleNamespace(lookup=LookupSettings()),
        )
        relay: Any = SimpleNamespace(fetch=lambda name, *, most, progress=None: self.blobs[name])
        record = EpochRecord(world.relay.public, VICTIM, world.signers[VICTIM].public)
        snapshot = Snapshot(
            tuple(world.pseudonyms[VICTIM]), np.zeros(len(self.points)), np.zeros((len(self.points), 5))
        )
        self.part = Part(home, relay, record, lambda part: snapshot, clock=lambda: START, _roster=world.roster)
        self.part.folders.roster(world.roster.id).pseudonyms.add(
            list(world.pseudonyms[VICTIM]), list(world.pseudonyms[VICTIM].values())
        )

    def sign(self) -> bytes:
        """The victim's signature on the epoch, or what it raises."""
        world, layout = self.world, self.layout
        self.named = self.changed(
            EpochHeader(
                layout_id=self.header.id,
                layout_digest=layout.digest,
                auditors=tuple(world.names[:2]),
                rows=layout.rows,
                slots=layout.slots,
                subjects=layout.subjects,
                opens_at=START,
                closes_at=START + WEEK,
            )
        )
        members = {name: {"key": world.signers[name].public.hex, "customers": 99} for name in world.names}
        proposal = {"members": members, "pool_key": world.pool_key.public.hex}
        self._say("propose", "relay", proposal | {"catalogue": "00" * 32, "model": "00" * 32}, world.relay)
        for name, secrets in self.published.items():
            keys = {"pad": secrets.pad_public.hex(), "mask": secrets.mask_public.hex()}
            self._say("secrets", name, keys, world.signers[name])
        self._say("header", "relay", self.header.to_json(), world.relay)
        told = {
            "epoch": self.named.to_json(),
            "layout": self._blob(layout.points),
            "proofs": {VICTIM: self._blob(self.blob)},
        }
        self._say("layout", "relay", told, world.relay)
        self.part.folders.epoch(1).keep(SECRETS_FILE, self.epoch.secrets[VICTIM].encode())
        self.part.folder.file(SECRETS_FILE).chmod(0o600)
        signature = bytes.fromhex(signing.sign(self.part)["signature"])
        world.signers[VICTIM].public.verify(MEMBER_LABEL, self.named.id, signature)
        return signature

    def signed_by_all(self) -> None:
        """The victim signs, and so does everybody else: the epoch is recorded."""
        self.sign()
        signatures = {name: self.named.sign(key) for name, key in self.world.signers.items()}
        self._say(
            "epoch",
            "relay",
            parse_canonical(SignedEpoch(self.header, self.named, signatures).encode()),
            self.world.relay,
        )

    def _say(self, kind: str, party: str, body: Any, key: SigningKey) -> None:
        step = wire.Step(counter=1, kind=kind, party=party, body=canonical(body))
        view = wire.EpochView(counter=1, phase="sign")
        view.steps.add(sequence=self.part.record.sequence + 1, step=Envelope.FromString(seal(step, key)))
        self.part.record.take(view)

    def _blob(self, data: bytes) -> str:
        name = hashlib.sha256(data).digest()
        self.blobs[name] = data
        return name.hex()

    def arranged(self, *, without: bytes = b"", planted: bytes = b"", dummies: bool = True) -> Layout:
        """The layout of all customers but one, of a point of the relay's own, or without the public dummies."""
        contributions = {name: b"".join(known.values()) for name, known in self.world.pseudonyms.items()}
        lifted = lift(self.epoch.z, union(contributions))
        points = [lifted[at : at + 32] for at in range(0, len(lifted), 32)]
        held = dummy_points(self.header, self.world.parameters.dummies) if dummies else []
        kept = b"".join(point for point in points if point != without) + planted
        return arrange(self.header.id, kept, held, self.layout.slots)
