"""The fingerprint of a proposed roster: whatever a coordinator could change in it shows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from protocols.errors import MessageError, ProtocolError
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from protocols.oprf.group import base
from protocols.signing import SigningKey


def key(number: int) -> str:
    return SigningKey.from_seed(bytes([number]) * 32).public.hex


def proposal() -> dict[str, Any]:
    return {
        "version": 1,
        "members": {f"bank-{name}": {"key": key(place), "customers": 100} for place, name in enumerate("abc", 1)},
        "auditors": ["bank-a", "bank-b"],
        "catalogue": "11" * 32,
        "model": "22" * 32,
        "parameters": Parameters("lwe").to_json(),
        "coordinator_key": key(10),
        "log_key": key(11),
        "pool_key": key(12),
        "oversight": base(b"\x05" + bytes(31)).hex(),
        "authorities": {"e-id": key(13)},
        "new_keys": True,
    }


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["members"]["bank-b"].update(key=key(99)),
        lambda said: said["members"]["bank-b"].update(customers=101),
        lambda said: said["members"].pop("bank-c"),
        lambda said: said["members"].update({"bank-d": {"key": key(99), "customers": 1}}),
        lambda said: said["parameters"].update(cadence_s=1),
        lambda said: said["parameters"].update(daily_tickets=10**9),
        lambda said: said["parameters"].update(identifiers="us-tin"),
        lambda said: said.update(oversight=base(b"\x06" + bytes(31)).hex()),
        lambda said: said.update(oversight=""),
        lambda said: said.update(authorities={}),
        lambda said: said["authorities"].update({"e-id": key(99)}),
        lambda said: said["authorities"].update({"other": key(99)}),
        *[lambda said, name=name: said.update({name: key(99)}) for name in ("coordinator_key", "log_key", "pool_key")],
    ],
)
def test_every_change_of_the_roster_shows(change: Change) -> None:
    said = proposal()
    change(said)
    assert roster_fingerprint(said) != roster_fingerprint(proposal())


def test_the_next_epoch_of_the_same_roster_has_the_same_fingerprint() -> None:
    said = copy.deepcopy(proposal())
    said.update(auditors=["bank-b", "bank-c"], catalogue="33" * 32, model="44" * 32, new_keys=False)
    said["members"] = dict(reversed(said["members"].items()))
    assert roster_fingerprint(said) == roster_fingerprint(proposal())
    assert len(roster_fingerprint(said).replace(" ", "")) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("pool_key"),
        lambda said: said.pop("members"),
        lambda said: said.update(members=[]),
        lambda said: said["members"].update({"bank-a": {"key": key(1), "customers": 100, "more": 1}}),
        lambda said: said["members"]["bank-a"].update(customers=-1),
        lambda said: said["members"]["bank-a"].update(key="zz"),
        lambda said: said["parameters"].update(more=1),
        lambda said: said.update(oversight="00" * 32),
        lambda said: said.update(oversight="no hex"),
        lambda said: said.pop("authorities"),
        lambda said: said.update(authorities=["e-id"]),
        lambda said: said.update(authorities={"": key(13)}),
        lambda said: said.update(authorities={"e-id": "00" * 32}),
        lambda said: said["authorities"].update({"the same": key(13)}),
        lambda said: said.update(authorities={f"e-id-{number}": key(number) for number in range(1, 34)}),
    ],
)
def test_what_is_no_roster_has_none(change: Change) -> None:
    said = proposal()
    change(said)
    with pytest.raises(ProtocolError):
        roster_fingerprint(said)


def test_an_error_names_the_member() -> None:
    said = proposal()
    said["members"]["bank-a"]["customers"] = "many"
    with pytest.raises(MessageError, match="bank-a"):
        roster_fingerprint(said)
