"""Who publishes by hand is told what it waits for: each state once, on standard error."""

from __future__ import annotations

import threading
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lying_coordinator import Coordinator
from rich.console import Console

from clients.institution.lookup import publish_cli, publishing
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
    assert said == ["waiting for the coordinator to open an epoch"]
    relay.view = lambda: wire.EpochView(counter=2, phase="open")
    publishing.wait_for_epoch(relay, 60.0, said.append)
    assert len(said) == 1


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
