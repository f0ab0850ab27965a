"""The table in docs/observability.md and the alarms in deploy/ speak of the metrics that there are and of no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from federation.observability.names import EVERYWHERE, LABELS, METRICS, OTHER, label_value

ROOT = Path(__file__).parents[3]
ALERTS = (ROOT / "deploy" / "alerts.yml").read_text()
# Labels that Prometheus adds to each series from HOME/run/*.json.
OF_TARGETS = {"process", "party", "instance", "job"}


def documented() -> dict[str, tuple[str, set[str], str, str]]:
    """Metric -> (kind, labels, processes, text), as the table says."""
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs/observability.md").read_text(), re.M
    )
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)), of, text)
        for name, kind, labels, of, text in rows
        if kind in ("gauge", "counter", "histogram")
    }


def test_the_table_is_the_list() -> None:
    listed = {
        name: (
            str(metric.kind),
            set(metric.labels),
            "all" if metric.of == EVERYWHERE else ", ".join(metric.of),
            metric.help,
        )
        for name, metric in METRICS.items()
    }
    assert documented() == listed


def test_alarms_watch_metrics_that_there_are() -> None:
    watched = set(re.findall(r"\b(?:fedscore|process)_[a-z_]+\b", ALERTS))
    assert len(watched) > 15
    assert watched <= METRICS.keys()


def selected() -> list[tuple[str, str, str]]:
    """(metric, label, value) that the alarms select; of a pattern each alternative."""
    found = []
    for metric, selectors in re.findall(r"\b(fedscore_[a-z_]+)\{([^}]*)\}", ALERTS):
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', selectors):
            found += [(metric, label, value) for value in values.split("|")]
    return found


@pytest.mark.parametrize(("metric", "label", "value"), selected())
def test_alarms_select_labels_that_occur(metric: str, label: str, value: str) -> None:
    if label in OF_TARGETS:
        return
    assert label in METRICS[metric].labels
    assert label_value(label, value) == value != OTHER


def test_no_label_is_hidden_by_one_of_the_target() -> None:
    """Prometheus would rename it, and no alarm would find it."""
    assert not OF_TARGETS & LABELS.keys()
