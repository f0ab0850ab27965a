"""A draw that is killed between any two steps, or whose database comes from a backup, goes on with the same seed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oversight_world import BANKS
from spot_check_world import InquiryWorld, Person, inquiring
from typer.testing import CliRunner

from clients.regulator.inquiries import cli
from clients.regulator.mirror import LogReader, MirrorStore
from federation.oversight.inquiries import DRAW, SeedsStatement
from protocols.consent.draw import SignedDraw
from protocols.transparency import Entry, read_entry


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InquiryWorld]:
    """One for the file: a draw has a name."""
    with inquiring(tmp_path_factory.mktemp("resumed")) as made:
        for number in range(12):
            made.ask(BANKS[number % 3], Person(b"person-%d" % number))
        made.turn()
        yield made


def entries(world: InquiryWorld, kind: str) -> list[Entry]:
    return [read_entry(data) for _, data in world.log.store.entries(0, 10_000, kind).entries]


def kill(patched: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """At the call of `owner.name`, before or after it did what it does."""
    real = getattr(owner, name)

    def dies(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise Killed

    patched.setattr(owner, name, dies)


STEPS = [(MirrorStore, "keep"), (LogReader, "say"), (MirrorStore, "answered")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), STEPS)
def test_killed_at_any_step_it_goes_on_with_the_same_draw_and_says_it_once(
    world: InquiryWorld, owner: Any, name: str, after: bool
) -> None:
    named, draws, seeds = f"{name}-{after}".lower(), len(entries(world, DRAW)), len(entries(world, SeedsStatement.kind))
    words = ("sample", named, "--rate", 0.5, "--wait", 0)
    with pytest.MonkeyPatch.context() as patched:
        kill(patched, owner, name, after=after)
        with pytest.raises(Killed):
            world.run(*words)
    waiting = world.fsr(*words, code=3)
    assert [entry.hash.hex() for entry in entries(world, DRAW)[draws:]] == [waiting["draw"]]
    world.grow(waiting["waits_for"] - world.log.store.size())
    world.turn()
    with pytest.MonkeyPatch.context() as patched:
        kill(patched, owner, name, after=after)
        with pytest.raises(Killed):
            world.run("sample", named)
    told = world.fsr("sample", named)
    assert told["draw"] == waiting["draw"]
    assert len(entries(world, SeedsStatement.kind)) == seeds + 1
    assert world.fsr("sample", named) == told
    world.turn()
    assert world.watcher.store.alerts() == []


def test_the_seed_is_nowhere_before_it_is_revealed(world: InquiryWorld) -> None:
    before = len(entries(world, SeedsStatement.kind))
    waiting = world.fsr("sample", "secret", "--rate", 0.5, "--wait", 0, code=3)
    world.grow(waiting["waits_for"] - world.log.store.size() - 1)
    world.turn()
    assert world.fsr("sample", "secret", "--wait", 0, code=3)["draw"] == waiting["draw"]
    assert len(entries(world, SeedsStatement.kind)) == before
    files = everything(world.regulator.path)
    world.grow(1)
    world.log.host.tick()
    # The log has the size; no quorum has cosigned it, so the coordinator could still show another tree.
    world.watcher.turn()
    assert world.fsr("sample", "secret", "--wait", 0, code=3)["waits_for"] == waiting["waits_for"]
    world.turn()
    world.fsr("sample", "secret")
    *_, said = entries(world, SeedsStatement.kind)
    (seed,) = re.findall(rb'"regulator":"([0-9a-f]{64})"', said.body)
    assert not any(seed in data or bytes.fromhex(seed.decode()) in data for data in files.values())


def everything(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_database_from_a_backup_finds_its_draw_in_the_log_and_draws_no_second_one(world: InquiryWorld) -> None:
    database = world.regulator.path / "regulator.db"
    backup = world.folder / "backup.db"
    shutil.copyfile(database, backup)
    said = len(entries(world, DRAW)), len(entries(world, SeedsStatement.kind))
    told = world.sampled("restored", 0.5)
    for file in world.regulator.path.glob("regulator.db*"):
        file.unlink()
    shutil.copyfile(backup, database)
    database.chmod(0o600)
    world.watcher = type(world.watcher).open(world.regulator)
    world.turn()
    assert world.fsr("sample", "restored", "--rate", 0.5) == told
    assert (len(entries(world, DRAW)), len(entries(world, SeedsStatement.kind))) == (said[0] + 1, said[1] + 1)


def test_another_rate_needs_another_name_and_the_next_draw_begins_where_the_last_one_ended(world: InquiryWorld) -> None:
    first = world.sampled("autumn", 0.5)
    refused = world.run("sample", "autumn", "--rate", 0.9)
    assert "got 0.9, expected 0.5, as autumn was committed to; another draw has another name" in str(refused.exception)
    second = world.sampled("winter", 0.9)
    assert (second["first"], second["inquiries"]) == (first["size"], 0)
    seeds = [SignedDraw.decode(entry.body).draw.seeds["regulator"] for entry in entries(world, DRAW)]
    assert len(set(seeds)) == len(seeds)


def test_a_rate_is_found_for_a_chance(world: InquiryWorld) -> None:
    waiting = world.fsr("sample", "x", "--forged", 10, "--chance", 0.95, "--wait", 0, code=3)
    *_, entry = entries(world, DRAW)
    assert waiting["draw"] == entry.hash.hex()
    assert SignedDraw.decode(entry.body).draw.rate == 258_866
    said = CliRunner().invoke(cli.app, ["sample", "x", "--wait", "0", "--home", str(world.regulator.path)]).output
    assert f"once {waiting['waits_for']} entries are logged" in said
    assert "Later: `fedscore regulator sample x`" in said
    assert "got none" in str(world.run("sample", "y", "--wait", 0).exception)
    assert "--rate" in str(world.run("sample", "y", "--wait", 0).exception)


def test_a_draw_that_the_log_overtook_is_never_revealed(world: InquiryWorld) -> None:
    before = len(entries(world, SeedsStatement.kind))
    with pytest.MonkeyPatch.context() as patched:
        kill(patched, LogReader, "say", after=False)
        with pytest.raises(Killed):
            world.run("sample", "slow", "--rate", 0.5)
    world.grow(200)
    world.turn()  # sends what was kept
    refused = world.run("sample", "slow", "--wait", 0)
    assert "draw anew, under another name" in str(refused.exception)
    assert len(entries(world, SeedsStatement.kind)) == before
