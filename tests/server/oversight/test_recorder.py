"""The roster in the log follows the database, whatever dies, and says nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from membership_world import admitted
from trail_world import LOG_KEY

from federation.oversight.handover import hand_over
from federation.oversight.members import ROSTER, RegulatorStatement, Roster
from protocols.signing import SigningKey
from protocols.transparency import read_entry
from server.log import LogStore
from server.membership import Membership
from server.oversight.recorder import Recorder

COORDINATOR = SigningKey.from_seed(b"c" * 32)
REGULATED = RegulatorStatement("authority", COORDINATOR.public.hex, COORDINATOR.public.hex, "33" * 32, 1000)


def member(name: str, seed: int) -> Membership:
    return replace(admitted(name, seed), witness_key=SigningKey.from_seed(bytes([seed]) * 32).public.hex)


def reading(log: LogStore) -> Callable[[], Roster]:
    def roster() -> Roster:
        said = Roster(COORDINATOR.public)
        for index, data in sorted(entry for kind in ROSTER for entry in log.entries(0, 1000, kind).entries):
            said = said.after(read_entry(data), index)
        return said

    return roster


def test_the_log_says_who_comes_and_who_goes(tmp_path: Path) -> None:
    log = LogStore.open(f"sqlite:///{tmp_path / 'log.db'}", LOG_KEY, lambda: 1.9e9)
    now = [member("bank-a", 1), member("bank-b", 2)]
    recorder = Recorder(log, reading(log), lambda: tuple(now), COORDINATOR)
    assert recorder.tick() == 2
    assert recorder.tick() == 0
    assert Recorder(log, reading(log), lambda: tuple(now), COORDINATOR).tick() == 0  # another process
    del now[0]
    assert recorder.tick() == 1
    assert reading(log)().members.keys() == {"bank-b"}
    now.append(member("bank-a", 3))  # back with fresh keys
    now[0] = member("bank-b", 4)  # the name went to another while nobody looked
    assert recorder.tick() == 3
    said = reading(log)()
    assert {name: one.key for name, one in said.members.items()} == {m.institution: m.key.hex for m in now}
    assert len(said.witnesses) == 2


def test_the_regulator_is_said_once(tmp_path: Path) -> None:
    log = LogStore.open(f"sqlite:///{tmp_path / 'log.db'}", LOG_KEY, lambda: 1.9e9)
    recorder = Recorder(log, reading(log), lambda: (), COORDINATOR, REGULATED)
    assert [recorder.tick(), recorder.tick()] == [1, 0]
    recorder.regulator = replace(REGULATED, key=SigningKey.from_seed(bytes([44]) * 32).public.hex)
    assert [recorder.tick(), recorder.tick()] == [1, 0]
    assert reading(log)().regulator == recorder.regulator


def test_settings_that_name_a_key_from_before_a_handover_say_nothing_again(tmp_path: Path) -> None:
    """coordinator.toml holds what the regulator once read out. Saying that again would name the retired key back."""
    log = LogStore.open(f"sqlite:///{tmp_path / 'log.db'}", LOG_KEY, lambda: 1.9e9)
    recorder = Recorder(log, reading(log), lambda: (), COORDINATOR, REGULATED)
    new = SigningKey.from_seed(bytes([44]) * 32)
    recorder.tick()
    log.extend([hand_over(COORDINATOR.public, COORDINATOR, new)])  # whose key REGULATED names
    assert recorder.tick() == 0
    recorder.regulator = replace(REGULATED, witness_key=new.public.hex)  # the operator has entered the new one
    assert recorder.tick() == 0
    recorder.regulator = replace(REGULATED, chain_length=5)
    assert [recorder.tick(), recorder.tick()] == [1, 0]
    said = reading(log)()
    assert said.regulator == replace(REGULATED, chain_length=5, witness_key=new.public.hex)
    assert [witness.key for witness in said.witnesses] == [new.public]


def test_what_a_handover_overtakes_is_said_anew(tmp_path: Path) -> None:
    """Changed settings, and a handover through the log's other door while the statement is made: said as it was made,
    it would name the retired key back, and no reader could go on."""
    log = LogStore.open(f"sqlite:///{tmp_path / 'log.db'}", LOG_KEY, lambda: 1.9e9)
    Recorder(log, reading(log), lambda: (), COORDINATOR, REGULATED).tick()
    new = SigningKey.from_seed(bytes([44]) * 32)

    def admitted_meanwhile() -> tuple[Membership, ...]:  # asked behind the roster
        log.extend([hand_over(COORDINATOR.public, COORDINATOR, new)])
        return ()

    changed = replace(REGULATED, chain_length=5)
    recorder = Recorder(log, reading(log), admitted_meanwhile, COORDINATOR, changed)
    assert [recorder.tick(), recorder.tick()] == [0, 1]
    assert reading(log)().regulator == replace(changed, witness_key=new.public.hex)
