"""Who is a member at which place of the log, and who may say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.oversight.members import MemberStatement, RegulatorStatement, Roster
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement, read_entry

COORDINATOR, STRANGER = SigningKey.from_seed(b"c" * 32), SigningKey.from_seed(b"s" * 32)


def hex_of(name: str) -> str:
    """The public key of whoever is called that."""
    return SigningKey.from_seed(name.encode().ljust(32)).public.hex


def said(
    name: str, standing: Any = "admitted", *, key: str = hex_of("aa"), witness: str = hex_of("bb")
) -> MemberStatement:
    return MemberStatement(name, key, witness, 1000, standing)


REGULATOR = RegulatorStatement("authority", hex_of("11"), hex_of("22"), "33" * 32, 1000)


def fold(*entries: Entry) -> Roster:
    roster = Roster(COORDINATOR.public)
    for index, entry in enumerate(entries):
        roster = roster.after(entry, index)
    return roster


def test_membership_follows_the_log() -> None:
    admitted = said("bank-a").entry(COORDINATOR)
    assert fold(admitted).members["bank-a"] == said("bank-a")
    assert not fold(admitted, said("bank-a", "revoked").entry(COORDINATOR)).members
    again = fold(
        admitted, said("bank-a", "revoked").entry(COORDINATOR), said("bank-a", key=hex_of("cc")).entry(COORDINATOR)
    )
    assert again.members["bank-a"].key == hex_of("cc")
    assert fold(admitted, Entry("lookup-step", b"{}")).members.keys() == {"bank-a"}


def test_a_statement_survives_the_log() -> None:
    for content in (said("bank-a"), REGULATOR):
        entry = read_entry(content.entry(COORDINATOR).data)
        assert type(content).from_json(Statement.read(entry).content) == content
    assert said("bank-a").to_json()["from"] == "admitted"


@pytest.mark.parametrize("content", [said("bank-a"), said("bank-a", "revoked"), REGULATOR])
def test_only_the_coordinator_says_who_is_who(content: Any) -> None:
    with pytest.raises(SignatureError, match="signer"):
        fold(said("bank-a").entry(COORDINATOR), content.entry(STRANGER))


def test_nobody_is_revoked_under_another_key() -> None:
    with pytest.raises(MessageError, match=r"member\.key"):
        fold(said("bank-a", "revoked").entry(COORDINATOR))
    with pytest.raises(MessageError, match=r"member\.key"):
        fold(said("bank-a").entry(COORDINATOR), said("bank-a", "revoked", key=hex_of("cc")).entry(COORDINATOR))


def test_one_witness_key_is_one_witness() -> None:
    """Two members under one witness key would let one machine be a quorum."""
    twice = fold(said("bank-a").entry(COORDINATOR), said("bank-b", key=hex_of("cc")).entry(COORDINATOR))
    assert len(twice.members) == 2
    assert twice.quorum.size == len(twice.witnesses) == 1
    silent = fold(said("bank-c", witness="").entry(COORDINATOR), REGULATOR.entry(COORDINATOR))
    assert [witness.key.hex for witness in silent.witnesses] == [hex_of("22")]


def test_the_regulator_is_always_in_the_quorum() -> None:
    banks = [said(f"bank-{n}", key=hex_of(f"{n}a"), witness=hex_of(f"{n}b")).entry(COORDINATOR) for n in range(3)]
    alone, overseen = fold(*banks).quorum, fold(*banks, REGULATOR.entry(COORDINATOR)).quorum
    assert (alone.size, alone.faults, alone.required) == (2, 0, ())
    assert (overseen.size, overseen.faults) == (3, 1)
    assert [witness.key.hex for witness in overseen.required] == [hex_of("22")]
    with pytest.raises(MessageError):
        assert fold().quorum


def test_a_coordinator_cannot_name_the_regulator_away() -> None:
    """Another regulator and other witnesses, all its own: what they cosign is no quorum without the first."""
    banks = [said(f"bank-{n}", key=hex_of(f"{n}a"), witness=hex_of(f"{n}b")).entry(COORDINATOR) for n in range(3)]
    puppet = RegulatorStatement("authority", hex_of("p"), hex_of("pw"), "33" * 32, 1000)
    silent = [said(f"bank-{n}", key=hex_of(f"{n}a"), witness="").entry(COORDINATOR) for n in range(3)]
    replaced = fold(*banks, REGULATOR.entry(COORDINATOR), puppet.entry(COORDINATOR), *silent)
    assert replaced.regulator == puppet
    assert [witness.key.hex for witness in replaced.quorum.required] == [hex_of("22"), hex_of("pw")]
    again = fold(REGULATOR.entry(COORDINATOR), replace(REGULATOR, chain_length=5).entry(COORDINATOR))
    assert [witness.key.hex for witness in again.quorum.required] == [hex_of("22")]  # the same, with another chain
    remembering = Roster(COORDINATOR.public, overseers=(hex_of("22"),)).after(puppet.entry(COORDINATOR), 0)
    assert len(remembering.quorum.required) == 2  # also where a log hides the first


@pytest.mark.parametrize("key", ["00" * 32, "01" + "00" * 31, "ff" * 32])
def test_what_is_no_key_is_nobodys(key: str) -> None:
    for make in (lambda: said("bank-a", key=key), lambda: said("bank-a", witness=key)):
        with pytest.raises(MessageError, match="prime order"):
            make()
    with pytest.raises(MessageError, match="prime order"):
        RegulatorStatement("authority", hex_of("11"), key, "33" * 32, 1000)


@given(
    field=st.sampled_from(["institution", "key", "witness_key", "nominal_records", "from"]),
    value=st.one_of(st.none(), st.booleans(), st.integers(max_value=0), st.text(max_size=8), st.lists(st.integers())),
)
def test_other_forms_are_refused(field: str, value: Any) -> None:
    good = said("bank-a").to_json()
    if (field == "witness_key" and value == "") or (field == "institution" and isinstance(value, str)):
        return
    with pytest.raises(MessageError):
        MemberStatement.from_json({**good, field: value})
    with pytest.raises(MessageError):
        MemberStatement.from_json({**good, "more": value})
    with pytest.raises(MessageError):
        MemberStatement.from_json({name: part for name, part in good.items() if name != field})
