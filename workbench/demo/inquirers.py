"""Who inquired about one person of the demonstration: two holders of the oversight key, and her wallet's question.

The holders are made and joined by their commands; both serve as processes. What their people would read out to each
other, and to her, is handed from one command's output to the next one's arguments.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.subject.wallet import Wallet
from federation.runtime.ports import free_ports, listens
from workbench.demo.calls import call
from workbench.demo.cast import Facts, Homes, command
from workbench.demo.consent import Persons
from workbench.demo.processes import Processes

_HOST = "127.0.0.1"
OUT = "inquirers.json"


@dataclass(frozen=True)
class Holders:
    """Both shares of the key: its document, the fingerprint that people compare, who holds one, where they listen."""

    document: Path
    fingerprint: str
    names: tuple[str, ...]
    ports: tuple[int, int]


@dataclass(frozen=True)
class Inquired:
    """What `subject inquiries` said, where it wrote it, who should be in it (kind by querier), and how long it took."""

    told: Mapping[str, Any]
    file: Path
    expected: Mapping[str, str]
    holders: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether she found exactly those who asked about her, and every request of the log was asked about."""
        found = [(each["querier"], each["inquiry"]) for each in self.told["inquiries"]]
        return sorted(found) == sorted(self.expected.items()) and not self.told["not_asked"]


def join(homes: Homes, facts: Facts, persons: Persons) -> Holders:
    """Make both holders' homes and their joint key. Raises DemoFailed."""
    told, first = facts["coordinator"], free_ports(2)
    keys = {"log_key": told["log_key"], "coordinator_key": told["key"]}
    named = {"authority": f"{persons.authority.authority.name}={persons.authority.authority.key.hex}"}
    regulator, ombudsman = homes.regulator, homes.ombudsman
    made = call([*command("ombudsman", "init", home=ombudsman, port=first, **keys, **named), "--json"])
    other = call([*command("regulator", "holder", "init", home=regulator, port=first + 1, **named), "--json"])
    call(command("ombudsman", "join", other["statement"], home=ombudsman, key=other["key"]))
    joined = command("regulator", "holder", "join", made["statement"], home=regulator, key=made["key"])
    both = call([*joined, "--json"])
    document = Path(made["statement"]).with_name("oversight.json")
    return Holders(document, both["fingerprint"], tuple(both["holders"]), (first, first + 1))


def serve(processes: Processes, homes: Homes, holders: Holders) -> None:
    """Start both; they answer when this returns."""
    commands = {
        "ombudsman": command("ombudsman", "serve", home=homes.ombudsman),
        "holder": command("regulator", "holder", "serve", home=homes.regulator),
    }
    processes.serve_all(commands, ready=lambda: all(listens(_HOST, port) for port in holders.ports))


def look_up(facts: Facts, holders: Holders, wallet: Wallet, expected: Mapping[str, str]) -> Inquired:
    """Her question to the log and to both holders. `expected`: hard, soft or unknown, by who asked.

    Raises DemoFailed.
    """
    told, file = facts["coordinator"], wallet.path / OUT
    log = {"log": told["log_address"], "log_authority": told["authority"]}
    key = {"oversight": holders.document, "fingerprint": holders.fingerprint}
    started = time.perf_counter()
    said = call([*command("subject", "inquiries", wallet=wallet.path, out=file, **log, **key), "--json"])
    return Inquired(said, file, expected, holders.names, time.perf_counter() - started)


def summary(found: Inquired) -> dict[str, Any]:
    """`inquiries` of `summary.json`."""
    return {
        "holds": found.holds,
        "holders": list(found.holders),
        "asked": found.told["asked"],
        "not_asked": len(found.told["not_asked"]),
        "found": [{name: each[name] for name in ("querier", "purpose", "inquiry")} for each in found.told["inquiries"]],
        "seconds": round(found.seconds, 2),
    }
