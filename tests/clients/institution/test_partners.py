"""Members that a coordinator invents, to hold the only real one's update with no more than a share of its noise."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from masked_world import QUARTET, masked_plan
from membership_world import make_institution
from rounds_world import COORDINATOR, START, Bank, Clock, catalogue, fingerprint, key_of, make_plan, sign
from typer.testing import CliRunner

from clients.institution.cli import app
from clients.institution.partners import accept_partner, bare, partners, strangers, withdraw_partner
from clients.institution.plan_store import Decision
from federation.errors import ConfigurationError
from federation.rounds import TrainingPlan, model_hash, model_to_bytes
from federation.rounds.masking import masks_of
from federation.rounds.rule import rule_of
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.secagg import Collector, Member
from protocols.wire.training_pb2 import (
    MaskingAdvertRequest,
    MaskingSetupRequest,
    Phase,
    PlanProposal,
    Refusal,
    RoundReply,
    RoundRequest,
)

INVENTED = tuple(f"bank-x{number}" for number in range(9))


def ask(bank: Bank, message: object) -> bytes:
    return bank.node.handle(seal(message, COORDINATOR))


def proposed(bank: Bank, plan: TrainingPlan) -> str:
    """The kind of the answer, or the code of the refusal."""
    answer = ask(bank, PlanProposal(plan=plan.canonical()))
    kind = read_envelope(answer).kind
    return open_envelope(answer, Refusal, key_of(bank.name).public).code if kind == "Refusal" else kind


class Puppeteer:
    """A coordinator that plays every member but one."""

    def __init__(self, bank: Bank, plan: TrainingPlan) -> None:
        self.bank, self.plan = bank, plan
        self.whole = {"signed_plan": sign(plan).canonical(), "plan_hash": bytes.fromhex(plan.hash)}
        secagg = masks_of(plan)
        self.collector, self.puppets = Collector(secagg), {}
        for name in INVENTED:
            self.puppets[name], advert = Member.start(secagg, name, key_of(name), os.urandom)
            self.collector.advert(name, advert)
        self.collector.advert(bank.name, ask(bank, MaskingAdvertRequest(**self.whole)))
        self.collector.shares(bank.name, ask(bank, MaskingSetupRequest(**self.whole, adverts=self.collector.adverts)))
        for name, puppet in self.puppets.items():
            self.puppets[name], shares = puppet.share(self.collector.adverts)
            self.collector.shares(name, shares)

    def noise_left(self) -> float:
        """Of round 1's sum once all masks are off: its standard deviation, over the sensitivity."""
        rule = rule_of(catalogue(), self.plan)
        model, width = rule.initial(), rule.model.width(1)
        request = RoundRequest(
            **self.whole,
            phase=Phase.TRAIN,
            round=1,
            model=model_to_bytes(model),
            deadline_ms=int(START + 50) * 1000,
        )
        reply = open_envelope(ask(self.bank, request), RoundReply, key_of(self.bank.name).public)
        told = model_hash(model_to_bytes(model))
        total = self.collector.round(1, width, told)
        total.offer(self.bank.name, np.frombuffer(reply.update, "<u8").astype(np.uint64))
        for name, puppet in self.puppets.items():
            total.offer(name, puppet.mask(1, np.zeros(width, np.uint64), told)[1])
        exact = rule.model.contribution(1, model, self.bank.computation.training_records)
        return float(np.std((total.total().view(np.int64) - exact) / rule.model.sensitivity(1)))


def test_whoever_trusts_any_key_loses_most_of_its_noise_to_a_coordinator_alone() -> None:
    """No institution takes part in this but the victim, and its ledger says that the plan's epsilon holds."""
    plan = masked_plan(("bank-a", *INVENTED))
    bank = Bank("bank-a", Clock(), partners=frozenset(map(fingerprint, INVENTED)))
    assert proposed(bank, plan) == "PlanApproval"
    promised = plan.privacy.round_event(1).noise_multiplier
    assert Puppeteer(bank, plan).noise_left() < 1.3 * promised / 8**0.5  # nine were counted on


def test_keys_that_nobody_accepted_are_no_members_whatever_they_are_called() -> None:
    plan = masked_plan(("bank-a", *INVENTED))
    bank = Bank("bank-a", Clock(), partners=frozenset())
    assert proposed(bank, plan) == "approval_pending"
    answer = ask(bank, MaskingAdvertRequest(signed_plan=sign(plan).canonical(), plan_hash=bytes.fromhex(plan.hash)))
    assert read_envelope(answer).kind == "Refusal"
    assert bank.masks.runs() == set()


def test_a_real_banks_name_with_the_coordinators_key_is_a_stranger() -> None:
    plan = masked_plan(QUARTET)
    forged = plan.members[1].model_copy(update={"key": key_of("coordinator's own").public.hex})
    swapped = plan.model_copy(update={"members": (plan.members[0], forged, *plan.members[2:])})
    bank = Bank("bank-a", Clock())
    assert proposed(bank, swapped) == "approval_pending"
    assert proposed(bank, plan.model_copy(update={"run_id": "autumn"})) == "PlanApproval"


def test_a_plan_waits_until_its_members_are_accepted_and_stops_when_one_is_withdrawn() -> None:
    plan = masked_plan()
    bank = Bank("bank-a", Clock(), partners=frozenset({fingerprint("bank-b")}))
    assert proposed(bank, plan) == "approval_pending"
    bank.plans.decide(plan.hash, Decision.APPROVED)  # a person approves of the plan, and not of bank-c's key
    assert proposed(bank, plan) == "approval_pending"
    bank.partners = frozenset({fingerprint("bank-b"), fingerprint("bank-c")})
    assert proposed(bank, plan) == "PlanApproval"
    request = MaskingAdvertRequest(signed_plan=sign(plan).canonical(), plan_hash=bytes.fromhex(plan.hash))
    assert read_envelope(ask(bank, request)).kind == "SecaggAdvert"
    bank.partners = frozenset({fingerprint("bank-c")})
    assert read_envelope(ask(bank, request)).kind == "Refusal"


def test_a_plan_that_waited_for_its_members_alone_is_approved_once_they_are_accepted() -> None:
    bank, plan = Bank("bank-a", Clock(), partners=frozenset()), masked_plan()
    assert proposed(bank, plan) == "approval_pending"
    bank.partners = frozenset({fingerprint("bank-b"), fingerprint("bank-c")})
    assert proposed(bank, plan) == "PlanApproval"
    assert bank.plans.decision(plan.hash) is Decision.APPROVED


def test_under_local_noise_nobody_has_to_be_known() -> None:
    assert proposed(Bank("bank-a", Clock(), partners=frozenset()), make_plan()) == "PlanApproval"
    assert strangers(make_plan(), "bank-a", frozenset()) == {}


def test_accepted_keys_are_kept_and_withdrawn(tmp_path: Path) -> None:
    first, second = fingerprint("bank-b"), fingerprint("bank-c")
    accept_partner(tmp_path, " ".join(first[at : at + 4].upper() for at in range(0, 32, 4)))
    accept_partner(tmp_path, second)
    assert partners(tmp_path) == {first, second}
    withdraw_partner(tmp_path, first)
    assert partners(tmp_path) == {second}
    with pytest.raises(ConfigurationError, match="one that was accepted"):
        withdraw_partner(tmp_path, first)


@pytest.mark.parametrize("typed", ["", "c6a1", "g" * 32, "a" * 33])
def test_what_is_no_whole_fingerprint_is_refused(typed: str) -> None:
    with pytest.raises(ConfigurationError, match="32 hexadecimal digits"):
        bare(typed)


@pytest.mark.parametrize("content", [b"", b"{", b'"' + b"a" * 32 + b'"', b"[1]", b'["abc"]'])
def test_a_file_that_says_something_else_is_no_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "partners.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"partners\.json"):
        partners(tmp_path)


def test_a_person_accepts_lists_and_withdraws(tmp_path: Path) -> None:
    home, typed = make_institution(tmp_path / "a", "bank-a"), fingerprint("bank-b")

    def said(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--home", str(home.path)])
        assert result.exit_code == 0, result.output
        return result.output

    said("accept-partner", typed)
    assert typed[:4] in said("partners")
    assert partners(home.path) == {typed}
    said("withdraw-partner", typed)
    assert partners(home.path) == frozenset()
