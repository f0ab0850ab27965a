"""What a member of the private score query says and hears, over mutual TLS: calls, and the record it replicates."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from clients.institution.home import InstitutionHome
from federation.errors import FederationError
from federation.runtime import rpc
from protocols.canonical import canonical, parse_canonical
from protocols.envelope import seal
from protocols.lookup.context import EpochContext
from protocols.lookup.layout import Layout
from protocols.lookup.manifest import LayoutHeader, SignedEpoch
from protocols.lookup.roster import Roster
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

RELAY = wire.DESCRIPTOR.services_by_name["Relay"]
POOL = wire.DESCRIPTOR.services_by_name["Pool"]


@dataclass
class Caller:
    """One institution's channels, and its replica of the current epoch's record."""

    home: InstitutionHome
    relay: grpc.Channel
    pool_channel: Callable[[str], grpc.Channel]
    steps: list[wire.Recorded] = field(default_factory=list, init=False)
    counter: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return self.home.name

    # ---- calls ----

    def ask(self, method: str, request: Any, timeout: float = 120.0) -> Any:
        return rpc.ask(self.relay, RELAY, method, request, timeout=timeout)

    def ask_pool(self, method: str, request: Any, timeout: float = 120.0) -> Any:
        """The same bytes again while the pool starts or is busy."""
        end = time.monotonic() + timeout
        while True:
            try:
                return rpc.ask(self.pool_channel(self.view().pool_address), POOL, method, request, timeout=timeout)
            except FederationError as error:
                passing = isinstance(error, rpc.Unreachable) or getattr(error, "code", "") == "busy"
                if not passing or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def view(self, wait_ms: int = 0) -> wire.EpochView:
        view: wire.EpochView = self.ask(
            "View", wire.ViewRequest(counter=self.counter, after=len(self.steps), wait_ms=wait_ms)
        )
        self.counter = self.counter or view.counter
        self.steps.extend(view.steps)
        return view

    def submit(self, kind: str, body: Any, *, party: str | None = None) -> int:
        step = wire.Step(counter=self.counter, kind=kind, party=party or self.name, body=canonical(body))
        sealed = Envelope.FromString(seal(step, self.home.signing_key))
        return int(self.ask("Submit", wire.SubmitRequest(step=sealed)).sequence)

    def upload(self, data: bytes, reader: str = "") -> str:
        name, received = hashlib.sha256(data).digest(), 0
        while received < len(data):
            part = data[received : received + 2**20]
            request = wire.UploadRequest(
                counter=self.counter, name=name, size=len(data), offset=received, part=part, reader=reader
            )
            received = self.ask("Upload", request).received
        return name.hex()

    def fetch(self, name: str) -> bytes:
        data = b""
        while True:
            part = self.ask("Fetch", wire.FetchRequest(name=bytes.fromhex(name), offset=len(data)))
            data += bytes(part.data)
            if len(data) >= part.size:
                return data

    # ---- the record ----

    def said(self, kind: str, party: str = "relay") -> Any:
        return parse_canonical(self.raw(kind, party))

    def raw(self, kind: str, party: str = "relay") -> bytes:
        for recorded in self.steps:
            step = wire.Step.FromString(recorded.step.body)
            if (step.kind, step.party) == (kind, party):
                return step.body
        raise KeyError((kind, party))

    @property
    def roster(self) -> Roster:
        return Roster.decode(self.raw("roster"))

    @property
    def header(self) -> LayoutHeader:
        return LayoutHeader.from_json(self.said("header"))

    @property
    def context(self) -> EpochContext:
        return EpochContext.of(self.roster, SignedEpoch.decode(self.raw("epoch")))

    @property
    def layout(self) -> Layout:
        said = self.said("layout")
        return Layout(self.header.id, self.fetch(said["layout"]), said["epoch"]["slots"])
