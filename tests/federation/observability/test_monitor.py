"""One process's monitor: what it shows, what it must not show, and that it never stands in the way."""

from __future__ import annotations

import asyncio
import http.client
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from federation.observability import health, metrics
from federation.observability.cli import NOT_READY, health_of, show_health
from federation.observability.health import Part, check
from federation.observability.monitor import Monitor, monitored
from federation.observability.names import MOST, Process, of_process
from federation.observability.pages import PATHS, routes
from federation.observability.targets import targets
from federation.runtime.ports import free_ports

SECRET = "RSSMRA80A01H501U"


def families(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Name as in the list -> label values -> value."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in text_string_to_metric_families(text.decode())
    }


def get(address: str, path: str, host: str = "") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Monitor]:
    with monitored(Process.NODE, tmp_path, "bank-a", "auto") as monitor:
        yield monitor


@pytest.mark.parametrize("process", Process)
def test_all_metrics_of_a_process_are_there_from_the_start(process: Process) -> None:
    assert families(Monitor(process).exposition()).keys() == {metric.name for metric in of_process(process)}


def test_what_is_counted_is_shown(node: Monitor, tmp_path: Path) -> None:
    metrics.count("fedscore_refusals_total", code="late")
    metrics.count("fedscore_refusals_total", 2, code="late")
    with metrics.timed("fedscore_lookup_seconds", kind="first"):
        pass
    node.read("ledger", lambda: metrics.put("fedscore_ledger_entries", 7))
    (target,) = targets(tmp_path)
    status, body = get(target.address, "/metrics")
    shown = families(body)
    assert status == 200
    assert shown["fedscore_refusals_total"] == {("late",): 3.0}
    assert shown["fedscore_ledger_entries"] == {(): 7.0}
    assert shown["fedscore_lookup_seconds"][("first", "0.005")] == 1.0


def test_a_stranger_s_text_is_never_shown(node: Monitor) -> None:
    metrics.count("fedscore_refusals_total", code=SECRET)
    metrics.count("fedscore_rpc_calls_total", method=f"Node.{SECRET}", code=SECRET.lower())
    node.part("records", lambda: f"subject {SECRET} is wrong")
    node.part("broken", lambda: str(1 / 0))

    def quote() -> None:
        raise ValueError(SECRET)

    node.read("records", quote)
    shown = node.exposition() + json.dumps(node.health().to_json()).encode()
    assert SECRET.encode() not in shown
    assert SECRET.lower().encode() not in shown
    assert families(node.exposition())["fedscore_readings_failed_total"] == {("records",): 2.0}
    assert node.health().parts == {"records": "not ready", "broken": "cannot be asked, ZeroDivisionError"}


def test_without_a_list_a_stranger_s_text_would_be_shown(node: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.observability.registry.label_value", lambda _, value: str(value))
    metrics.count("fedscore_refusals_total", code=SECRET)
    assert SECRET.encode() in node.exposition()


def test_a_flood_of_names_is_bounded(node: Monitor) -> None:
    for number in range(3 * MOST):
        metrics.count(
            "fedscore_rpc_calls_total", method="Node." + "A" + f"{number:b}".translate({48: "a", 49: "b"}), code="ok"
        )
    shown = families(node.exposition())["fedscore_rpc_calls_total"]
    assert len(shown) == MOST + 1
    assert shown["other", "other"] == 2 * MOST


def test_a_gauge_forgets_what_is_not_there_any_more() -> None:
    monitor = Monitor(Process.POOL)
    monitor.figures.put_all("fedscore_epoch_waiting", "institution", {"bank-a": 1.0, "bank-b": 1.0})
    monitor.figures.put_all("fedscore_epoch_waiting", "institution", {"bank-b": 1.0})
    assert families(monitor.exposition())["fedscore_epoch_waiting"] == {("bank-b",): 1.0}


def test_a_metric_of_another_process_is_passed_over_and_an_unknown_one_is_not(node: Monitor) -> None:
    metrics.count("fedscore_queries_answered_total")
    assert b"fedscore_queries_answered" not in node.exposition()
    with pytest.raises(KeyError):
        metrics.count("fedscore_subjects_total")
    with pytest.raises(KeyError):
        metrics.count("fedscore_refusals_total", code="late", subject=SECRET)


def test_where_nobody_looks_counting_does_nothing() -> None:
    metrics.count("no such metric", nonsense=1)
    metrics.observe("no such metric", 1.0)


def test_ready_and_live_are_two_things(node: Monitor, tmp_path: Path) -> None:
    why: dict[str, str | None] = {"log": "the log does not answer", "ledger": None}
    node.part("log", lambda: why["log"])
    node.part("ledger", lambda: why["ledger"], vital=True)
    address = targets(tmp_path)[0].address
    assert get(address, "/health/live")[0] == 200
    status, body = get(address, "/health/ready")
    assert (status, json.loads(body)["parts"]) == (503, {"log": "the log does not answer", "ledger": "ok"})
    why["log"] = None
    assert get(address, "/health/ready")[0] == 200
    why["ledger"] = "the ledger is behind the log"
    assert get(address, "/health/live")[0] == 503
    assert families(node.exposition())["fedscore_part_ready"] == {("log",): 1.0, ("ledger",): 0.0}


def test_silence_is_told_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: now[0])
    part = Part("log", health.silence("a log of tests", 30.0, "the log does not answer", never="not heard yet"))
    assert check([part]).parts == {"log": "not heard yet"}
    health.beat("a log of tests")
    now[0] += 30.0
    assert check([part]).ready
    now[0] += 0.1
    assert check([part]).parts == {"log": "the log does not answer"}


def test_only_this_machine_is_answered_and_only_what_is_there(node: Monitor, tmp_path: Path) -> None:
    address = targets(tmp_path)[0].address
    assert address.startswith("127.0.0.1:")
    assert get(address, "/metrics", host="evil.example")[0] == 404
    assert get(address, "/metrics", host=f"localhost:{address[10:]}")[0] == 200
    status, body = get(address, f"/{SECRET}?x={SECRET}")
    assert (status, body) == (404, b"no such page\n")


def test_an_address_is_announced_privately_while_it_is_there(tmp_path: Path) -> None:
    with monitored(Process.NODE, tmp_path, "bank-a", "auto"):
        file = tmp_path / "run" / "node.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        (entry,) = json.loads(file.read_text())
        assert entry["labels"] == {"process": "node", "party": "bank-a"}
    assert not file.exists()
    with monitored(Process.NODE, tmp_path, "bank-a", "off"):
        assert targets(tmp_path) == ()


def test_a_taken_port_is_exchanged(tmp_path: Path) -> None:
    port = free_ports(2)
    with (
        monitored(Process.NODE, tmp_path / "a", "bank-a", port),
        monitored(Process.NODE, tmp_path / "b", "bank-b", port),
    ):
        assert targets(tmp_path / "a")[0].address == f"127.0.0.1:{port + 1}"
        assert get(targets(tmp_path / "b")[0].address, "/health/ready")[0] == 200


def test_scrapes_at_once_disturb_nobody(node: Monitor, tmp_path: Path) -> None:
    node.read("findings", lambda: metrics.put_all("fedscore_findings", "finding", {"log_forked": 1.0}))
    address, shown = targets(tmp_path)[0].address, []

    def scrape() -> None:
        for _ in range(5):
            metrics.count("fedscore_refusals_total", code="late")
            shown.append(families(get(address, "/metrics")[1])["fedscore_findings"])

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == [{("log_forked",): 1.0}] * 20
    assert families(node.exposition())["fedscore_refusals_total"] == {("late",): 20.0}


def test_the_same_pages_for_an_application(node: Monitor) -> None:
    node.part("log", lambda: "the log does not answer")
    app = httpx.ASGITransport(Starlette(routes=routes(node)))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as client:
            return [await client.get(path) for path in PATHS]

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [200, 200, 503]
    assert families(answers[0].content).keys() == families(node.exposition()).keys()


def test_the_command_says_who_is_not_ready(node: Monitor, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "pool.json").write_text('[{"targets":["127.0.0.1:1"],"labels":{"process":"pool","party":"x"}}]')
    (tmp_path / "run" / "broken.json").write_text("{")
    found = health_of(tmp_path)
    assert (found["node"]["ready"], found["pool"]["ready"]) == (True, False)
    with pytest.raises(typer.Exit) as ended:
        show_health(tmp_path, as_json=False, wait=0.0)
    assert ended.value.exit_code == NOT_READY
    assert capsys.readouterr().out == "node: ready\npool: NOT ready\n  process: does not answer\n"
    (tmp_path / "run" / "pool.json").unlink()
    with pytest.raises(typer.Exit) as ended:
        show_health(tmp_path, as_json=True, wait=0.0)
    assert ended.value.exit_code == 0
    assert json.loads(capsys.readouterr().out)["ready"] is True
