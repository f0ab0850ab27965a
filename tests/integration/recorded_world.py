"""A deployment in which every process writes down what reaches it (workbench/recorder.py), and how to read that.

with recorded(folder, persons=1200, engine="bfv") as world:
    world.reached("pool")           # every message that reached the pool, in order
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from founding import in_process
from lookup_deployment import LookupDeployment

from clients.institution.home import InstitutionHome
from federation.runtime.processes import Child
from workbench import recorder

RECORDING = Path(__file__).resolve().parents[1] / "recording"


@dataclass(frozen=True)
class Message:
    """What reached a party: a request (side "server") or a reply (side "client"), and when it came (s, one clock)."""

    party: str
    side: str
    method: str
    caller: str
    data: bytes
    at: float
    until: float  # when it was answered
    command: str = ""


class RecordedWorld(LookupDeployment):
    """Coordinator, pool, three members; nothing of them knows that it is recorded."""

    def ask(self, name: str, subjects: Sequence[str], *, leak_ms: float = 0.0) -> list[str]:
        """The outcomes, in order, of one querier process that asks for one subject after the other."""
        script = str(RECORDING / "asking_process.py")
        words = [sys.executable, script, str(self.institutions[name].path), *([str(leak_ms)] if leak_ms else [])]
        told = subprocess.run(
            words, input="\n".join(subjects), capture_output=True, text=True, timeout=300, check=False
        )
        assert told.returncode == 0, told.stderr
        return [json.loads(line)["outcome"] for line in told.stdout.splitlines()]

    def messages(self, since: float = 0.0) -> list[Message]:
        """Everything recorded that came after `since` (monotonic), in the order of its coming."""
        found = map(self._of_party, recorder.read(self.out / "recordings"))
        return sorted((each for each in found if each.at >= since), key=lambda each: each.at)

    def reached(self, party: str, since: float = 0.0) -> list[Message]:
        """What reached one party: "relay", "pool", or an institution (its node and its other programs)."""
        return [message for message in self.messages(since) if message.party == party]

    def _of_party(self, said: recorder.Message) -> Message:
        command = " ".join(said.command)
        party = next((name for name, home in self.institutions.items() if str(home.path) in command), "")
        party = "pool" if "pool_process" in command else "relay" if "membership_process" in command else party
        side, until = ("server", said.at + said.seconds) if said.request else ("client", said.at)
        return Message(party, side, said.method, said.caller, said.body, said.at, until, command)


@contextmanager
def recorded(
    out: Path, *, persons: int, engine: str, authorities: Mapping[str, str] | None = None
) -> Iterator[RecordedWorld]:
    """Founded, an epoch open."""
    with pytest.MonkeyPatch.context() as patched:
        (out / "tmp").mkdir()
        variables = {"TMPDIR": str(out / "tmp"), "OMP_NUM_THREADS": "1"}
        for name, value in {**recorder.recording(out / "recordings", services=""), **variables}.items():
            patched.setenv(name, value)
        with RecordedWorld.create(out, persons=persons, found=in_process, node=_member) as world:
            world.open_epoch(engine, daily_tickets=5000, authorities=authorities)
            world.publish()
            yield world


def _member(home: InstitutionHome) -> Child:
    command = (sys.executable, str(RECORDING / "member_process.py"), str(home.path))
    return Child("node", command, home.logs / "node.log")


def now() -> float:
    """The clock of the recordings."""
    return time.monotonic()
