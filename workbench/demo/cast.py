"""The demonstration's acts, all by `fedscore` commands: found a federation, join it, train, score, read the ledgers.

Nothing is called in-process that a deployment would run as a process. What an operator would compare over the telephone
(fingerprints) or look at (the bundle) is handed from one command's output to the next one's arguments.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.runtime.ports import free_ports, listens
from server.choices import Method, Noise
from server.home import CoordinatorHome
from server.superlink import shipped_bundle
from workbench.demo.inputs import Inputs
from workbench.demo.processes import Processes, Tick

RUN = "demo"
_HOST = "127.0.0.1"
_PORTS = 6
_DECISION_S = 180

Facts = dict[str, dict[str, Any]]  # what commands said, by whom
OnRound = Callable[[int, int], None]  # (rounds done, rounds in all)


@dataclass(frozen=True)
class Homes:
    """Where everybody lives under `out`."""

    out: Path

    @property
    def coordinator(self) -> Path:
        return self.out / "coordinator"

    @property
    def regulator(self) -> Path:
        return self.out / "regulator"

    @property
    def ombudsman(self) -> Path:
        return self.out / "ombudsman"

    def institution(self, name: str) -> Path:
        return self.out / name

    @property
    def run(self) -> Path:
        return self.coordinator / "runs" / RUN

    def scores(self, name: str) -> Path:
        return self.out / "scores" / f"{name}.parquet"

    def events(self) -> list[dict[str, Any]]:
        """What the round driver has reported so far, whole lines only."""
        file = self.run / "events.jsonl"
        lines = file.read_text().split("\n")[:-1] if file.is_file() else []
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Terms:
    """What is trained: the budget of each institution, whether too few records are accepted.

    noise, recipe, rounds   as `coordinator train` takes them; None: as its plan chooses
    """

    epsilon: float = 1.0
    rounds: int | None = None
    force: bool = False
    noise: Noise | None = None
    recipe: Method | None = None


@dataclass(frozen=True)
class Trained:
    """What `train` said, and when (Unix time, s) the institutions' processes were started."""

    facts: dict[str, Any]
    started: float


def found(processes: Processes, homes: Homes, inputs: Inputs, terms: Terms) -> Facts:
    """Make the homes of coordinator and institutions. What each `init` said, by name."""
    port, catalogue = free_ports(_PORTS), inputs.catalogue
    caps = {"cap_run": terms.epsilon, "cap_year": 3 * terms.epsilon, "cap_lifetime": 10 * terms.epsilon}
    coordinator = command("coordinator", "init", home=homes.coordinator, catalogue=catalogue, host=_HOST, port=port)
    commands = {"coordinator": [*coordinator, "--json"]}
    for given in inputs.institutions:
        options = {"home": homes.institution(given.name), "name": given.name, "data": given.records, **caps}
        commands[given.name] = [*command("institution", "init", catalogue=catalogue, **options), "--json"]
    return processes.run_all(commands)


def serve(processes: Processes, homes: Homes) -> None:
    """Start the coordinator; it answers when this returns."""
    port = CoordinatorHome.open(homes.coordinator).settings.enrolment_port
    words = command("coordinator", "serve", home=homes.coordinator)
    processes.serve("coordinator", words, ready=lambda: listens(_HOST, port))


def join(processes: Processes, homes: Homes, inputs: Inputs, facts: Facts) -> None:
    """Apply, compare fingerprints, admit, collect certificates, allow the bundle, accept who noise is shared with."""
    names = [given.name for given in inputs.institutions]
    address = facts["coordinator"]["enrolment_address"]
    authority = facts["coordinator"]["authority_fingerprint"]
    enrol = {
        name: command("institution", "enrol", home=homes.institution(name), coordinator=address, ca=authority)
        for name in names
    }
    processes.run_all({f"{name}-apply": [*words, "--no-wait"] for name, words in enrol.items()})
    for name in names:
        fingerprint = facts[name]["fingerprint"]
        processes.run(command("coordinator", "admit", name, home=homes.coordinator, fingerprint=fingerprint))
    allow = ["--timeout", str(_DECISION_S), "--accept-bundle", shipped_bundle().hash]
    processes.run_all({f"{name}-collect": [*words, *allow] for name, words in enrol.items()})
    accept = {name: command("institution", "accept-partner", home=homes.institution(name)) for name in names}
    others = {name: [facts[other]["fingerprint"] for other in names if other != name] for name in names}
    processes.run_all({f"{name}-accept": [*words, *others[name]] for name, words in accept.items() if others[name]})


def train(processes: Processes, homes: Homes, inputs: Inputs, terms: Terms, *, on_round: OnRound) -> Trained:
    """Start the institutions' nodes and run the plan over the deployment."""
    started = time.time()
    for given in inputs.institutions:
        processes.serve(given.name, command("institution", "serve", home=homes.institution(given.name)))
    chosen = {"noise": terms.noise, "recipe": terms.recipe, "rounds": terms.rounds}
    said = {name: value for name, value in chosen.items() if value is not None}
    words = command("coordinator", "train", home=homes.coordinator, run_id=RUN, epsilon=terms.epsilon, **said)
    words += ["--force"] if terms.force else []
    facts = processes.run([*words, "--json"], tick=_watch(homes, on_round))
    return Trained(facts, started)


def score(processes: Processes, homes: Homes, inputs: Inputs) -> Facts:
    """Every institution scores the judge's records about its customers with the published model."""
    (homes.out / "scores").mkdir(exist_ok=True)
    commands = {}
    for given in inputs.institutions:
        options = {"home": homes.institution(given.name), "data": given.oracle, "out": homes.scores(given.name)}
        commands[given.name] = [*command("institution", "score", model=homes.run / "model.json", **options), "--json"]
    return processes.run_all(commands)


def ledgers(processes: Processes, homes: Homes, inputs: Inputs) -> Facts:
    """Every institution's ledger: reading it verifies order, hashes, signatures and amounts."""
    names = [given.name for given in inputs.institutions]
    words = {name: command("institution", "ledger", home=homes.institution(name)) for name in names}
    return processes.run_all({name: [*words[name], "--json"] for name in names})


def verify_model(processes: Processes, homes: Homes, inputs: Inputs) -> Facts:
    """Every institution computes the model again, from what the log hands out."""
    names = [given.name for given in inputs.institutions]
    words = {name: command("institution", "verify-model", home=homes.institution(name), run=RUN) for name in names}
    return processes.run_all({name: [*words[name], "--json"] for name in names})


def command(*words: str, **options: object) -> list[str]:
    """Words of a command line.

    >>> command("coordinator", "admit", "aurora", home="out", cap_run=1.0)
    ['coordinator', 'admit', 'aurora', '--home', 'out', '--cap-run', '1.0']
    """
    line = list(words)
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", str(value)]
    return line


def _watch(homes: Homes, on_round: OnRound) -> Tick:
    """How many rounds there are is the plan's, which the first round's event tells."""

    def look() -> None:
        events = homes.events()
        planned = [event["rounds"] for event in events if event.get("event") == "round"]
        done = [event["round"] for event in events if event.get("event") == "averaged"]
        on_round(max(done, default=0), max(planned, default=1))

    return look
