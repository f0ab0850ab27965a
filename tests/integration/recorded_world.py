"""A deployment in which every process writes down what reaches it (tests/recording), and how to read that.

world = RecordedWorld.found(folder, persons=1200)
with world: ...
world.reached("pool")           # every message that reached the pool, in order
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from lookup_deployment import LookupDeployment, _model
from lookup_world import admit
from membership_world import make_coordinator

from clients.institution import home as institution_home
from clients.institution.home import CapSettings, InstitutionHome
from federation.runtime.processes import BackOff, Child, Supervisor
from federation.runtime.rpc import free_ports
from server import serve as coordinator_serve
from server.membership_store import MembershipStore
from workbench.demo.inputs import synthesise

RECORDING = Path(__file__).resolve().parents[1] / "recording"


@dataclass(frozen=True)
class Message:
    """What reached a party: a request (side "server") or a reply (side "client"), and when it came (s, one clock)."""

    party: str
    process: str
    side: str
    method: str
    caller: str
    data: bytes
    at: float
    until: float
    refusal: str


class RecordedWorld(LookupDeployment):
    """Coordinator, pool, three members; nothing of them knows that it is recorded."""

    @classmethod
    def found(cls, out: Path, *, persons: int) -> Self:
        inputs = synthesise(out, persons, seed=5)
        coordinator = make_coordinator(out / "coordinator", port=free_ports(6))
        coordinator.renew_certificate(datetime.now(UTC))
        parts = {child.name: child for child in coordinator_serve.children(coordinator)}
        homes = {given.name: _home(out, given.name, given.records) for given in inputs.institutions}
        store = MembershipStore.open(coordinator.database_url)
        with Supervisor([parts["membership"]]):
            for home in homes.values():
                admit(coordinator, store, home)
        store.close()
        members = [
            Child(name, (sys.executable, str(RECORDING / "member_process.py"), str(home.path)), home.logs / "node.log")
            for name, home in homes.items()
        ]
        supervisor = Supervisor([parts["membership"], parts["pool"], *members], back_off=BackOff(first=0.2))
        world = cls(out, inputs, coordinator, homes, supervisor, out / "model.json")
        world.model.write_bytes(_model(coordinator, homes).canonical())
        return world

    def ask(self, name: str, subjects: Sequence[str], *, leak_ms: float = 0.0) -> list[str]:
        """The outcomes, in order, of one querier process that asks for one subject after the other."""
        script = str(RECORDING / "asking_process.py")
        words = [sys.executable, script, str(self.institutions[name].path), *([str(leak_ms)] if leak_ms else [])]
        told = subprocess.run(
            words, input="\n".join(subjects), capture_output=True, text=True, timeout=120, check=False
        )
        assert told.returncode == 0, told.stderr
        return [json.loads(line)["outcome"] for line in told.stdout.splitlines()]

    def messages(self, since: float = 0.0) -> list[Message]:
        """Everything recorded that came after `since` (monotonic), in the order of its coming."""
        found = [
            self._read(entry) for file in (self.out / "recordings").glob("*.recording") for entry in _entries(file)
        ]
        return sorted((each for each in found if each.at >= since), key=lambda each: each.at)

    def reached(self, party: str, since: float = 0.0) -> list[Message]:
        """What reached one party: "relay", "pool", or an institution (its node and its other programs)."""
        return [message for message in self.messages(since) if message.party == party]

    def _read(self, entry: dict[str, Any]) -> Message:
        command = " ".join(entry["command"])
        party = next((name for name, home in self.institutions.items() if str(home.path) in command), "")
        party = "pool" if "pool_process" in command else "relay" if "membership_process" in command else party
        serves = entry["side"] == "server"
        data = entry["request"] if serves else entry["reply"] or b""
        at = entry["times"][0 if serves else 1]
        return Message(
            party,
            command,
            entry["side"],
            entry["method"],
            entry["caller"],
            data,
            at,
            entry["times"][1],
            entry["refusal"],
        )


@contextmanager
def recorded(out: Path, *, persons: int, engine: str) -> Iterator[RecordedWorld]:
    """Founded, an epoch open."""
    with pytest.MonkeyPatch.context() as patched:
        for folder in ("recordings", "tmp"):
            (out / folder).mkdir()
        path = [str(RECORDING), *filter(None, [os.environ.get("PYTHONPATH")])]
        patched.setenv("PYTHONPATH", os.pathsep.join(path))
        patched.setenv("FEDSCORE_RECORDING", str(out / "recordings"))
        patched.setenv("TMPDIR", str(out / "tmp"))
        patched.setenv("OMP_NUM_THREADS", "1")
        with RecordedWorld.found(out, persons=persons) as world:
            world.open_epoch(engine, daily_tickets=5000)
            world.publish()
            yield world


def _home(out: Path, name: str, records: Path) -> InstitutionHome:
    text = institution_home.settings_text(
        name=name,
        catalogue="synthetic",
        data=records,
        nominal_records=10_000,
        caps=CapSettings(),
        written=datetime.now(UTC),
    )
    return InstitutionHome.create(out / name, text)


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    data, at = file.read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "big")
        yield pickle.loads(data[at + 8 : at + 8 + size])
        at += 8 + size


def now() -> float:
    """The clock of the recordings."""
    return time.monotonic()
