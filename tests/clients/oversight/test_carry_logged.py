"""A ledger that ends says so in the log: what a new home carries on was seen to end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_member import MemberWorld, member_world

from clients.institution import carry as carry_module
from clients.institution.carry import carrying
from clients.institution.home import InstitutionHome
from clients.institution.oversight import ending
from federation.ledger import Ledger
from federation.oversight.reservations import read_logged
from federation.runtime.rpc import Unreachable
from protocols.transparency import read_entry


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MemberWorld]:
    with member_world(tmp_path) as made:
        yield made


def new_home(world: MemberWorld, path: Path) -> InstitutionHome:
    text = (world.home.path / "institution.toml").read_text()
    return InstitutionHome.create(path, text, opening=carrying(world.home))


def logged(world: MemberWorld) -> list[str]:
    """Kinds of the ledger's entries in the log, in its order."""
    entries = world.log.host.store.entries(0, 1000, "ledger-entry").entries
    return [str(read_logged(read_entry(data)).entry.kind) for _, data in entries]


def test_the_end_of_an_old_ledger_is_in_the_log(world: MemberWorld, tmp_path: Path) -> None:
    world.spend(1)
    new = new_home(world, tmp_path / "new")
    assert logged(world) == ["reserve", "spend", "retire"]
    last = read_logged(read_entry(world.log.host.store.entries(0, 1000, "ledger-entry").entries[-1][1])).entry
    assert last.successor is not None
    assert last.successor.key == new.signing_key.public.hex


def test_while_the_log_is_away_the_new_home_does_not_begin(
    world: MemberWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call goes on, with the same keys; in between neither home can spend."""
    world.spend(1)

    def away(*_: object, **__: object) -> bool:
        raise Unreachable("log", got="no answer", expected="one")

    with monkeypatch.context() as patch:
        patch.setattr(carry_module, "say_end", away)
        with pytest.raises(Unreachable):
            new_home(world, tmp_path / "new")
    assert not (tmp_path / "new" / "institution.toml").exists()
    new_home(world, tmp_path / "new")
    assert logged(world) == ["reserve", "spend", "retire"]


def test_untold_the_log_shows_a_ledger_that_may_go_on(
    world: MemberWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.spend(1)
    world.say()
    monkeypatch.setattr(carry_module, "say_end", lambda *_: True)
    new_home(world, tmp_path / "new")
    assert logged(world) == ["reserve", "spend"]


def test_a_home_that_never_enrolled_or_was_revoked_has_nobody_to_tell(world: MemberWorld) -> None:
    ledger: Ledger = world.ledger()
    assert ending.say_end(world.home, ledger)
    world.coordinator.store.revoke(world.home.name, "left", 1)
    time.sleep(1.1)  # a revoked member's calls end within a second
    world.spend(2)
    assert not ending.say_end(world.home, ledger)
    (world.home.path / "membership.json").unlink()
    assert not ending.say_end(world.home, ledger)
    ledger.close()
