"""A coordinator that shows an epoch to members and not to the log: no spot check would draw what was asked in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from inquiry_epoch import DAY, epoch_of, steps_of
from oversight_world import key_of
from spot_check_world import InquiryWorld, Person, inquiring

from clients.regulator.lookups import Lookups
from federation.inquiries.log_leaves import HIDDEN, LoggedLeaves
from protocols.lookup.leaf import Leaf


@pytest.fixture
def world(tmp_path: Path) -> Iterator[InquiryWorld]:
    """bank-b asks without consent, in an epoch that the members have from the coordinator and the log has not."""
    with inquiring(tmp_path) as made:
        made.ask("bank-a", Person(b"shown"))
        shown = made.context
        made.context = epoch_of(int(time.time()) - DAY, authorities=shown.roster.authorities, counter=2)
        made.ask("bank-b", Person(b"hidden"), b"no consent")
        yield made


def test_an_epoch_that_is_not_in_the_log_is_seen_by_its_inquiries(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 28 and 37: coordinator and querier."""
    assert set(world.sampled("all", 1.0)["drawn"]) == {"bank-a"}
    (alert,) = world.watcher.store.alerts()
    assert "leaf.epoch_id" in alert.text
    assert "which the log does not show" in alert.text
    world.log.grow(*steps_of(world.context, counter=2))  # logged afterwards it changes nothing
    world.turn()
    assert len(world.watcher.store.alerts()) == 1


def test_unseen_nobody_would_ever_draw_from_it(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = Lookups._needs_consent

    def lenient(self: Lookups, signed: object, key: object) -> bool:
        return signed.leaf.epoch_id in self.contexts and needs(self, signed, key)  # type: ignore[attr-defined, arg-type]

    monkeypatch.setattr(Lookups, "_needs_consent", lenient)
    assert set(world.sampled("all", 1.0)["drawn"]) == {"bank-a"}
    assert world.watcher.store.alerts() == []


def test_a_person_is_told_of_it(world: InquiryWorld) -> None:
    """She asks about its leaves under the key she knows, and hears that nobody can tell her whether it is theirs."""
    oversight = world.context.oversight
    assert oversight is not None
    asked: list[Leaf] = []

    def keep(index: int, leaf: Leaf, epoch: int) -> bool:
        asked.append(leaf)
        return True

    logged = LoggedLeaves(key_of("coordinator").public, oversight, keep)
    for _, data in world.log.store.entries(0, 10_000).entries:
        logged.take(data)
    assert [leaf.querier for leaf in logged.leaves] == ["bank-a", "bank-b"] == [leaf.querier for leaf in asked]
    assert dict(logged.doubtful) == {(HIDDEN, "bank-b"): 1}
