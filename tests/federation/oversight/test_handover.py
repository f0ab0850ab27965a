"""Who may hand a witness key over, to which key, and from which place on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from federation.oversight import MemberStatement, RegulatorStatement, Roster
from federation.oversight.handover import HANDOVER, POSSESSION, hand_over
from protocols.canonical import canonical
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement, WitnessVerifier


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(name.encode().ljust(32))


COORDINATOR = key("coordinator")
REGULATOR = RegulatorStatement("authority", key("signing").public.hex, key("old").public.hex, "33" * 32, 1000)
NAMED = REGULATOR.entry(COORDINATOR)


def member(name: str) -> Entry:
    return MemberStatement(name, key(name).public.hex, key(f"{name} w").public.hex, 1000, "admitted").entry(COORDINATOR)


def handed(old: str = "old", new: str = "new", coordinator: SigningKey = COORDINATOR) -> Entry:
    return hand_over(coordinator.public, key(old), key(new))


def fold(*entries: Entry, start: Roster | None = None) -> Roster:
    roster = start or Roster(COORDINATOR.public)
    for index, entry in enumerate(entries):
        roster = roster.after(entry, index)
    return roster


def required(roster: Roster, size: int) -> list[str]:
    """Names of the keys that must cosign a checkpoint of `size`."""
    names = {WitnessVerifier.of(key(name).public): name for name in ("old", "new", "third", "evil", "other")}
    return [names[witness] for witness in roster.quorum.at(size).required]


def test_the_new_key_holds_from_the_place_on_and_the_old_one_before() -> None:
    banks = [member(f"bank-{n}") for n in "abc"]
    roster = fold(NAMED, *banks, handed())  # at place 4
    assert [required(roster, size) for size in (1, 4, 5, 99)] == [["old"], ["old"], ["new"], ["new"]]
    assert roster.regulator == replace(REGULATOR, witness_key=key("new").public.hex)
    assert (roster.quorum.size, len(roster.witnesses)) == (3, 4)
    assert roster.holder(key("old").public.hex) == key("new").public.hex


def test_keys_are_handed_on_and_on() -> None:
    roster = fold(NAMED, handed(), member("bank-a"), handed("new", "third"))
    assert [required(roster, size) for size in (1, 2, 3, 4)] == [["old"], ["new"], ["new"], ["third"]]


def test_the_same_keys_say_the_same() -> None:
    assert handed().data == handed().data


def possession(new: SigningKey, old: SigningKey, label: str = POSSESSION) -> str:
    said = {"coordinator": COORDINATOR.public.hex, "new": new.public.hex, "old": old.public.hex}
    return new.sign(label, canonical(said)).hex()


def forged(signer: str, new: str, proof: str) -> Entry:
    content = {"coordinator": COORDINATOR.public.hex, "new": key(new).public.hex, "possession": proof}
    return Statement.sign(HANDOVER, content, key(signer)).entry


FORGED: dict[str, tuple[Callable[[], Entry], str]] = {
    "by the coordinator": (lambda: hand_over(COORDINATOR.public, COORDINATOR, key("evil")), r"handover\.old"),
    "by the regulator's signing key": (lambda: handed("signing", "evil"), r"handover\.old"),
    "by a member's witness": (lambda: handed("bank-a w", "evil"), r"handover\.old"),
    "by a key that is nobody's": (lambda: handed("stranger", "evil"), r"handover\.old"),
    "without the new key": (
        lambda: forged("old", "new", possession(key("evil"), key("old"))),
        r"handover\.possession.*new key",
    ),
    "with a proof that is for another old key": (
        lambda: forged("old", "new", possession(key("new"), key("stranger"))),
        r"handover\.possession",
    ),
    "with a signature of the new key for something else": (
        lambda: forged("old", "new", possession(key("new"), key("old"), "fedscore/v1/statement/handover")),
        r"handover\.possession",
    ),
    "with no proof": (lambda: forged("old", "new", ""), r"handover\.possession"),
    "with a proof in upper case": (
        lambda: forged("old", "new", possession(key("new"), key("old")).upper()),
        r"handover\.possession.*lower-case",
    ),
    "with spaces in the proof": (
        lambda: forged("old", "new", possession(key("new"), key("old")) + " " * 40_000),
        r"handover\.possession.*128",
    ),
    "in another federation": (lambda: handed(coordinator=key("another")), r"handover\.coordinator"),
    "to itself": (lambda: handed("old", "old"), r"handover\.new"),
    "to a member's witness": (lambda: handed("old", "bank-a w"), r"handover\.new"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_handover_changes_nothing_and_is_refused_by_name(name: str) -> None:
    make, where = FORGED[name]
    before = fold(NAMED, member("bank-a"))
    with pytest.raises(ProtocolError, match=where):
        before.after(make(), 2)
    assert required(before.after(handed(), 2), 3) == ["new"]  # an honest one in its place


def test_a_signature_of_the_old_key_that_was_changed_is_refused() -> None:
    body = handed().body.replace(key("new").public.hex.encode(), key("evil").public.hex.encode())
    with pytest.raises(SignatureError, match="signature"):
        fold(NAMED, Entry(HANDOVER, body))


def test_a_key_has_one_successor_whoever_holds_it() -> None:
    """The old key was stolen, after it was handed over: what the thief signs with it comes second."""
    honest = fold(NAMED, handed())
    with pytest.raises(MessageError, match=r"handover\.old.*handed over"):
        honest.after(handed("old", "evil"), 2)
    assert required(fold(NAMED, handed("old", "evil")), 2) == ["evil"]  # without the first it would have counted


def test_a_handover_counts_once_and_no_key_comes_back() -> None:
    with pytest.raises(MessageError, match=r"handover\.old"):
        fold(NAMED, handed(), handed())
    with pytest.raises(MessageError, match=r"handover\.new"):
        fold(NAMED, handed(), handed("new", "old"))
    other = RegulatorStatement("other", key("s2").public.hex, key("other").public.hex, "33" * 32, 1000)
    with pytest.raises(MessageError, match=r"handover\.new"):  # two regulators would be one witness
        fold(NAMED, other.entry(COORDINATOR), handed(), handed("other", "new"))


def test_no_key_becomes_the_heir_that_the_log_gave_to_anybody_before() -> None:
    """Handed to another regulator's key, two that must cosign would be one; also where its holder has left since."""
    other = RegulatorStatement("other", key("s2").public.hex, key("other").public.hex, "33" * 32, 1000)
    with pytest.raises(MessageError, match=r"handover\.new"):
        fold(NAMED, other.entry(COORDINATOR), NAMED, handed("old", "other"))
    gone = MemberStatement("bank-a", key("bank-a").public.hex, key("bank-a w").public.hex, 1000, "revoked")
    with pytest.raises(MessageError, match=r"handover\.new"):
        fold(NAMED, member("bank-a"), gone.entry(COORDINATOR), handed("old", "bank-a w"))
    moved = MemberStatement("bank-a", key("bank-a").public.hex, key("bank-a v").public.hex, 1000, "admitted")
    with pytest.raises(MessageError, match=r"handover\.new"):
        fold(NAMED, member("bank-a"), moved.entry(COORDINATOR), handed("old", "bank-a w"))


def test_the_coordinator_does_not_name_a_key_back_that_was_handed_over() -> None:
    with pytest.raises(MessageError, match=r"regulator\.witness_key.*handed over"):
        fold(NAMED, handed(), replace(REGULATOR, chain_length=5).entry(COORDINATOR))
    puppet = RegulatorStatement("authority", key("p").public.hex, key("evil").public.hex, "33" * 32, 1000)
    assert required(fold(NAMED, handed(), puppet.entry(COORDINATOR)), 9) == ["new", "evil"]


def test_what_was_remembered_stays_required_until_its_own_handover_is_seen() -> None:
    remembered = fold(NAMED, handed()).overseers
    start = Roster(COORDINATOR.public, overseers=remembered)
    assert required(fold(NAMED, start=start), 9) == ["old", "new"]  # the log hides the handover
    assert required(fold(NAMED, handed("old", "evil"), start=start), 9) == ["evil", "new"]  # or shows another
    assert required(fold(NAMED, handed(), start=start), 9) == ["new"]
    assert required(fold(NAMED, handed(), handed("new", "third"), start=start), 9) == ["third"]


def test_a_member_under_a_handed_over_key_is_no_witness_more() -> None:
    taken = MemberStatement("bank-a", key("bank-a").public.hex, key("old").public.hex, 1000, "admitted")
    roster = fold(NAMED, handed(), taken.entry(COORDINATOR))
    assert len(roster.witnesses) == 1
    assert required(roster, 9) == ["new"]
