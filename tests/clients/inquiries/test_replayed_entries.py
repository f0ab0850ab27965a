"""A coordinator that writes an entry into the log a second time: a draw, once its sample is known; an inquiry, so that
it is drawn. The product's own log takes an entry once; this coordinator's does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from oversight_world import BANKS
from spot_check_world import InquiryWorld, Person, inquiring
from sqlalchemy import text

import clients.institution.lookup.drawn as institution_side
import server.log.appending as appending
from clients.regulator.inquiries.draws import Draws, DrawSeen, Leaves
from clients.regulator.line import Line
from clients.regulator.mirror import MirrorStore
from clients.regulator.pages.reading import Copy
from clients.regulator.pages.site import TABLES
from federation.oversight.inquiries import DRAW
from protocols.consent.draw import SignedDraw
from protocols.errors import ProofError
from protocols.lookup.ticket import KIND, SignedLeaf
from protocols.transparency import Entry, read_entry

COPIES = 60


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InquiryWorld]:
    with inquiring(tmp_path) as made:
        for bank in BANKS:
            made.ask(bank, Person(bank.encode()))
        takes_twice(made, monkeypatch)
        yield made


def takes_twice(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's table without its rule that an entry is there once."""
    with world.log.store._engine.begin() as connection:
        connection.execute(text("CREATE TABLE hostile AS SELECT * FROM log_entries"))
        connection.execute(text("DROP TABLE log_entries"))
        connection.execute(text("ALTER TABLE hostile RENAME TO log_entries"))
    monkeypatch.setattr(appending, "known_places", lambda *_: {})


def again(world: InquiryWorld, entry: Entry, times: int = 1) -> None:
    for _ in range(times):
        world.log.store.append(entry.kind, entry.body)


def test_a_draw_that_is_logged_again_once_its_sample_is_known_stays_what_it_was(
    world: InquiryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 37, coordinator and querier: what was forged has been drawn, so the draw is to be void."""
    forged = world.ask("bank-b", Person(b"anna"), b"nothing")
    told = world.sampled("all", 1.0)
    assert forged.hash.hex() in {each["leaf"] for each in told["drawn"]["bank-b"]}
    (_, data), *_ = world.log.store.entries(0, 10_000, DRAW).entries
    again(world, read_entry(data))  # at the end of its own tree, where no draw holds
    world.turn()
    assert world.fsr("sample", "all") == told
    assert ["a second time" in alert.text for alert in world.watcher.store.alerts()] == [True]
    files = [file for bank in BANKS for file in world.open(bank, tmp_path)]
    assert len(files) == 4
    broken = {each["querier"]: each["broken"] for each in world.fsr("check", *files, "--keep", code=1)["queriers"]}
    assert {bank: [one["rule"] for one in each] for bank, each in broken.items() if each} == {"bank-b": ["malformed"]}

    def replaced(self: Draws, line: Line, signed: SignedDraw) -> None:
        self.seen[line.leaf.hex()] = DrawSeen(line.index, signed)

    monkeypatch.setattr(Draws, "_commit", replaced)  # the last one counts: there is no sample any more
    assert "draw anew" in str(world.run("sample", "all").exception)


def test_an_inquiry_that_is_copied_is_drawn_no_more_often_than_the_others(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 37, coordinator and regulator: without knowing the seed they have opened what they like, copy by copy."""
    leaf = world.leaves[next(iter(world.leaves))]
    again(world, Entry(KIND, leaf.encode()), COPIES)
    told = world.sampled("some", 0.3)
    world.turn()
    places = [at for at, data in world.log.store.entries(0, 10_000, KIND).entries if body(data) == leaf.encode()]
    assert len(places) == COPIES + 1
    drawn = {each["index"] for each in told["drawn"].get("bank-a", ())}
    (draw,) = world.draws("bank-a").valid
    assert any(map(draw.draws, places[1:]))  # but once in 10^9
    assert drawn == {place for place in places[:1] if draw.draws(place)}
    assert {own.index for own in world.draws("bank-a").own(draw)} == drawn
    monkeypatch.setattr(Leaves, "copies", lambda *_: set())
    told = world.fsr("sample", "some")
    assert {each["index"] for each in told["drawn"]["bank-a"]} == {place for place in places if draw.draws(place)}


def test_a_copy_that_is_not_in_the_log_keeps_nothing_closed(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 36: the coordinator tells a bank that its inquiry is a copy, so that it does not open what was drawn."""
    world.sampled("all", 1.0, first=1)
    world.turn()
    draws = world.draws("bank-b")
    (draw,) = draws.valid
    (own,) = draws.own(draw)
    entries = draws.log.entries

    def lies(kind: str, start: int) -> Iterator[tuple[int, bytes]]:
        if kind == KIND:
            yield 0, Entry(KIND, own.signed.encode()).data
        yield from entries(kind, start)

    monkeypatch.setattr(type(draws.log), "entries", lambda self, kind, start: lies(kind, start))
    with pytest.raises(ProofError):
        draws.own(draw)
    monkeypatch.setattr(institution_side, "prove", lambda *_: None)
    assert draws.own(draw) == ()  # believed, it is kept closed, and blamed for it


def test_a_draw_whose_seeds_are_not_said_when_they_could_be_is_red(world: InquiryWorld) -> None:
    """Row 37: a regulator that has seen a sample which it does not like says no seeds, and draws from it no more."""
    world.turn()
    waiting = world.fsr("sample", "quiet", "--rate", 1, "--wait", 0, code=3)
    refused = world.run("sample", "louder", "--rate", 0.5, "--first", 0, "--wait", 0)
    assert "the seeds of that one first" in str(refused.exception)  # though the home's copy of the log has it not yet
    assert states(world, "committed") == [("committed", False)]
    world.grow(waiting["waits_for"] - world.log.store.size())
    assert states(world, "overdue") == [("overdue", True)]
    world.fsr("sample", "quiet")
    assert states(world, "revealed") == [("revealed", False)]


def states(world: InquiryWorld, awaited: str) -> list[tuple[object, bool]]:
    """Of every draw, as the pages show it, and whether it is red; once the last one is as `awaited`, or never is."""
    end = time.monotonic() + 60
    store = MirrorStore.open(world.regulator.database_url)
    while True:
        world.turn()
        with Copy(world.regulator, store).reading() as view:
            rows = TABLES["draws"](view, time.time()).rows
        if (rows and rows[-1].values["outcome"] == awaited) or time.monotonic() > end:
            store.close()
            return [(row.values["outcome"], bool(row.red)) for row in rows]
        time.sleep(0.1)


def body(data: bytes) -> bytes:
    return SignedLeaf.decode(read_entry(data).body).encode()
