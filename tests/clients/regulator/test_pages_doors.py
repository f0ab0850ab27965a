"""Who gets to the pages at all: guesses are counted for each address, under a lock; names of others are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from regulator_world import regulator_home

from clients.regulator.home import RegulatorHome
from clients.regulator.serve import serving
from federation.runtime.pages.gate import FAILURE_WINDOW_S, MAX_CALLERS, MAX_FAILURES, Answer, Gate


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> RegulatorHome:
    made = regulator_home(tmp_path_factory.mktemp("doors"))
    settings = made.settings.model_copy(
        update={"pages": made.settings.pages.model_copy(update={"hosts": ("oversight.example",)})}
    )
    return RegulatorHome(made.path, settings, made.signing_key)


@pytest.fixture
def port(home: RegulatorHome) -> Iterator[int]:
    with serving(home, clock=Clock()) as found:
        yield found


def client(port: int, address: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(local_address=address))


def test_a_stranger_locks_out_only_its_own_address(home: RegulatorHome, port: int) -> None:
    token = {"Authorization": f"Bearer {home.access_token}"}
    with client(port, "127.0.0.2") as stranger, client(port, "127.0.0.1") as program:
        for _ in range(MAX_FAILURES):
            assert stranger.post("/login", data={"token": "guess"}).status_code == 401
        assert stranger.post("/login", data={"token": home.access_token}).status_code == 429
        assert stranger.get("/", headers=token).status_code == 401
        assert program.get("/", headers=token).status_code == 200
        assert program.post("/login", data={"token": home.access_token}).status_code == 303


def test_guesses_that_come_together_are_no_more_than_guesses_in_a_row() -> None:
    """Each is counted before the next one is compared."""
    gate = Gate("the token", 3600.0, Clock())
    with ThreadPoolExecutor(16) as threads:
        answers = Counter(threads.map(lambda number: gate.opens(f"guess {number}", "192.0.2.1"), range(400)))
    assert answers == {Answer.WRONG: MAX_FAILURES, Answer.LOCKED: 400 - MAX_FAILURES}
    assert gate.opens("the token", "192.0.2.1") is Answer.LOCKED
    assert gate.opens("the token", "192.0.2.2") is Answer.OPEN


def test_a_lock_ends_and_memory_for_failures_does_too() -> None:
    clock = Clock()
    gate = Gate("the token", 3600.0, clock)
    for _ in range(MAX_FAILURES):
        gate.opens("guess", "192.0.2.1")
    clock.now += FAILURE_WINDOW_S
    assert gate.opens("the token", "192.0.2.1") is Answer.OPEN
    for number in range(MAX_CALLERS + 50):
        gate.opens("guess", f"network {number}")
    assert len(gate._failures) == MAX_CALLERS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9390", "[::1]:9390", "localhost:1", "oversight.example"])
def test_addresses_and_names_of_the_settings_are_served(port: int, host: str) -> None:
    with client(port, "127.0.0.1") as anybody:
        assert anybody.get("/login", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9390", "127.0.0.1.evil.example", "[::1].evil.example", "a@127.0.0.1", ""]
)
def test_a_name_that_somebody_pointed_here_is_refused(home: RegulatorHome, port: int, host: str) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {home.access_token}"}
    with client(port, "127.0.0.1") as anybody:
        answer = anybody.get("/", headers=headers)
        assert answer.status_code in (400, 421)  # the server itself refuses some
        assert "Institutions" not in answer.text
        assert anybody.get("/login", headers={"Host": host}).status_code in (400, 421)


def test_names_are_names(tmp_path: Path) -> None:
    from clients.regulator.settings import PageSettings

    for name in ("https://oversight.example", "a b", "", "x:1"):
        with pytest.raises(ValueError, match="hosts"):
            PageSettings(hosts=(name,))
