"""The list of metrics: what is counted is on it, what is on it is counted, and no label takes a stranger's word."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import enrolment
from federation.observability.names import (
    BUCKETS,
    CODES,
    LABELS,
    METRICS,
    OTHER,
    Kind,
    label_value,
    rounded_up,
)
from federation.rounds.refusals import Code as RoundCode
from server.lookup.epochs import Code as EpochCode
from server.lookup.epochs import Phase
from server.membership import State

ROOT = Path(__file__).parents[3]
CALLS = {"count": Kind.COUNTER, "put": Kind.GAUGE, "put_all": Kind.GAUGE, "observe": Kind.HISTOGRAM}


def calls() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """(file, method, metric, labels) of every call in the source that counts something by a constant name."""
    for package in ("federation", "clients", "server"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                name = node.args[0]
                if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
                    continue
                if name.value.startswith(("fedscore_", "process_")) and " " not in name.value:
                    yield str(file), node.func.attr, name.value, tuple(sorted(k.arg or "" for k in node.keywords))


def test_every_call_names_a_metric_of_its_kind_with_its_labels() -> None:
    seen = 0
    for file, method, name, labels in calls():
        if "observability" in file.removeprefix(str(ROOT)).split("/")[:3] or method not in {*CALLS, "timed"}:
            continue
        seen += 1
        assert name in METRICS, (file, name)
        metric = METRICS[name]
        assert CALLS.get(method, Kind.HISTOGRAM) is metric.kind, (file, name)
        assert method == "put_all" or labels == tuple(sorted(metric.labels)), (file, name, labels)
    assert seen > 30


def test_every_metric_is_counted_somewhere() -> None:
    used = {name for _, _, name, _ in calls()}
    assert not METRICS.keys() - used


@pytest.mark.parametrize("codes", [RoundCode, EpochCode, enrolment.Code])
def test_every_code_of_the_house_may_be_shown(codes: type[StrEnum]) -> None:
    assert {str(code) for code in codes} <= CODES


def test_every_phase_and_state_may_be_shown() -> None:
    assert {label_value("phase", phase) for phase in Phase} == {str(phase) for phase in Phase}
    assert {label_value("state", state) for state in State} == {str(state) for state in State}


def test_labels_are_of_metrics_and_never_of_people() -> None:
    used = {label for metric in METRICS.values() for label in metric.labels}
    assert used == LABELS.keys()
    assert not used & {"subject", "person", "run_id", "hash", "key", "caller", "address"}


@pytest.mark.parametrize("label", ["code", "kind", "phase", "outcome", "scope", "state", "finding", "child"])
@given(text=st.one_of(st.text(max_size=60), st.sampled_from(["RSSMRA80A01H501U", "quillfeather", "late\n", "x" * 500])))
def test_a_closed_label_says_other_of_all_else(label: str, text: str) -> None:
    assert label_value(label, text) == (text if text in LABELS[label] else OTHER)  # type: ignore[operator]


@pytest.mark.parametrize("text", ["RSSMRA80A01H501U", "a" * 41, "bank a", "bank-a\n", "", "-a"])
def test_an_institution_has_the_form_of_a_name(text: str) -> None:
    assert label_value("institution", text) == OTHER
    assert label_value("institution", "bank-a") == "bank-a"


@given(st.floats(0, 1e7))
def test_a_time_is_told_no_finer_than_its_bucket(seconds: float) -> None:
    told = rounded_up(seconds)
    assert told >= seconds
    assert told in BUCKETS or told % 3600 == 0
