"""Handovers of a witness key in an export: an honest one is followed, every other is named, and counts for nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import honest
from oversight_lies import first
from oversight_world import BANKS, WITNESSES, World, key_of, policy_values, witness_key

from clients.regulator.findings import Verdict
from clients.regulator.verify import verify
from federation.oversight import RegulatorStatement
from federation.oversight.handover import hand_over
from protocols.transparency import Entry, Statement


def handed(old: str, new: str, coordinator: str = "coordinator") -> bytes:
    return hand_over(key_of(coordinator).public, key_of(f"witness {old}"), key_of(f"witness {new}")).data


def grown(*data: bytes) -> World:
    return honest().inserted(len(honest().entries), *data)


def judged(path: Path, world: World, *cosigners: str, **policy: Any) -> Verdict:
    """Of an export whose newest checkpoint `cosigners` saw; the earlier ones are from before."""
    earlier = tuple(honest().note(size) for size in honest().earlier)
    cosigned = replace(world, cosigners=cosigners).note()
    return verify(world.export(path, checkpoint=cosigned, checkpoints=earlier), world.policy(**policy))


def failed(verdict: Verdict) -> set[int]:
    return {step.number for step in verdict.steps if step.findings}


CHANGED = grown(handed("regulator", "new"))
PLACE = len(CHANGED.entries) - 1


def test_an_honest_one_is_followed_from_the_key_that_is_pinned(tmp_path: Path) -> None:
    verdict = judged(tmp_path / "export.zip", CHANGED, "new", *BANKS)
    assert verdict.holds, [step.first for step in verdict.steps]
    assert any(f"Entry {PLACE} hands the witness key" in note for note in verdict.step(6).notes)


def test_after_it_the_old_key_does_not_count(tmp_path: Path) -> None:
    verdict = judged(tmp_path / "export.zip", CHANGED, *WITNESSES)
    assert failed(verdict) == {6}
    assert "none by regulator" in first(verdict, 6).got


def test_before_it_the_new_key_does_not_count(tmp_path: Path) -> None:
    assert failed(judged(tmp_path / "export.zip", honest(), "new", *BANKS)) == {6}


FORGED: dict[str, tuple[bytes, str]] = {
    "by a member's witness": (handed("bank-a", "evil"), "handover.old"),
    "by a stranger": (handed("stranger", "evil"), "handover.old"),
    "in another federation": (handed("regulator", "evil", "elsewhere"), "handover.coordinator"),
    "to a member's witness": (handed("regulator", "bank-a"), "handover.new"),
    "without the new key": (
        Statement.sign(
            "handover",
            {
                "coordinator": key_of("coordinator").public.hex,
                "new": witness_key("evil").public.key.hex,
                "possession": "00" * 64,
            },
            key_of("witness regulator"),
        ).entry.data,
        "handover.possession",
    ),
    "in another form": (Entry("handover", b'{"content":{},"signature":"","signer":""}').data, "handover"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_one_is_named_and_its_key_does_not_count(tmp_path: Path, name: str) -> None:
    data, where = FORGED[name]
    verdict = judged(tmp_path / "seen.zip", grown(data), *WITNESSES)
    assert failed(verdict) == {2}
    assert (first(verdict, 2).index, where in str(first(verdict, 2))) == (PLACE, True)
    assert failed(judged(tmp_path / "used.zip", grown(data), "evil", *BANKS)) == {2, 6}


def test_a_second_successor_is_named_and_the_first_one_counts(tmp_path: Path) -> None:
    branched = grown(handed("regulator", "new"), handed("regulator", "evil"))
    verdict = judged(tmp_path / "first.zip", branched, "new", *BANKS)
    assert failed(verdict) == {2}
    assert (first(verdict, 2).index, "handed over" in str(first(verdict, 2))) == (PLACE + 1, True)
    assert failed(judged(tmp_path / "second.zip", branched, "evil", *BANKS)) == {2, 6}


def test_a_key_that_was_handed_over_is_not_named_back(tmp_path: Path) -> None:
    public = key_of("regulator").public.hex, witness_key("regulator").public.key.hex
    again = RegulatorStatement("regulator", *public, "cd" * 32, 5).entry(key_of("coordinator")).data
    verdict = judged(tmp_path / "export.zip", grown(handed("regulator", "new"), again), "new", *BANKS)
    assert failed(verdict) == {2}
    assert "regulator.witness_key" in str(first(verdict, 2))


def test_a_policy_that_names_two_keys_of_one_chain_says_so(tmp_path: Path) -> None:
    more = {"name": "new", "key": witness_key("new").public.key.hex, "required": True}
    verdict = judged(
        tmp_path / "export.zip", CHANGED, "new", *WITNESSES, witnesses=[*policy_values()["witnesses"], more]
    )
    assert failed(verdict) == {6}
    assert "one key twice" in str(first(verdict, 6))
