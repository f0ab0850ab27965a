"""A regulator hands its witness key over while coordinator, three banks and its own watch are running processes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lookup_deployment import LookupDeployment
from overseen_world import fedscore, overseen

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.proved import Proved, read_proved
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from federation.oversight.handover import HANDOVER
from federation.oversight.members import REGULATOR
from protocols.transparency import VerifierKey
from server.log import LogStore
from workbench.demo.processes import FEDSCORE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
Scene = tuple[LookupDeployment, RegulatorHome]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with overseen(tmp_path_factory.mktemp("handed-over"), persons=100) as found:
        yield found


def seen_by(home: InstitutionHome) -> Proved:
    """What the log shows this bank, proved in a checkpoint under the quorum that the bank remembers."""
    overseers = OversightFolder(home.path).overseers()
    with LogClient(home, patience=60.0) as log:
        return read_proved(log, (), VerifierKey.of(home.log_key), home.coordinator_key, time.time(), overseers)


def remembered(world: LookupDeployment) -> set[tuple[str, ...]]:
    return {OversightFolder(home.path).overseers() for home in world.institutions.values()}


def copied(regulator: RegulatorHome) -> int:
    """Entries that the watch has verified."""
    store = MirrorStore.open(regulator.database_url)
    try:
        held = store.newest()
        return 0 if held is None else held.size
    finally:
        store.close()


def logged(world: LookupDeployment, kind: str) -> int:
    log = LogStore.open(world.coordinator.database_url, world.coordinator.log_key, time.time)
    try:
        return len(log.entries(0, 1000, kind).entries)
    finally:
        log.close()


def follow(scene: Scene, new: str, chain: tuple[str, ...]) -> None:
    """Until everybody holds to the key at the end of `chain`, which is `new`."""
    world, regulator = scene
    world.until(lambda: not regulator.next_witness_file.exists(), 200, "the new key holds")
    assert regulator.witness_key.public.key.hex == new
    world.until(lambda: remembered(world) == {chain}, 150, "every bank has seen the handover")
    for home in world.institutions.values():
        proved = seen_by(home)
        assert all(each.place < proved.checkpoint.size for each in proved.roster.successions)
        assert [each.key.hex for each in proved.roster.quorum.at(proved.checkpoint.size).required] == [new]
        assert OversightFolder(home.path).findings() == []


def test_everybody_follows_and_nobody_is_stopped(scene: Scene) -> None:
    world, regulator = scene
    old = regulator.witness_key.public.key.hex
    world.until(lambda: remembered(world) == {(old,)}, 150, "every bank has seen the regulator")
    world.until(lambda: copied(regulator) > 3, 150, "the watch has seen that the log names it")
    said = json.loads(fedscore("regulator", "rotate", "--json", home=regulator.path))
    assert said["old"] == old
    follow(scene, said["new"], (old, said["new"]))


def test_a_log_that_is_away_gets_it_later_and_a_coordinator_with_the_old_settings_names_nobody_back(
    scene: Scene,
) -> None:
    world, regulator = scene
    (chain,) = remembered(world)
    world.kill("membership")  # nothing revives it before the next look
    fedscore("regulator", "rotate", "--json", home=regulator.path, code=1)
    following = regulator.next_witness_key
    assert following is not None
    new = following.public.key.hex
    follow(scene, new, (*chain, new))
    assert chain[0] in (world.coordinator.path / "coordinator.toml").read_text()
    assert (logged(world, HANDOVER), logged(world, REGULATOR)) == (2, 1)


def test_check_export_and_verify_hold_under_the_policy_that_names_the_first_key(scene: Scene, tmp_path: Path) -> None:
    world, regulator = scene
    (chain,) = remembered(world)
    policy, out = regulator.path / "policy.toml", tmp_path / "export.zip"
    assert chain[0] in policy.read_text()
    assert json.loads(fedscore("regulator", "check", "--json", home=regulator.path))["holds"]
    fedscore("regulator", "export", "--out", out, home=regulator.path)
    line = [*FEDSCORE, "regulator", "verify", str(out), "--policy", str(policy), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout)["holds"]


def test_the_command_tells_a_person_what_to_do_next(scene: Scene) -> None:
    world, regulator = scene
    (chain,) = remembered(world)
    told = fedscore("regulator", "rotate", home=regulator.path)
    world.until(lambda: not regulator.next_witness_file.exists(), 200, "the new key holds")
    new = regulator.witness_key.public.key
    assert f"over to {new.key_id}: {new.hex}" in told
    assert "until keys/witness.next.pem is gone" in told
    follow(scene, new.hex, (*chain, new.hex))
