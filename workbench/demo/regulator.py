"""The demonstration's regulator, by `fedscore` commands: found, followed, asked for proof in the end.

What people do in a deployment is done here in their place: keys read out over another channel are handed from one
command's output to the next, the operator enters the regulator in coordinator.toml, the regulator completes policy.toml
by the members' witness keys and its own caps.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.regulator.home import POLICY_FILE, RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.watch.judge import Judge
from clients.regulator.watch.replays import Drawable, ReplayProgress
from clients.regulator.watch.thorough import trail_of
from protocols.transparency import leaf_hash, open_checkpoint, read_entry
from server.home import SETTINGS_FILE
from workbench.demo.cast import Facts, Homes, Terms, command
from workbench.demo.inputs import Inputs
from workbench.demo.processes import DemoFailed, Processes

NAME = "regulator"
EXPORT, POLICY, PAGE, PDF = "export.zip", "policy.toml", "verification.html", "verification.pdf"
_LOGGED_S = 300.0
_LOOK_S = 0.2

Stage = Callable[[str, int], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Overseen:
    """What the regulator holds in the end: `verdict` of `verify --json`, `seconds` the command took, bytes exported."""

    verdict: Mapping[str, Any]
    seconds: float
    bytes: int


def found(processes: Processes, homes: Homes, facts: Facts, terms: Terms) -> None:
    """Make the regulator's home, and enter what people would.

    `facts` are what every `init` said. The regulator goes into coordinator.toml before anything is logged; members'
    witness keys and caps into its policy.toml.
    """
    told = facts["coordinator"]
    log = {"log": told["log_address"], "authority": told["authority"]}
    keys = {"log_key": told["log_key"], "coordinator_key": told["key"]}
    made = processes.run([*command("regulator", "init", home=homes.regulator, **log, **keys), "--json"])
    with (homes.coordinator / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write("\n[regulator]\n")
        settings.writelines(f"{name} = {json.dumps(value)}\n" for name, value in made["registration"].items())
    witnesses = {name: said["witness_key"] for name, said in facts.items() if "witness_key" in said}
    policy = homes.regulator / POLICY_FILE
    policy.write_text(completed(policy.read_text(), terms, witnesses, secrets.token_hex(16)))


def completed(policy: str, terms: Terms, witnesses: Mapping[str, str], seed: str) -> str:
    """A new home's policy.toml with the caps of `terms`, the members' witnesses and a seed for what is drawn."""
    figures = {"run": terms.epsilon, "year": 3 * terms.epsilon, "lifetime": 10 * terms.epsilon}
    for name, value in {**figures, "seed": seed}.items():
        policy = re.sub(rf"^{name} = \S+", f"{name} = {json.dumps(value)}", policy, count=1, flags=re.MULTILINE)
    tables = (f'\n[[witnesses]]\nname = "{name}"\nkey = "{key}"\n' for name, key in witnesses.items())
    return policy + "".join(tables)


def watch(processes: Processes, homes: Homes) -> None:
    """Follow, verify and cosign, until the end."""
    processes.serve(NAME, command("regulator", "watch", home=homes.regulator))


def oversee(processes: Processes, homes: Homes, inputs: Inputs, plan_hash: str, stage: Stage) -> Overseen:
    """Have every institution audited and a round replayed, export the trail, verify it as anybody could.

    Raises DemoFailed.
    """
    home = RegulatorHome.open(homes.regulator)
    remembered = home.anchor.read_bytes()
    with stage("audits", 1):
        asked = _ask(processes, homes, inputs, plan_hash, _choose(home))
        _await(processes, home, {bytes.fromhex(asked.draw)} if asked.draw else set())
        _await(processes, home, _answer(processes, homes, asked))
    with stage("export", 1):
        export, policy = homes.out / EXPORT, homes.out / POLICY
        processes.run(command("regulator", "export", home=homes.regulator, out=export))
        policy.write_text((homes.regulator / POLICY_FILE).read_text() + _seen(home, remembered))
    with stage("verification", 1):
        words = ["regulator", "verify", str(export), "--policy", str(policy), "--json"]
        started = time.perf_counter()
        verdict = processes.run([*words, "--report", str(homes.out / PAGE), "--report", str(homes.out / PDF)])
        seconds = time.perf_counter() - started
    return Overseen(verdict, seconds, export.stat().st_size)


@dataclass(frozen=True)
class _Asked:
    """What the regulator wants of whom: files with requests, by institution; one update's draw, by leaf hash."""

    requests: Mapping[str, Path]
    replayer: str
    draw: str  # "" where no round can be replayed


def _choose(home: RegulatorHome) -> Drawable | None:
    """One averaged training update that was committed to beforehand, by the regulator's copy; None without any."""
    store, judge, progress = MirrorStore.open(home.database_url), Judge(home.policy), ReplayProgress()
    try:
        for data in trail_of(home, store).entries():
            line, _ = judge.take(data)
            progress.take(line, judge.case.roster)
    finally:
        store.close()
    drawable = [update for update in progress.drawable(judge.size) if update.place.phase == "train"]
    return secrets.choice(drawable) if drawable else None


def _ask(processes: Processes, homes: Homes, inputs: Inputs, plan_hash: str, chosen: Drawable | None) -> _Asked:
    """Request a contract audit of every institution and draw `chosen`; all of it in the log when this returns."""
    folder = homes.out / "audits"
    folder.mkdir()
    files = {given.name: folder / f"{given.name}.json" for given in inputs.institutions}
    asking = {"home": homes.regulator, "kind": "contract", "plan": plan_hash}
    commands = {
        name: command("regulator", "request", institution=name, out=file, **asking) for name, file in files.items()
    }
    if chosen is None:
        processes.run_all(commands)
        return _Asked(files, "", "")
    place, name = chosen.place, chosen.institution
    options = {"institution": name, "run": place.run_id, "round": place.round, "attempt": place.attempt}
    commands["draw"] = [*command("regulator", "draw", home=homes.regulator, **options), "--json"]
    return _Asked(files, name, processes.run_all(commands)["draw"]["leaf_hash"])


def _answer(processes: Processes, homes: Homes, asked: _Asked) -> set[bytes]:
    """Every institution audits its trainer, one computes its drawn round again; leaf hashes of their results."""
    commands = {
        name: [*command("institution", "audit", home=homes.institution(name), request=file), "--json"]
        for name, file in asked.requests.items()
    }
    home = homes.institution(asked.replayer)
    if asked.draw:
        commands["replay"] = [*command("institution", "replay", asked.draw, home=home), "--json"]
    said = processes.run_all(commands)
    results = {bytes.fromhex(Path(said[name]["file"]).stem) for name in asked.requests}
    if asked.draw:
        results.add(read_entry((home / "replay" / f"{asked.draw}.result").read_bytes()).hash)
    return results


def _await(processes: Processes, home: RegulatorHome, leaves: set[bytes]) -> None:
    """Until the regulator's copy shows entries of these leaf hashes, cosigned by a quorum."""
    store, end = MirrorStore.open(home.database_url), time.monotonic() + _LOGGED_S
    try:
        while missing := leaves.difference(map(leaf_hash, trail_of(home, store).entries())):
            processes.check()
            if time.monotonic() > end:
                expected = f"all {len(leaves)} in the log and cosigned"
                raise DemoFailed(NAME, got=f"{len(missing)} missing after {_LOGGED_S:g} s", expected=expected)
            time.sleep(_LOOK_S)
    finally:
        store.close()


def _seen(home: RegulatorHome, note: bytes) -> str:
    checkpoint = open_checkpoint(note, home.policy.log)
    return f'\n[seen]\nsize = {checkpoint.size}\nroot = "{checkpoint.root.hex()}"\n'
