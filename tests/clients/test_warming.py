"""A node that has just started approves its first plan as fast as its tenth."""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Event

import pytest

from clients.institution import node_service, warming

FIRST = """
import json, sys, time
from clients.institution.policy import Policy  # what a node has loaded when it listens
import clients.institution.node_service
from threading import Event
from clients.institution.warming import warm_behind
from federation.privacy import PrivacyPlan
if sys.argv[1] == "warm":
    warm_behind(Event(), lambda: True, later=0.0).join()
figures = {"sampling_rate": 0.2, "noise_multiplier": 8.0, "clip": 0.5, "steps_per_round": 5, "rounds": 20}
plan = PrivacyPlan(epsilon=1.0, delta=1e-5, **figures)
before = time.process_time()
plan.check()
import federation.privacy.mechanism
print(json.dumps(time.process_time() - before))
"""


def seconds(how: str) -> float:
    """CPU time of a new process' first accounting and first mechanism."""
    done = subprocess.run([sys.executable, "-c", FIRST, how], check=True, capture_output=True, text=True, timeout=600)
    return float(json.loads(done.stdout))


def test_the_first_plan_waits_for_no_import() -> None:
    warm, cold = seconds("warm"), seconds("cold")
    assert warm < 1.0
    assert warm < cold / 3


def test_a_node_warms_once_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[float] = []
    monkeypatch.setattr(warming, "warm", lambda stop, later, trains: called.append(later))
    warming.warm_behind(Event(), lambda: True).join()
    assert called == [warming.LATER_S]
    assert node_service.warm_behind is warming.warm_behind


def test_a_node_that_no_plan_can_reach_loads_nothing_until_one_can() -> None:
    script = (
        "import sys; from threading import Event; from clients.institution.warming import warm\n"
        "loaded = lambda: 'dp_accounting' in sys.modules\n"
        "stop = Event(); stop.set(); warm(stop, later=60.0, trains=lambda: False); assert not loaded()\n"
        "asked = []; trains = lambda: asked.append(loaded()) or len(asked) == 3\n"
        "warm(Event(), later=0.0, trains=trains); assert asked == [False] * 3; assert loaded()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


def test_what_a_round_needs_waits_for_the_rest_of_the_start_and_for_no_end() -> None:
    script = (
        "import sys; from threading import Event; from clients.institution.warming import warm; stop = Event();"
        "stop.set(); warm(stop, later=60.0, trains=lambda: True);"
        "assert 'dp_accounting' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)
