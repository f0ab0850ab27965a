"""Errors cross from worker processes whole; one that could not be unpickled would hang the pool that waits for it."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from clients.institution.lookup.roster_approval import RosterNotApproved
from clients.regulator.mirror.follow import Alarm
from federation.errors import FederationError, Refused
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import ProtocolError
from protocols.lookup.fault import TicketRefused

for _module in (
    "clients.regulator.archive",
    "federation.lookup.identifiers",
    "federation.lookup.parallel",
    "federation.rounds.refusals",
    "federation.runtime.log_reader",
    "federation.runtime.processes",
    "federation.runtime.rpc",
    "server.membership",
):
    importlib.import_module(_module)


MADE = [
    Alarm("fork", "log", got="a", expected="b"),
    Refused("late", "round 3", got="4", expected="3"),
    RosterNotApproved("ab" * 32, ("bank-b: key",)),
    TicketRefused("quota", "quota", got="11", expected="10"),
    ConsentRefused(Rule.FORGED, got="a", expected="b"),
]


def _kinds(kind: Any) -> Iterator[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


PLAIN = [
    kind("place", got=1, expected="two")
    for kind in [*_kinds(FederationError), *_kinds(ProtocolError)]
    if kind.__init__ in (FederationError.__init__, ProtocolError.__init__)
]


@pytest.mark.parametrize("error", [*MADE, *PLAIN], ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_on_the_other_side_of_a_process(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
