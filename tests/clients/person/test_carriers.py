"""What a carrier learns, or prevents, by what it withholds, and a member by what it leaves lying."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_post import NAMES, NOW, Carrier, World

from clients.institution.person.post import Post
from federation.errors import ConfigurationError
from protocols.notices import NoticeKey
from server.mailbox import mailbox as carried


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def withholds(world: World, name: str) -> None:
    """The carrier shows the keys of all but one member."""

    def others(keys: list[bytes]) -> list[bytes]:
        return [key for key in keys if NoticeKey.decode(key).institution != name]

    world.carriers["bank-0"].published_as = others


@pytest.mark.parametrize("inquirer", ["bank-1", "bank-2"])
def test_a_carrier_that_withholds_a_key_does_not_learn_whether_its_owner_had_asked(world: World, inquirer: str) -> None:
    """Were letters held back only where an inquirer has no key, their coming would say that bank-1 is none."""
    withholds(world, "bank-1")
    with pytest.raises(ConfigurationError, match="notices to bank-1"):
        world.send(world.asks(inquirer, "P-1"))
    assert world.carriers["bank-0"].carried == []


def test_a_member_that_never_collects_keeps_no_letter_from_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "MAX_WAITING", 2)
    asked = [world.asks("bank-1", f"P-{n}", n) for n in range(4)]
    for number, inquiry in enumerate(asked):
        sent = world.send(inquiry)
        assert world.post("bank-1").collect(NOW) == 1, number
    assert world.post("bank-0").delivered(sent) == {"bank-1": True, "bank-2": False}
    assert [each.full for each in sent] == [False, True]
    assert len(world.mailbox.take("bank-2")) == 2


class Deaf(Carrier):
    """A carrier that goes on handing out what was acknowledged."""

    taken = 0

    def take(self) -> list[tuple[str, bytes]]:
        self.taken += 1
        assert self.taken < 10, "asked for ever"
        return super().take()

    def acknowledge(self, receipts: list[tuple[bytes, bytes]]) -> None:
        pass


def test_a_carrier_that_hands_out_the_same_for_ever_is_left_alone(world: World) -> None:
    world.send(world.asks("bank-1", "P-1"))
    deaf = Deaf(world.mailbox, "bank-1")
    assert Post(world.homes["bank-1"], deaf).collect(NOW) == 1  # type: ignore[arg-type]
    assert NAMES[1] == deaf.caller
