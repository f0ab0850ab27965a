"""The training plan and its signatures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rounds_world import COORDINATOR, NAMES, key_of, make_plan, member, sign

from federation.errors import ConfigurationError, Refused
from federation.rounds import PLAN_LABEL, Code, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.plan import Document
from federation.rounds.signed_plan import pretty
from protocols.canonical import canonical, digest

PLAN = make_plan()


def test_a_plan_is_its_canonical_bytes() -> None:
    again = TrainingPlan.read(PLAN.canonical())
    assert again == PLAN
    assert hash(again) == hash(PLAN)
    assert PLAN.hash == digest(PLAN_LABEL, PLAN.canonical()).hex()
    assert sign(PLAN) != PLAN


def test_a_changed_copy_has_its_own_hash() -> None:
    assert PLAN.model_copy(update={"quorum": 1}).hash != PLAN.hash


def changed(path: str, value: Any) -> bytes:
    document = json.loads(PLAN.canonical())
    *parents, last = path.split(".")
    inner: Any = document
    for key in parents:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    inner[last] = value
    return canonical(document)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("quorum", 0, "quorum"),
        ("quorum", 4, "quorum"),
        ("quorum", "2", "quorum"),
        ("quorum", 2.5, "quorum"),
        ("run_id", "../../etc", "run_id"),
        ("run_id", "", "run_id"),
        ("coordinator", "00", "coordinator"),
        ("coordinator", "ZZ" * 32, "coordinator"),
        ("bundle_hash", "", "bundle_hash"),
        ("catalogue.hash", "x", r"catalogue\.hash"),
        ("round_deadline_s", 0, "round_deadline_s"),
        ("round_deadline_s", 10**9, "round_deadline_s"),
        ("max_update_norm", -1, "max_update_norm"),
        ("expires", -1, "expires"),
        ("format", "fedscore/v2/plan", "format"),
        ("surprise", 1, "surprise"),
        ("members", [], "members"),
        ("members.0.key", "00" * 31, r"member\.key"),
        ("members.0.institution", "Bank A", r"member\.institution"),
        ("members.0.institution", "bank-z", "members"),
        ("members.0.key", key_of("bank-b").public.hex, "members"),
        ("members.0.features", ["a", "a"], r"member\.features"),
        ("members.0.nominal_records", 0, r"members\.0\.nominal_records"),
        ("privacy.clip", -1, "privacy"),
        ("privacy.surprise", 1, "privacy"),
        ("privacy.rounds", 0, "privacy"),
        ("privacy", None, "privacy"),
        ("recipe", "additive", "recipe"),
        ("recipe.family", "forest", "recipe"),
        ("recipe", {"learning_rate": 1}, "recipe"),
    ],
)
def test_a_plan_that_cannot_hold_names_its_key(path: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        TrainingPlan.read(changed(path, value))


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_one_kind_of_error(data: bytes) -> None:
    for kind in (TrainingPlan, SignedPlan, Member):
        with pytest.raises(ConfigurationError):
            kind.read(data)


def test_documents_have_a_size_limit() -> None:
    class Small(Document):
        max_bytes = 3
        a: int

    with pytest.raises(ConfigurationError, match="at most 3"):
        Small.read(b'{"a":1}')


def test_every_member_must_have_signed() -> None:
    signed = sign(PLAN)
    signed.verify()
    assert SignedPlan.read(signed.canonical()) == signed
    assert json.loads(pretty(signed)) == json.loads(signed.canonical())
    for name in NAMES:
        fewer = {key: value for key, value in signed.approvals.items() if key != name}
        with pytest.raises(Refused, match=name):
            signed.model_copy(update={"approvals": fewer}).verify()
        with pytest.raises(Refused, match=name):
            signed.model_copy(
                update={"approvals": {**signed.approvals, name: approve(PLAN, COORDINATOR).hex()}}
            ).verify()
    with pytest.raises(Refused, match="stranger"):
        signed.model_copy(update={"approvals": {**signed.approvals, "zoe": "00"}}).verify()
    with pytest.raises(Refused, match="coordinator") as caught:
        signed.model_copy(update={"coordinator": approve(PLAN, key_of("bank-a")).hex()}).verify()
    assert caught.value.code == Code.UNSIGNED_PLAN


def test_an_approval_of_another_plan_is_worth_nothing() -> None:
    other = make_plan(quorum=1)
    approvals = {name: approve(other, key_of(name)) for name in NAMES}
    with pytest.raises(Refused):
        SignedPlan.sign(PLAN, approvals, COORDINATOR)


def test_members_are_found_by_name() -> None:
    assert PLAN.member("bank-a") == member("bank-a")
    assert PLAN.member("nobody") is None
    assert PLAN.rounds == 3
