"""What the regulator's watch shows of itself: how far it has verified, what it found, whether the log answers."""

from __future__ import annotations

from collections import Counter

from clients.regulator.watch.watcher import Watcher
from federation.observability import metrics
from federation.observability.health import silence
from federation.observability.monitor import Monitor

LOG_SILENCE_S = 120.0  # a question may wait for a minute at the log


def observe_watch(monitor: Monitor, watcher: Watcher) -> None:
    """Have `monitor` show a watch that is running."""
    monitor.part("log", silence("log", LOG_SILENCE_S, "the log does not answer"))
    monitor.part("witness", lambda: "this witness has stopped" if watcher.home.alarm.exists() else None)
    monitor.read("copy", lambda: _read(watcher))


def _read(watcher: Watcher) -> None:
    store = watcher.store
    newest, verdict = store.newest(), store.verdict()
    metrics.put("fedscore_regulator_verified_entries", watcher.mirror.tree.size)
    metrics.put("fedscore_regulator_cosigned_entries", watcher.quorum_size)
    if newest is not None:
        metrics.put("fedscore_regulator_checkpoint_timestamp_seconds", newest.seen_at)
    if verdict is not None:
        metrics.put("fedscore_regulator_verdict_timestamp_seconds", verdict[0])
    metrics.put("fedscore_regulator_unanswered_statements", len(store.said(unanswered=True)))
    alerts = Counter(alert.code for alert in store.alerts())
    metrics.put_all("fedscore_regulator_alerts", "alert", {code: float(count) for code, count in alerts.items()})
