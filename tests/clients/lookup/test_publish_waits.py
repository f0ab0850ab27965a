"""Who publishes by hand is told what it waits for: each state once, on standard error."""

from __future__ import annotations

import threading
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from consenting_home import consenting_home, listening
from lying_coordinator import Coordinator
from rich.console import Console
from typer.testing import CliRunner

from clients.institution.lookup import publish_cli, publishing
from clients.institution.lookup.channel import RelayClient
from federation.runtime.rpc import Unreachable
from protocols.lookup.proposal import roster_fingerprint
from protocols.wire import lookup_pb2 as wire


def test_a_wait_that_brings_nothing_new_names_who_holds_the_epoch_up_once(tmp_path: Path) -> None:
    coordinator, told = Coordinator(tmp_path), StringIO()
    part = coordinator.part()
    held_up = [wire.Waiting(party="bank-b", what="commit")]

    def view(counter: int = 0, *, after: int = 0, wait_ms: int = 0) -> wire.EpochView:
        owed = () if coordinator.submitted else ("commit",)
        return wire.EpochView(counter=1, phase="keys", owed=owed, waiting=held_up)

    part.relay.view = view  # type: ignore[method-assign]
    published = publishing.publish(
        part,
        wait=True,
        timeout=0.2,  # the relay answers at once: hundreds of waits
        approve=roster_fingerprint(coordinator.proposal),
        on_waiting=publish_cli._Once(Console(file=told, width=80)),
    )
    assert published.waiting == (("bank-b", "commit"),)
    assert told.getvalue() == "epoch 1: keys, waiting for bank-b: commit\n"


def test_that_no_epoch_is_open_yet_is_said_before_the_wait() -> None:
    said: list[str] = []
    views = iter([wire.EpochView(), wire.EpochView(counter=1, phase="closed"), wire.EpochView(counter=2, phase="keys")])
    relay: Any = SimpleNamespace(view=lambda: next(views))
    publishing.wait_for_epoch(relay, 60.0, said.append)
    assert said == ["waiting for the coordinator to open an epoch"] * 2
    relay.view = lambda: wire.EpochView(counter=2, phase="open")
    publishing.wait_for_epoch(relay, 60.0, said.append)
    assert len(said) == 2


def test_the_second_of_two_says_that_it_waits_for_the_first(tmp_path: Path) -> None:
    folders, said, free = Coordinator(tmp_path).folders, list[str](), threading.Event()

    def told(what: str) -> None:
        said.append(what)
        free.set()

    def first() -> None:
        with publishing.alone(folders, said.append):
            held.set()
            assert free.wait(60)

    held, holder = threading.Event(), threading.Thread(target=first)
    holder.start()
    assert held.wait(60)
    with publishing.alone(folders, told):
        assert said == ["waiting for another process of this home that takes part in the epoch"]
    holder.join(60)


@pytest.mark.parametrize("wait", [True, False])
def test_a_coordinator_that_is_away_is_asked_again_by_who_waits(wait: bool, tmp_path: Path) -> None:
    """A night's outage ends no wait: nobody starts `publish` anew before the morning."""
    coordinator, said = Coordinator(tmp_path), list[str]()
    part = coordinator.part()
    away = iter([True, False, True])

    def view(counter: int = 0, *, after: int = 0, wait_ms: int = 0) -> wire.EpochView:
        if next(away, False):
            raise Unreachable("Relay.View at bank.example:9091", got="unavailable", expected="an answer within 30 s")
        if coordinator.submitted:
            return wire.EpochView(counter=1, phase="open")
        return wire.EpochView(counter=1, phase="keys", owed=("commit",))

    part.relay.view = view  # type: ignore[method-assign]
    coordinator.folders.approval.approve(coordinator.proposal, roster_fingerprint(coordinator.proposal), 0.0)
    if wait:
        assert publishing.publish(part, wait=True, timeout=60.0, on_waiting=said.append).open
        assert said == ["no answer to Relay.View at bank.example:9091 (unavailable): asking again"] * 2
    else:
        with pytest.raises(Unreachable, match=r"bank\.example:9091"):
            publishing.publish(part, wait=False, timeout=60.0)


def test_who_waits_for_an_epoch_asks_a_coordinator_that_is_away_again_until_the_timeout() -> None:
    said: list[str] = []

    def away() -> wire.EpochView:
        raise Unreachable("Relay.View at bank.example:9091", got="unavailable", expected="an answer within 30 s")

    with pytest.raises(Unreachable):
        publishing.wait_for_epoch(SimpleNamespace(view=away), 0.5, said.append)  # type: ignore[arg-type]
    assert said == ["no answer to Relay.View at bank.example:9091 (unavailable): asking again"]


def test_what_does_not_answer_is_named_by_its_address_and_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_cli, "RelayClient", partial(RelayClient, patience=0.0))
    with listening() as outside:  # takes what comes, and answers nothing that is TLS
        home = consenting_home(tmp_path, outside, {})
        done = CliRunner().invoke(publish_cli.app, ["--home", str(home.path), "--timeout", "0"])
        assert done.exit_code == publish_cli.NOT_OPEN
        assert f"Relay.View at {outside.address}" in done.output
