"""Permission and rights in the demonstration: what is forged is found, and each stage says where it does not hold."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import recorded
from scores_world import CATALOGUE

from clients.institution.home import InstitutionHome
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent, check_consent
from protocols.consent.receipt import Scope
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.lookup.roster import Authority
from protocols.signing import SigningKey
from workbench.demo import blind, consent, dispute, inquirers, rights, spot_check
from workbench.demo.blind import Blind
from workbench.demo.bypass import Bypassed, forged
from workbench.demo.dispute import Correction
from workbench.demo.inquirers import Inquired
from workbench.demo.plain import Case
from workbench.demo.processes import DemoFailed
from workbench.demo.rights import Rights
from workbench.demo.spot_check import Checked
from workbench.demo.summary import shortcomings

SCOPE = Scope(CATALOGUE.name, bytes.fromhex(CATALOGUE.hash))
ASKER, CORRECTOR, BYPASSER = recorded.NAMES
LEAF = "5a" * 32


def changed(value: Any, change: Callable[[Any], object]) -> Any:
    found = copy.deepcopy(value)
    change(found)
    return found


# ---- who goes around its node ----


def covers(document: Consent, authority: SigningKey) -> None:
    check_consent(
        document,
        identifier=b"somebody",
        querier=BYPASSER,
        purpose=consent.PURPOSE,
        scope=SCOPE,
        now=int(time.time()),
        authorities=(Authority(consent.AUTHORITY, authority.public),),
        revoked=Revocations(),
    )


def test_a_forged_document_breaks_one_rule_alone() -> None:
    """It would cover the inquiry if whoever made it were the authority: nothing else about it is wrong."""
    ours = SigningKey.generate()
    document = forged(b"somebody", BYPASSER, consent.PURPOSE, SCOPE, consent.AUTHORITY)
    with pytest.raises(ConsentRefused) as refused:
        covers(document, ours)
    assert refused.value.rule is Rule.UNKNOWN_KEY
    signed = replace(document, identity=document.identity.statement.sign(ours))
    covers(signed, ours)


# ---- what holds, and what does not ----


def checked() -> Checked:
    counts = {"hard": 7, "soft": 0, "waiting": []}
    queriers = [{"querier": name, "drawn": 7, "broken": [], **counts} for name in (ASKER, CORRECTOR)]
    broken = [{"index": 3, "leaf": LEAF, "rule": "unknown_key"}]
    queriers.append({"querier": BYPASSER, "drawn": 7, **counts, "hard": 6, "broken": broken})
    verdict = {"queriers": queriers, "unusable": []}
    return Checked({"rate": 1.0, "inquiries": 21}, verdict, Bypassed(BYPASSER, LEAF, 3, "her"))


def test_a_spot_check_holds_where_it_names_the_one_question_without_consent() -> None:
    found = checked()
    assert found.holds
    told = spot_check.summary(found)
    assert told["broken"] == {ASKER: [], CORRECTOR: [], BYPASSER: ["unknown_key"]}
    assert told["opened"] == dict.fromkeys(recorded.NAMES, 7)
    assert told["chance"]["30%"] == {"1": 0.3, "10": 0.972}


@pytest.mark.parametrize(
    "change",
    [
        lambda verdict: verdict["queriers"][2]["broken"].clear(),
        lambda verdict: verdict["queriers"][2]["broken"][0].update(rule="not_opened"),
        lambda verdict: verdict["queriers"][2]["broken"][0].update(leaf="6b" * 32),
        lambda verdict: verdict["queriers"][0]["broken"].append({"index": 4, "leaf": "77" * 32, "rule": "forged"}),
        lambda verdict: verdict["queriers"][1]["waiting"].append(9),
        lambda verdict: verdict["unusable"].append({"file": "x", "why": "y"}),
    ],
)
def test_a_spot_check_does_not_hold_where_it_finds_anything_else(change: Callable[[Any], object]) -> None:
    assert not replace(checked(), verdict=changed(checked().verdict, change)).holds


def inquired(*found: tuple[str, str], not_asked: int = 0) -> Inquired:
    told = [{"querier": name, "inquiry": kind, "purpose": "credit-application"} for name, kind in found]
    expected = {ASKER: "hard", BYPASSER: "unknown"}
    said = {"inquiries": told, "asked": 21, "not_asked": ["no proof"] * not_asked}
    return Inquired(said, Path("inquirers.json"), expected, ("ombudsman", "regulator"), 1.234)


def test_she_must_find_both_and_nobody_else_with_no_request_left_out() -> None:
    both = ((ASKER, "hard"), (BYPASSER, "unknown"))
    assert inquired(*both).holds
    assert inquirers.summary(inquired(*both))["seconds"] == 1.23
    assert not inquired(both[0]).holds
    assert not inquired(*both, (CORRECTOR, "unknown")).holds
    assert not inquired(*both, both[0]).holds
    assert not inquired(both[0], (BYPASSER, "hard")).holds
    assert not inquired(*both, not_asked=1).holds


def scored(score: float = 601.0, **changes: Any) -> Blind:
    limits, lenders = {"lifetime": 23}, [{"name": blind.LENDER, "answered": 1}]
    status = {"answered": 1, "left": 22, "limits": limits, "lenders": lenders, "smallest_part": 24}
    return Blind(ASKER, score, "fair", 600.0, 2.3, {**status, "weights_protected": True, **changes})


def test_a_blind_score_must_be_the_plain_one_within_its_bound_and_charged_once() -> None:
    assert scored().holds
    assert blind.summary(scored())["difference"] == 1.0
    assert scored(602.31).holds
    assert not scored(602.4).holds
    assert not scored(597.6).holds
    assert not scored(left=23).holds
    assert not scored(weights_protected=False).holds
    assert not scored(lenders=[{"name": blind.LENDER, "answered": 2}]).holds
    assert not scored(lenders=[{"name": "other", "answered": 1}]).holds


@pytest.mark.parametrize(
    "change",
    [
        ("ledgers", lambda summary: summary["ledgers"]["aurora"].update(verified=False)),
        ("recomputed", lambda summary: summary["recomputed"]["aurora"].update(follows=False)),
        ("oversight", lambda summary: summary["oversight"].update(holds=False)),
        ("lookup", lambda summary: summary["lookup"].update(correct=3)),
        ("lookup", lambda summary: summary["lookup"].update(identifiers_found=1)),
        ("lookup", lambda summary: summary["lookup"].update(erased=False)),
        *((name, lambda summary, name=name: summary[name].update(holds=False)) for name in ("consent", *rights.NAMES)),
    ],
)
def test_whatever_does_not_hold_is_named(change: tuple[str, Callable[[Any], object]]) -> None:
    name, spoil = change
    assert shortcomings(recorded.sound()) == []
    assert shortcomings(changed(recorded.sound(), spoil)) == [name]


def test_where_nobody_can_be_asked_about_nothing_is_missed() -> None:
    left_out = {"lookup": {"left_out": "no subject"}, "consent": None, **rights.summary(None)}
    assert set(left_out) == {"lookup", "consent", "spot_check", "inquiries", "blind", "dispute"}
    assert shortcomings(recorded.sound() | left_out) == []


def test_permission_holds_by_these_rules_and_this_authority() -> None:
    rules = {"no receipt": "missing", "a revoked receipt": "revoked"}
    assert consent.summary([consent.AUTHORITY], 20, rules)["holds"]
    assert not consent.summary([], 20, rules)["holds"]
    assert not consent.summary([consent.AUTHORITY], 20, rules | {"no receipt": "used"})["holds"]
    assert not consent.summary([consent.AUTHORITY], 20, {"no receipt": "missing"})["holds"]


# ---- who plays what ----


def test_three_institutions_play_three_parts_about_the_person_most_of_them_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = recorded.NAMES
    known = {"one": names[:1], "two": names[:2], "three": names}
    plain = SimpleNamespace(snapshots=dict.fromkeys(names), known_to=lambda subject: known[subject])
    cases = [Case(names[0], "one", 1), Case(names[0], "two", 2), Case(names[1], "three", 3)]
    monkeypatch.setattr(InstitutionHome, "open", lambda path: path)
    homes = SimpleNamespace(institution=lambda name: tmp_path / name, run=tmp_path)
    made = Rights(*cast(Any, (None, homes, None, None, None, None, None)))
    movable = {"two", "three"}

    def moved(home: Path, model: Path, subject: str) -> Correction | None:
        return Correction("age", "61") if subject in movable else None

    monkeypatch.setattr(dispute, "correction", moved)
    roles = made.choose(cast(Any, plain), cases)
    assert (roles.subject, roles.asker, roles.corrector, roles.bypasser) == ("three", names[1], names[0], names[2])
    assert "three" not in repr(roles)
    movable.remove("three")
    roles = made.choose(cast(Any, plain), cases)
    assert (roles.subject, roles.asker, roles.corrector, roles.bypasser) == ("two", *names)
    movable.remove("two")
    with pytest.raises(DemoFailed, match="no record"):
        made.choose(cast(Any, plain), cases)
