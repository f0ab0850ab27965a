"""Steps of people's cases in the log: a member says its own, in their form, and not a word more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.errors import FederationError
from federation.oversight.cases import CaseStep, Event, commitment, first_previous
from protocols.errors import MessageError, ProtocolError
from protocols.signing import SigningKey
from protocols.transparency import Statement
from server.log.admission import check_member_entry

KEY, OTHER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2))
STEP = CaseStep(
    institution="bank-a",
    sequence=1,
    previous=first_previous("bank-a"),
    case="ab" * 16,
    event=Event.OPENED,
    day="2026-03-02",
    due="2026-04-01",
    commitment=commitment(bytes(32), {"statement": "mine"}),
)


def test_a_member_has_its_own_steps_logged() -> None:
    check_member_entry(STEP.sign(KEY), "bank-a", KEY.public)


def test_nobody_says_a_step_for_another() -> None:
    for entry, institution in ((STEP.sign(OTHER), "bank-a"), (replace(STEP, institution="bank-b").sign(KEY), "bank-a")):
        with pytest.raises((ProtocolError, FederationError)):
            check_member_entry(entry, institution, KEY.public)


def test_no_word_about_a_person_gets_into_the_log_by_a_field_more_or_of_another_form() -> None:
    """With the check off the log would take any canonical object that its member signed."""
    for content in (
        STEP.to_json() | {"note": "Ms Miller, 4711"},
        STEP.to_json() | {"case": "4711"},
        STEP.to_json() | {"event": "miller-called"},
        STEP.to_json() | {"due": "when Ms Miller comes"},
    ):
        entry = Statement.sign("case", content, KEY).entry
        Statement.read(entry)  # well signed, and of a form that other kinds are taken in
        with pytest.raises(MessageError):
            check_member_entry(entry, "bank-a", KEY.public)
