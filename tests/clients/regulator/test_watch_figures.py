"""What the regulator's watch shows: how far it is, and what it found, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from regulator_world import LATER, RealLog, overseen, regulator_home, served

from clients.regulator.figures import observe_watch
from clients.regulator.home import RegulatorHome
from clients.regulator.watch import Watcher
from federation.observability import metrics
from federation.observability.monitor import Monitor
from federation.observability.names import Process

SECRET = "RSSMRA80A01H501U"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watcher, Monitor]]:
    tmp_path = tmp_path_factory.mktemp("watched")
    home = regulator_home(tmp_path)
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", overseen().entries)
    monitor = Monitor(Process.REGULATOR)
    with served(log) as url:
        settings = home.settings.model_copy(update={"log_url": url})
        watcher = Watcher.open(RegulatorHome(home.path, settings, home.signing_key), clock=lambda: float(LATER))
        observe_watch(monitor, watcher)
        metrics.send_to(monitor.figures)
        yield watcher, monitor
    metrics.send_to(None)
    log.store.close()


def figures(monitor: Monitor) -> dict[str, float]:
    families = text_string_to_metric_families(monitor.exposition().decode())
    return {
        " ".join([sample.name.removeprefix("fedscore_regulator_"), *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_watch_shows_how_far_it_is(watched: tuple[Watcher, Monitor]) -> None:
    watcher, monitor = watched
    assert figures(monitor)["verified_entries"] == 0
    watcher.turn()
    shown = figures(monitor)
    assert shown["verified_entries"] == watcher.mirror.tree.size > 0
    assert shown["checkpoint_timestamp_seconds"] == LATER
    assert monitor.health().parts["log"] is None
    alerts = Counter(alert.code for alert in watcher.store.alerts())
    assert {name.split()[1]: value for name, value in shown.items() if name.startswith("alerts ")} == alerts


def test_an_alert_is_shown_by_its_kind_and_not_by_its_words(watched: tuple[Watcher, Monitor]) -> None:
    watcher, monitor = watched
    watcher.store.alert("chains", SECRET, f"entry of {SECRET}", LATER)
    watcher.store.alert(SECRET, "place", "words", LATER)
    shown = figures(monitor)
    assert shown["alerts chains"] >= 1
    assert shown["alerts other"] == 1
    assert SECRET.encode() not in monitor.exposition()


def test_a_stopped_witness_is_not_ready(watched: tuple[Watcher, Monitor]) -> None:
    watcher, monitor = watched
    watcher.turn()
    assert monitor.health().ready, monitor.health().to_json()
    watcher.home.alarm.write_text("{}")
    assert monitor.health().parts["witness"] == "this witness has stopped"
