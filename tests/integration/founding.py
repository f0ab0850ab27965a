"""How a federation comes to be: homes, enrolment, admission. By the operators' commands, or by what these call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lookup_world import admit
from membership_world import make_coordinator

from clients.institution import home as institution_home
from clients.institution.home import CapSettings, InstitutionHome
from federation.runtime.ports import free_ports
from federation.runtime.processes import Supervisor
from server import serve as coordinator_serve
from server.home import CoordinatorHome
from server.membership_store import MembershipStore
from workbench.demo.cast import command
from workbench.demo.inputs import Inputs
from workbench.demo.processes import Processes

Founded = tuple[CoordinatorHome, dict[str, InstitutionHome]]
Founding = Callable[[Path, Inputs], Founded]


def in_process(out: Path, inputs: Inputs) -> Founded:
    """The same by calls, for tests that are about something else: thirteen starts of Python less."""
    coordinator = make_coordinator(out / "coordinator", port=free_ports(6))
    coordinator.renew_certificate(datetime.now(UTC))
    membership = [child for child in coordinator_serve.children(coordinator) if child.name == "membership"]
    homes = {given.name: _home(out, given.name, given.records) for given in inputs.institutions}
    store = MembershipStore.open(coordinator.database_url)
    with Supervisor(membership):
        for home in homes.values():
            admit(coordinator, store, home)
    store.close()
    return coordinator, homes


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


def by_commands(out: Path, inputs: Inputs) -> Founded:
    """The `fedscore` commands that operators use, each a process."""
    with Processes(out / "setup") as processes:
        return _enrolled(processes, out, inputs)


def _enrolled(processes: Processes, out: Path, inputs: Inputs) -> Founded:
    home, port = out / "coordinator", free_ports(6)
    commands = {
        "coordinator": [
            *command("coordinator", "init", home=home, catalogue=inputs.catalogue, host="127.0.0.1", port=port),
            "--json",
        ]
    }
    for given in inputs.institutions:
        words = command(
            "institution",
            "init",
            home=out / given.name,
            name=given.name,
            catalogue=inputs.catalogue,
            data=given.records,
        )
        commands[given.name] = [*words, "--json"]
    facts = processes.run_all(commands)
    coordinator = CoordinatorHome.open(home)
    membership = [child for child in coordinator_serve.children(coordinator) if child.name == "membership"]
    with Supervisor(membership):
        told = facts["coordinator"]
        join = {
            given.name: command(
                "institution",
                "enrol",
                home=out / given.name,
                coordinator=told["enrolment_address"],
                ca=told["authority_fingerprint"],
            )
            for given in inputs.institutions
        }
        processes.run_all({f"{name}-apply": [*words, "--no-wait"] for name, words in join.items()})
        for name in join:
            fingerprint = facts[name]["fingerprint"]
            processes.run(command("coordinator", "admit", name, home=home, fingerprint=fingerprint))
        processes.run_all({f"{name}-collect": [*words, "--timeout", "150"] for name, words in join.items()})
    return coordinator, {given.name: InstitutionHome.open(out / given.name) for given in inputs.institutions}
