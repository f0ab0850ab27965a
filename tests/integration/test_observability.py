"""Real processes and all that they show: the documented metrics, no person, nothing by which a person could be told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from membership_world import make_coordinator
from observed_world import BALANCE, NOTE, SUBJECT, Observed, Series, get, observed
from prometheus_client.parser import text_string_to_metric_families

from clients.institution.lookup.customers import scheme_of
from federation.observability.names import Process, of_process
from federation.observability.targets import targets
from federation.runtime.ports import free_ports
from protocols.oprf.group import hash_to_group

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
FEDSCORE = (sys.executable, "-m", "federation.cli")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with observed(tmp_path_factory.mktemp("observed")) as made:
        made.live_through_it()
        yield made


def names(exposition: bytes) -> set[str]:
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(exposition.decode())
    }


def listed(process: str) -> set[str]:
    return {metric.name for metric in of_process(Process(process))}


def forms(world: Observed) -> set[bytes]:
    """The person as text, in either case, and as what the query makes of an identifier."""
    normalised = scheme_of(world.aurora).normalise(SUBJECT)
    point = hash_to_group(normalised)
    words = [SUBJECT, SUBJECT.lower(), NOTE, NOTE.lower(), BALANCE, BALANCE.split(".")[0]]
    return {*(word.encode() for word in words), normalised, point.hex().encode(), bytes(point)}


def test_every_process_shows_what_is_documented_for_it_and_nothing_else(world: Observed) -> None:
    shown = world.shown()
    assert {name.split()[1] for name in shown} == {"node", "membership", "pool"}
    for name, pages in shown.items():
        assert names(pages["/metrics"]) == listed(name.split()[1]), name


def test_figures_are_those_of_what_happened(world: Observed) -> None:
    series = world.series()
    node = {(name, labels): value for (process, name, labels), value in series.items() if process == "aurora node"}
    assert node["fedscore_releases_total", (("phase", "train"),)] == 1
    assert node["fedscore_refusals_total", (("code", "late"),)] == 1
    assert node["fedscore_lookup_orders_total", (("code", "ok"), ("kind", "second"))] >= 2
    assert 0 < node["fedscore_epsilon_spent", (("scope", "run"),)] < node["fedscore_epsilon_cap", (("scope", "run"),)]
    assert node["fedscore_ledger_entries", ()] >= 3
    assert series["coordinator pool", "fedscore_queries_answered_total", ()] >= 2
    assert series["coordinator pool", "fedscore_epoch_phase", (("phase", "open"),)] == 1
    assert series["coordinator membership", "fedscore_members", (("state", "admitted"),)] == 3
    assert series["coordinator membership", "fedscore_log_entries", ()] > 10
    failed = {key: value for key, value in series.items() if key[1] == "fedscore_readings_failed_total"}
    assert not failed


def test_a_planted_person_is_on_no_page_and_in_no_log(world: Observed) -> None:
    pages = {f"{name} {page}": text for name, found in world.shown().items() for page, text in found.items()}
    logs = {
        str(file): file.read_bytes()
        for home in world.homes.values()
        for file in (home / "logs").rglob("*")
        if file.is_file()
    }
    assert len(pages) == 15
    assert sum(map(len, logs.values())) > 2000
    for name, text in {**pages, **logs}.items():
        assert not [form for form in forms(world) if form in text], name


def test_the_search_would_find_it(world: Observed) -> None:
    quarantined = b"".join(file.read_bytes() for file in world.aurora.quarantine.iterdir())
    assert {form for form in forms(world) if form in quarantined} >= {SUBJECT.encode(), NOTE.encode()}


def delta(
    world: Observed, subjects: list[str]
) -> tuple[Counter[tuple[str, str, tuple[tuple[str, str], ...]]], list[str]]:
    """What asking for `subjects` adds to every figure, once the log has settled; and the outcomes."""
    settle(world)
    before = world.series()
    outcomes = world.ask("borealis", subjects)
    settle(world)
    after = world.series()
    return Counter(
        {key: after[key] - before.get(key, 0.0) for key in after if after[key] != before.get(key, 0.0)}
    ), outcomes


def settle(world: Observed) -> None:
    def settled(series: Series) -> bool:
        log = {name: value for (process, name, _), value in series.items() if process == "coordinator membership"}
        unproved = sum(value for (_, name, _), value in series.items() if name == "fedscore_ledger_unproved_entries")
        return log["fedscore_log_entries"] == log["fedscore_log_cosigned_entries"] and unproved == 0

    world.world.until(lambda: settled(world.series()), 150, "everything cosigned")
    time.sleep(0.3)


def test_questions_for_somebody_and_for_nobody_leave_the_same_figures(world: Observed) -> None:
    own = set(world.world.subjects("borealis"))
    there = [person for person in world.world.subjects("aurora") if person and person not in own][:8]
    present, found = delta(world, there)
    absent, missed = delta(world, [f"NOBODY{number}" for number in range(8)])
    assert set(found).isdisjoint(missed)  # they differ, and an outcome on a page would tell
    assert present == absent
    assert present["coordinator pool", "fedscore_queries_answered_total", ()] == 8
    fewer, _ = delta(world, [f"NOBODY{number}" for number in range(7)])
    assert fewer != absent  # one question more or less is seen


@pytest.mark.parametrize("process", [Process.ROUND_DRIVER, Process.REGULATOR])
def test_processes_that_do_not_run_here_show_what_is_documented(process: Process, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom federation.observability.monitor import monitored\n"
        "from federation.observability.names import Process\n"
        f"with monitored(Process({str(process)!r}), pathlib.Path(sys.argv[1]), 'coordinator', 'auto'):\n"
        "    print('ready', flush=True)\n    sys.stdin.read()"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        running.stdout.readline()
        (target,) = targets(tmp_path)
        assert names(get(target.address, "/metrics")) == listed(str(process))
    finally:
        running.kill()
        running.communicate()


def test_grpc_health_says_the_same(world: Observed) -> None:
    def check(service: str) -> int:
        with grpc.insecure_channel(f"unix:{world.aurora.socket}") as channel:
            ask = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=HealthCheckRequest.SerializeToString,
                response_deserializer=HealthCheckResponse.FromString,
            )
            return int(ask(HealthCheckRequest(service=service), timeout=30).status)

    ready = json.loads(world.shown()["aurora node"]["/health/ready"])["ready"]
    assert check("") == check("fedscore.training.v1.Node") == (1 if ready else 2)
    with pytest.raises(grpc.RpcError) as told:
        check(SUBJECT)
    assert told.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_coordinator_says_when_it_is_ready_and_when_a_child_is_not(tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "coordinator", port=free_ports(6))
    command = [*FEDSCORE, "coordinator", "serve", "--home", str(home.path)]
    serving = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked = [*FEDSCORE, "coordinator", "health", "--home", str(home.path), "--json", "--wait", "150"]
        deadline = time.monotonic() + 150
        while not (home.path / "run" / "membership.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        told = subprocess.run(asked, capture_output=True, text=True, timeout=200, check=False)
        found = json.loads(told.stdout)
        assert (told.returncode, found["ready"]) == (0, True), told.stdout
        assert found["processes"].keys() == {"supervisor", "membership"}
        assert found["processes"]["supervisor"]["parts"] == {"superlink": "ok", "membership": "ok", "pool": "ok"}
        by_name = {target.process: target.address for target in targets(home.path)}
        supervisor = get(by_name["supervisor"], "/metrics")
        assert names(supervisor) == listed("supervisor")
        assert b'fedscore_process_up{child="superlink"} 1.0' in supervisor
        membership = json.loads((home.path / "run" / "membership.json").read_text())
        assert membership[0]["labels"] == {"process": "membership", "party": home.name}
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(100)
    assert targets(home.path) == ()


def test_a_coordinator_whose_port_another_process_has_is_not_ready(tmp_path: Path) -> None:
    """The membership process then starts over and over: that someone accepts connections there says nothing."""
    home = make_coordinator(tmp_path / "coordinator", port=free_ports(6))
    command = [*FEDSCORE, "coordinator", "serve", "--home", str(home.path)]
    with socket.create_server(("127.0.0.1", home.settings.enrolment_port)):
        serving = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 150
            while not (home.path / "run" / "membership.json").exists():  # it came up, and found its port taken
                assert time.monotonic() < deadline
                time.sleep(0.1)
            asked = [*FEDSCORE, "coordinator", "health", "--home", str(home.path), "--json", "--wait", "10"]
            told = subprocess.run(asked, capture_output=True, text=True, timeout=200, check=False)
            parts = json.loads(told.stdout)["processes"]["supervisor"]["parts"]
            assert (told.returncode, json.loads(told.stdout)["ready"]) == (3, False), told.stdout
            assert parts["membership"] in {"runs and does not answer", "does not run"}
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.wait(100)
