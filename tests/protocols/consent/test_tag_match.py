"""One match of a look-up, shown to somebody who was not there: nobody shows it of another person's tag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from consent_world import drawn_bytes
from test_tag_lookup import JOHN, MARY, PUBLICS, RANDOM, SHARES, Run, question

from protocols.consent import tag_match
from protocols.consent.tag_lookup import round_context
from protocols.consent.tag_match import Part, TagMatch
from protocols.errors import MessageError, ProofError
from protocols.oprf.dleq import prove
from protocols.oprf.group import BASE, multiply, random_scalar, subtract
from protocols.oprf.joint_key import KeyShare


def shown(run: Run, place: int) -> TagMatch:
    return TagMatch.of(run.test, run.steps, run.decryptions, place)


ASKED = Run(question([JOHN, MARY, JOHN]))
TAGS, MATCH = ASKED.test.tags, shown(ASKED, 1)
Lie = Callable[[], tuple[bytes, TagMatch]]


def changed(at: int, **fields: Any) -> TagMatch:
    parts = list(MATCH.parts)
    parts[at] = replace(parts[at], **fields)
    return replace(MATCH, parts=tuple(parts))


def moved() -> tuple[bytes, TagMatch]:
    """Her courier puts the proof of one leaf beside another that stands in the log."""
    return TAGS[0], MATCH


def both_holders_lie() -> tuple[bytes, TagMatch]:
    """All holders together: they know y, blind as they like, and decrypt John's tag to what would make it hers."""
    pair, parts = (TAGS[0][:32], subtract(TAGS[0][32:], MARY)), []
    for name in PUBLICS:
        z, context = random_scalar(RANDOM), round_context(MATCH.question, "blind", name)
        made = multiply(z, pair[0]), multiply(z, pair[1])
        proof = prove(z, pair[0], made[0], [pair[1]], [made[1]], RANDOM, context=context)
        parts.append(Part(made, proof, made[0], bytes(64)))
        pair = made
    first, second = parts
    honest = multiply(SHARES["ombudsman"].secret, pair[0])
    context = round_context(MATCH.question, "decrypt", "ombudsman")
    public = SHARES["ombudsman"].public
    good = prove(SHARES["ombudsman"].secret, BASE, public, [pair[0]], [honest], RANDOM, context=context)
    lie = subtract(pair[1], honest)
    parts = [replace(first, element=honest, decrypted=good), replace(second, element=lie)]
    return TAGS[0], TagMatch(MATCH.question, tuple(parts))


LIES: dict[str, Lie] = {"step of ombudsman": moved, "decryption of regulator": both_holders_lie}


@pytest.mark.parametrize("named", LIES)
def test_a_leaf_about_somebody_else_is_shown_by_nobody(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tag, lie = LIES[named]()
    with pytest.raises(ProofError, match=named):
        lie.check(tag, MARY, PUBLICS)
    monkeypatch.setattr(tag_match, "check_blinded", lambda *_: None)
    monkeypatch.setattr(tag_match, "check_decrypted", lambda *_: None)
    lie.check(tag, MARY, PUBLICS)  # with the proofs off it is believed


def test_her_match_holds_of_her_under_these_keys_alone() -> None:
    MATCH.check(TAGS[1], MARY, PUBLICS)
    with pytest.raises(ProofError, match="step of ombudsman"):
        MATCH.check(TAGS[1], JOHN, PUBLICS)
    with pytest.raises(ProofError, match="decryption of regulator"):
        MATCH.check(TAGS[1], MARY, PUBLICS | {"regulator": KeyShare.generate(RANDOM).public})
    with pytest.raises(ProofError, match="one of each of"):
        replace(MATCH, parts=MATCH.parts[:1]).check(TAGS[1], MARY, PUBLICS)


def test_what_was_found_not_to_be_hers_cannot_be_shown_as_hers() -> None:
    with pytest.raises(ProofError, match="somebody else"):
        shown(Run(question([JOHN, MARY, JOHN])), 0).check(TAGS[0], MARY, PUBLICS)
    odd = question([MARY], tags=(TAGS[0][:32] + MARY, TAGS[1]))
    with pytest.raises(MessageError, match="tested"):
        shown(Run(odd), 0)


@pytest.mark.parametrize("field", ["pair", "blinded", "element", "decrypted"])
@pytest.mark.parametrize("at", [0, 1])
def test_a_changed_part_names_its_holder(field: str, at: int) -> None:
    other = shown(Run(question([MARY])), 0).parts[at]
    with pytest.raises(ProofError, match=f"of {list(PUBLICS)[at]}"):
        changed(at, **{field: getattr(other, field)}).check(TAGS[1], MARY, PUBLICS)


def test_two_showings_have_nothing_in_common_and_hold_none_of_the_other_tags() -> None:
    again = shown(Run(question([JOHN, MARY, JOHN], session=drawn_bytes("another"))), 1)
    for mine, other in zip(MATCH.parts, again.parts, strict=True):
        assert not {*mine.pair, mine.element} & {*other.pair, other.element}
    assert not any(half in MATCH.encode() for tag in TAGS for half in (tag[:32], tag[32:]))


def test_what_is_written_is_read() -> None:
    assert TagMatch.decode(MATCH.encode()) == MATCH
    assert len(MATCH.encode()) == 32 + 2 * 224
    for data in (b"", MATCH.encode()[:-1], MATCH.encode()[:256], bytes(31)):
        with pytest.raises(MessageError, match="match"):
            TagMatch.decode(data)
