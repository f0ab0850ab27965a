"""The regulator's copy against logs that are honest, that lie, and that go back; killed while it fetches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from oversight_federation import honest
from oversight_world import World, log_key
from regulator_world import LATER, RealLog, served

from clients.regulator.mirror import Alarm, LogReader, LogUnreachable, Mirror, MirrorStore
from federation.errors import LedgerError
from protocols.errors import SignatureError
from protocols.transparency import open_checkpoint, read_entry


class Liar:
    """Gives entries as it likes."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        self._entries = tuple(entries)
        self.asked = 0

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        self.asked += 1
        yield from self._entries[start:end]


def mirror_at(folder: Path, url: str = "") -> Mirror:
    store = MirrorStore.open(url or f"sqlite:///{folder / 'regulator.db'}")
    return Mirror(store, log_key().public, folder / "witness.note", folder / "alarm.json", lambda: float(LATER))


def test_it_follows_a_real_log_over_http(tmp_path: Path, database_url: str) -> None:
    world = honest()
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", world.entries[:10])
    mirror = mirror_at(tmp_path, database_url)
    with served(log) as url, LogReader(url) as reader:
        assert mirror.advance(reader, reader.checkpoint()) == 0
        assert list(mirror.store.entries()) == list(world.entries[:10])
        log.grow(*world.entries[10:])
        log.witness(())
        assert mirror.advance(reader, reader.checkpoint(after=10, wait=5)) == 10
        assert list(mirror.store.entries()) == list(world.entries)
    again = mirror_at(tmp_path, database_url)
    assert (again.tree.size, again.tree.root) == (mirror.tree.size, mirror.tree.root)


def test_an_entry_too_long_for_a_bundle_is_fetched_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is older than its limit may have one."""
    monkeypatch.setattr("server.log.admission.MAX_ENTRY_BYTES", 2**20)
    long = read_entry(b'{"body":{"text":"%b"},"kind":"example","v":1}' % (b"x" * 70_000)).data
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", [*honest().entries[:5], long])
    mirror = mirror_at(tmp_path)
    with served(log) as url, LogReader(url) as reader:
        mirror.advance(reader, reader.checkpoint())
    assert list(mirror.store.entries())[-1] == long


def test_a_note_under_another_key_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    mirror, world = mirror_at(tmp_path), honest()
    with pytest.raises(SignatureError):
        mirror.advance(Liar(world.entries), replace(world, log="another").note())
    assert mirror.store.newest() is None
    assert not mirror.alarmed


def test_a_bad_answer_is_asked_again_before_it_is_an_alarm(tmp_path: Path) -> None:
    world, mirror = honest(), mirror_at(tmp_path)

    class Once(Liar):
        def entries(self, start: int, end: int) -> Iterator[bytes]:
            self.asked += 1
            yield from world.changed(4, world.entries[3]).entries if self.asked == 1 else world.entries

    log = Once(())
    mirror.advance(log, world.note())
    assert log.asked == 2
    assert list(mirror.store.entries()) == list(world.entries)


FORKS = {
    "an entry replaced": lambda world: world.changed(4, world.entries[5]),
    "an entry dropped": lambda world: world.without(4),
    "two entries exchanged": lambda world: world.changed(4, world.entries[5]).changed(5, world.entries[4]),
}


@pytest.mark.parametrize("name", sorted(FORKS))
def test_a_fork_is_an_alarm_with_both_notes(tmp_path: Path, name: str) -> None:
    world, mirror = honest(), mirror_at(tmp_path)
    mirror.advance(Liar(world.entries), world.note(10))
    forked: World = FORKS[name](world)
    with pytest.raises(Alarm) as caught:
        mirror.advance(Liar(forked.entries), forked.note())
    assert caught.value.code == "log_forked"
    evidence = json.loads((tmp_path / "alarm.json").read_bytes())
    notes = [open_checkpoint(evidence[key].encode(), log_key().public) for key in ("seen", "shown")]
    assert [note.size for note in notes] == [10, len(forked.entries)]
    assert list(mirror.store.entries()) == list(world.entries[:10])
    # Nothing more is followed, not even the truth, until a person has looked.
    with pytest.raises(LedgerError):
        mirror.advance(Liar(world.entries), world.note())
    with pytest.raises(LedgerError):
        mirror_at(tmp_path).advance(Liar(world.entries), world.note())
    (tmp_path / "alarm.json").unlink()
    mirror_at(tmp_path).advance(Liar(world.entries), world.note())


def test_another_root_for_the_same_size_is_a_fork(tmp_path: Path) -> None:
    world, mirror = honest(), mirror_at(tmp_path)
    mirror.advance(Liar(world.entries), world.note())
    with pytest.raises(Alarm, match="root"):
        mirror.advance(Liar(()), FORKS["an entry replaced"](world).note())


def test_a_log_that_goes_back_is_an_alarm(tmp_path: Path) -> None:
    world, mirror = honest(), mirror_at(tmp_path)
    mirror.advance(Liar(world.entries), world.note())
    with pytest.raises(Alarm) as caught:
        mirror.advance(Liar(world.entries), world.note(9))
    assert caught.value.code == "log_went_back"


def test_a_restored_copy_cannot_be_led_into_a_fork(tmp_path: Path) -> None:
    """The database comes from a backup, the note that was cosigned lies beside it."""
    world, mirror = honest(), mirror_at(tmp_path)
    mirror.advance(Liar(world.entries), world.note(12))
    mirror.anchor_at(world.note())  # and then the database of 12 entries is restored
    forked = world.changed(20, world.entries[3]).inserted(len(world.entries), world.entries[0])
    with pytest.raises(Alarm):
        mirror_at(tmp_path).advance(Liar(forked.entries), forked.note())
    (tmp_path / "alarm.json").unlink()
    (tmp_path / "witness.note").unlink()  # without the anchor the same fork is followed
    assert mirror_at(tmp_path).advance(Liar(forked.entries), forked.note()) == 12


def test_a_restored_copy_is_not_led_back_below_what_was_cosigned(tmp_path: Path) -> None:
    world, mirror = honest(), mirror_at(tmp_path)
    mirror.advance(Liar(world.entries), world.note(12))
    mirror.anchor_at(world.note())
    with pytest.raises(Alarm, match="size 15"):
        mirror_at(tmp_path).advance(Liar(world.entries), world.note(15))


def test_a_copy_changed_behind_its_back_does_not_open(tmp_path: Path) -> None:
    from sqlalchemy import update

    from clients.regulator.mirror.tables import entries

    mirror = mirror_at(tmp_path)
    mirror.advance(Liar(honest().entries), honest().note())
    with mirror.store._engine.begin() as connection:
        connection.execute(update(entries).where(entries.c.position == 3).values(data=honest().entries[4]))
    with pytest.raises(LedgerError, match="copy of the log"):
        mirror_at(tmp_path)


def test_cosignatures_are_added_to_what_is_known_only(tmp_path: Path) -> None:
    world, mirror = honest(), mirror_at(tmp_path)
    lonely = replace(world, cosigners=("bank-a",))
    mirror.advance(Liar(world.entries), lonely.note())
    assert mirror.merge(world.note())
    held = mirror.store.newest()
    assert held is not None
    assert held.note.count("\u2014".encode()) == 1 + 4
    assert not mirror.merge(world.note(9))
    with pytest.raises(Alarm):
        mirror.merge(FORKS["an entry replaced"](world).note())


def test_a_log_that_is_away_or_says_nonsense_is_unreachable(tmp_path: Path) -> None:
    with LogReader("http://127.0.0.1:1", timeout=2) as reader, pytest.raises(LogUnreachable):
        reader.checkpoint()
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", honest().entries)
    with served(log) as url, LogReader(url) as reader:
        with pytest.raises(LogUnreachable):
            list(reader.entries(0, 1000))
        with pytest.raises(LogUnreachable, match="400"):
            reader.cosign(b"nonsense")


_VICTIM = """
import sys
sys.path[:0] = [{tests!r}, {repository!r}]
from pathlib import Path
from test_regulator_mirror import Liar, mirror_at
from oversight_federation import honest

world, mirror = honest(), mirror_at(Path({folder!r}))
print("ready", flush=True)
for size in range(mirror.tree.size + 1, len(world.entries) + 1):
    mirror.advance(Liar(world.entries), world.note(size))
    print(size, flush=True)
"""


@pytest.mark.integration
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was said to be held is held; what is held leads to its checkpoint."""
    here = Path(__file__).parent
    program = _VICTIM.format(tests=str(here), repository=str(here.parents[2]), folder=str(tmp_path)).replace(
        "sys.path[:0] = [", f"sys.path[:0] = [{str(here.parents[1])!r}, "
    )
    world, reached = honest(), 0
    for kill in range(4):
        victim = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        for _ in range(3 + kill):
            reached = int(victim.stdout.readline() or reached)
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
        held = mirror_at(tmp_path)  # verifies every entry against the checkpoint
        assert held.tree.size >= reached
        assert list(held.store.entries()) == list(world.entries[: held.tree.size])
    mirror_at(tmp_path).advance(Liar(world.entries), world.note())
