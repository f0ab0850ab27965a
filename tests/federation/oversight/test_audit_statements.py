"""Requests, results and the regulator's table of audits, honest and forged."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from federation.audits import Check, Finding
from federation.oversight.audits import AuditRequest, AuditResult, audit_rows
from protocols.errors import MessageError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement

BANK, OTHER, REGULATOR = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
MEMBERS = {"bank-a": BANK.public, "bank-b": OTHER.public}
REQUEST = AuditRequest("bank-a", "canary", "aa" * 32, "bb" * 32, expires=1_900_000_000)
GOOD = Finding.bounded(Check.CANARY_GOOD, 1.0, 0.7, 1e-6, 0.95)
HIGH = Finding.bounded(Check.CANARY_BAD, 1.0, 1.8, 1e-6, 2.1)


def result(**changes: Any) -> AuditResult:
    values: dict[str, Any] = {
        "request": REQUEST.sign(REGULATOR).hash.hex(),
        "institution": "bank-a",
        "kind": "canary",
        "plan_hash": "aa" * 32,
        "code_version": "0.1.0",
        "seed": "bb" * 32,
        "delta": 1e-5,
        "claimed": 1.0,
        "measured": 0.7,
        "confidence": 1 - 1e-6,
        "findings": (GOOD,),
        "passed": True,
    }
    return AuditResult(**{**values, **changes})


def rows(*entries: Entry) -> list[tuple[int | None, int | None, bool]]:
    """(place asked, place answered, red) of each row."""
    found = audit_rows(enumerate(entries), MEMBERS, REGULATOR.public)
    return [(row.asked, row.place, row.red) for row in found]


def test_contents_survive_json_and_the_log() -> None:
    for said in (REQUEST, result(), result(request=None, confidence=None)):
        assert type(said).from_json(said.to_json()) == said
        assert type(said).from_json(Statement.read(said.sign(BANK)).content) == said


def test_a_finding_says_its_stage_if_it_has_one() -> None:
    staged = Finding(Check.SENSITIVITY, 0.5, 0.7, False, tolerance=0.0, stage="mains")
    said = result(findings=(staged, GOOD), passed=False)
    assert AuditResult.from_json(Statement.read(said.sign(BANK)).content) == said
    assert said.failed == ("sensitivity, mains",)
    assert "stage" not in GOOD.to_json()  # as before there were stages


def test_a_figure_that_is_none_is_none_in_json() -> None:
    odd = replace(GOOD, measured=math.nan, passed=False)
    found = AuditResult.from_json(Statement.read(result(findings=(odd,), passed=False).sign(BANK)).content)
    assert math.isnan(found.findings[0].measured)
    assert found.failed == ("canary of a good outcome",)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"institution": "Bank A"}, "institution"),
        ({"kind": "gut feeling"}, "kind"),
        ({"kind": ["canary"]}, "kind"),
        ({"seed": "bb" * 31}, "seed"),
        ({"plan_hash": ""}, "plan_hash"),
        ({"request": "yes"}, "request"),
        ({"code_version": ""}, "code_version"),
        ({"measured": math.inf}, "measured"),
        ({"claimed": True}, "claimed"),
        ({"confidence": 1.0}, "confidence"),
        ({"findings": ()}, "findings"),
        ({"findings": (GOOD, HIGH)}, "passed"),
        ({"passed": False}, "passed"),
    ],
)
def test_results_that_cannot_be_are_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(MessageError, match=f"audit-result.{named}"):
        result(**changes)


@pytest.mark.parametrize(
    "finding",
    [
        None,
        {"check": "canary of a good outcome"},
        GOOD.to_json() | {"check": "charm"},
        GOOD.to_json() | {"check": ["x"]},
        GOOD.to_json() | {"passed": 1},
        GOOD.to_json() | {"measured": "low"},
        GOOD.to_json() | {"stage": "gym"},
        GOOD.to_json() | {"stage": None},
        GOOD.to_json() | {"stage": ["mains"]},
    ],
)
def test_findings_of_another_form_are_refused(finding: object) -> None:
    with pytest.raises(MessageError, match=r"audit-result\.findings"):
        AuditResult.from_json({**result().to_json(), "findings": [finding]})


def test_requests_that_cannot_be_are_refused() -> None:
    for name, value in (("expires", 1.5), ("kind", "all"), ("seed", 7)):
        with pytest.raises(MessageError, match=f"audit-request.{name}"):
            AuditRequest.from_json({**REQUEST.to_json(), name: value})
    with pytest.raises(MessageError, match="audit-request"):
        AuditRequest.from_json({**REQUEST.to_json(), "note": "please"})


def test_a_request_and_its_answer_are_one_row_and_red_where_more_was_measured() -> None:
    asked = REQUEST.sign(REGULATOR)
    high = result(findings=(GOOD, HIGH), passed=False, measured=1.8)
    assert rows(asked, result().sign(BANK)) == [(0, 1, False)]
    assert rows(asked, high.sign(BANK)) == [(0, 1, True)]
    assert rows(asked, result(measured=1.8).sign(BANK)) == [(0, 1, True)]  # it calls itself passed
    (row,) = audit_rows([(0, asked)], MEMBERS, REGULATOR.public)
    assert row.result is None
    assert (row.overdue(REQUEST.expires), row.overdue(REQUEST.expires + 1)) == (False, True)


def test_an_answer_to_something_else_is_the_institutions_own_word() -> None:
    """Another seed, a second answer, an answer before the request, or one that nobody asked for."""
    asked = REQUEST.sign(REGULATOR)
    own_seed = result(seed="cc" * 32).sign(BANK)
    assert rows(asked, own_seed) == [(0, None, False), (None, 1, False)]
    assert rows(asked, result().sign(BANK), result(measured=0.1).sign(BANK)) == [(0, 1, False), (None, 2, False)]
    assert rows(result().sign(BANK), asked) == [(None, 0, False), (1, None, False)]
    assert rows(result(request=None).sign(BANK)) == [(None, 0, False)]


def test_what_others_say_is_no_audit() -> None:
    """A request that is not the regulator's, a result about somebody else, a form that is none, another kind."""
    assert rows(REQUEST.sign(BANK), result().sign(OTHER), result(institution="bank-z").sign(BANK)) == []
    assert rows(Statement.sign("audit-result", {"passed": 1}, BANK).entry, Entry("model", b"{}")) == []
    assert rows(Entry("audit-request", b"{}")) == []
