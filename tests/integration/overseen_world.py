"""A deployment of the private query under a regulator that watches: `LookupDeployment` and a home beside it.

with overseen(folder, persons=60) as (world, regulator):
    world.open_epoch("mirror", authorities=...)
    fedscore("regulator", "sample", "november", home=regulator.path)
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from founding import Founded, in_process
from lookup_deployment import LookupDeployment

from clients.institution.home import InstitutionHome
from clients.regulator.home import RegulatorHome
from clients.regulator.settings import settings_text
from server.home import CoordinatorHome
from workbench.demo.inputs import Inputs
from workbench.demo.processes import FEDSCORE

AUTHORITY = "log-authority.pem"


def fedscore(*words: object, home: Path, code: int = 0) -> str:
    """What a command said, as JSON where it says JSON; it must end with `code`."""
    line = [*FEDSCORE, *map(str, words), "--home", str(home)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_regulator(folder: Path, coordinator: CoordinatorHome, homes: dict[str, InstitutionHome]) -> RegulatorHome:
    """As after `init`, a completed policy, and the operator's entry in coordinator.toml."""
    where = {"log_url": coordinator.log_address, "log_authority": AUTHORITY}
    text = settings_text(name="regulator", port=0, written=datetime.now(UTC), **where)
    text = text.replace("chain_length = 100000", "chain_length = 100")
    keys = {"log": coordinator.log_key.public.key, "coordinator": coordinator.signing_key.public}
    home = RegulatorHome.create(folder, text, **keys)
    (home.path / AUTHORITY).write_bytes((coordinator.keys / "ca.crt").read_bytes())
    witnesses = {name: each.witness_key.public.hex for name, each in homes.items()}
    tables = "".join(f'\n[[witnesses]]\nname = "{name}"\nkey = "{key}"\n' for name, key in witnesses.items())
    policy = home.path / "policy.toml"
    policy.write_text(policy.read_text() + tables)
    said = (f"{name} = {json.dumps(value)}\n" for name, value in home.registration.to_json().items())
    with (coordinator.path / "coordinator.toml").open("a") as settings:
        settings.write("\n[regulator]\n" + "".join(said))
    return RegulatorHome.open(home.path)


@contextmanager
def overseen(folder: Path, *, persons: int) -> Iterator[tuple[LookupDeployment, RegulatorHome]]:
    """Founded, served and watched; no epoch is open."""
    made: list[RegulatorHome] = []

    def found(out: Path, inputs: Inputs) -> Founded:
        coordinator, homes = in_process(out, inputs)
        made.append(make_regulator(out / "regulator", coordinator, homes))
        return CoordinatorHome.open(coordinator.path), homes

    with LookupDeployment.create(folder, persons=persons, found=found) as world:
        (regulator,) = made
        command = [sys.executable, "-m", "federation.cli", "regulator", "watch", "--home", str(regulator.path)]
        watch = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield world, regulator
        finally:
            watch.terminate()
            watch.wait(100)
