"""The node's own delivery of what was drawn: only where its settings say so, again soon while a receipt is awaited."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from membership_world import make_institution

import clients.institution.lookup.opening_nightly as nightly
from clients.institution.home import InstitutionHome
from federation.errors import Refused

LONG = 100.0


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return make_institution(tmp_path / "bank-a", "bank-a")


def wanting(home: InstitutionHome) -> InstitutionHome:
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text() + f'\n[lookup]\nopen_drawn = true\nregulator = "{"ab" * 32}"\n')
    return InstitutionHome.open(home.path)


def running() -> bool:
    return any(thread.name == "opening" for thread in threading.enumerate())


def test_a_home_that_does_not_ask_for_it_opens_nothing_by_itself(
    home: InstitutionHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "open_drawn", lambda *_: pytest.fail("it opened"))
    nightly.open_behind(home, threading.Event(), first=0.0)
    assert not running()


def test_it_asks_again_soon_while_a_receipt_is_awaited_or_nobody_answers_and_else_daily(
    home: InstitutionHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    over = threading.Event()

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            paused.append(timeout or 0.0)
            return self.is_set()

    stop, answers = Stop(), iter((False, Refused("busy", "log", got="calls", expected="fewer"), True, True))

    def open_drawn(_home: InstitutionHome, _now: float) -> bool:
        answer = next(answers, None)
        if isinstance(answer, Refused):
            raise answer
        if answer is None:
            stop.set()
            over.set()
        return bool(answer)

    monkeypatch.setattr(nightly, "open_drawn", open_drawn)
    nightly.open_behind(wanting(home), stop, first=7.0)
    assert over.wait(LONG)
    assert paused[:5] == [7.0, nightly.AGAIN_S, nightly.AGAIN_S, nightly.DAY_S, nightly.DAY_S]


def test_a_home_without_private_queries_has_nothing_to_open(home: InstitutionHome) -> None:
    assert nightly.open_drawn(home, 0.0)
