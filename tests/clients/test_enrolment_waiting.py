"""Waiting for a person's decision, keeping certificates fresh, deciding on plans: the institution's quiet hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from membership_world import World, world

from clients.institution.cli_enrol import wait_for_decision
from clients.institution.cli_plans import full_hash
from clients.institution.enrolment_client import Enrolment, Member, Standing, check_certificate, pin_authority
from clients.institution.serve import answers, children
from federation.errors import ConfigurationError, Refused
from federation.runtime.pki import load_certificate, new_tls_key, signing_request
from federation.runtime.ports import free_ports
from federation.runtime.rpc import Unreachable
from protocols.errors import SignatureError


class Scripted(Enrolment):
    """Answers what it was told to, one after the other."""

    def __init__(self, *answers: Standing | Exception) -> None:
        self.left = list(answers)

    def collect(self) -> Standing:
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


PENDING, ADMITTED = (Standing("bank-a", state, "") for state in ("pending", "admitted"))
AWAY = Unreachable("Enrolment.Collect", got="unavailable", expected="an answer")
BUSY = Refused("too_many", "calls", got="more", expected="fewer")


def test_outages_and_limits_are_waited_out() -> None:
    time = Time()
    scripted = Scripted(PENDING, AWAY, BUSY, PENDING, ADMITTED)
    assert wait_for_decision(scripted, timeout=60, clock=time.clock, sleep=time.sleep) == ADMITTED
    assert scripted.left == []
    assert 2.0 < time.now < 5.0


def test_waiting_has_an_end() -> None:
    time = Time()
    with pytest.raises(Unreachable, match="no decision yet"):
        wait_for_decision(Scripted(*[PENDING] * 99), timeout=60, clock=time.clock, sleep=time.sleep)
    assert time.now <= 60


def test_a_refusal_is_not_waited_out() -> None:
    refused = Refused("revoked", "institution", got="x", expected="y")
    with pytest.raises(Refused):
        wait_for_decision(Scripted(refused), timeout=60, clock=Time().clock, sleep=Time().sleep)


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_a_certificate_is_renewed_when_it_is_due(federation: World) -> None:
    home = federation.member("bank-a")
    member = Member(home, federation.clock)
    before = load_certificate((home.keys / "tls.crt").read_bytes())
    assert not member.renew_if_due()
    assert member.renew_if_due(left=timedelta(days=31))
    after = load_certificate((home.keys / "tls.crt").read_bytes())
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    assert [m.institution for m in member.roster().members] == ["bank-a"]


def test_a_member_that_was_away_too_long_collects_again(federation: World) -> None:
    home = federation.member("bank-a")
    before = (home.keys / "tls.crt").read_bytes()
    with federation.enrolment(home) as enrolment:
        enrolment.collect()
        assert (home.keys / "tls.crt").read_bytes() == before
        federation.clock.shift = timedelta(days=40)
        assert enrolment.collect().state == "admitted"
    ends = load_certificate((home.keys / "tls.crt").read_bytes()).not_valid_after_utc
    assert ends > federation.clock() + timedelta(days=29)


def test_a_certificate_for_somebody_else_is_not_stored(federation: World) -> None:
    home, now = federation.institution("bank-a"), federation.clock()
    authority, pem = federation.home.authority(), federation.home.authority_pem
    own = signing_request((home.keys / "tls.key").read_bytes(), "bank-a")
    check_certificate(authority.sign_member(own, "bank-a", now), home, pem, now)
    for request, name in ((own, "bank-b"), (signing_request(new_tls_key(), "bank-a"), "bank-a")):
        with pytest.raises(SignatureError, match="certificate"):
            check_certificate(authority.sign_member(request, name, now), home, pem, now)


def test_nobody_to_pin(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="nobody listens there"):
        pin_authority(f"127.0.0.1:{free_ports()}", "00" * 32, timeout=1.0)
    with pytest.raises(ConfigurationError, match="fingerprint"):
        pin_authority("127.0.0.1:1", str(tmp_path / "absent.crt"))


def test_a_home_serves_only_after_enrolment(federation: World) -> None:
    home = federation.institution("bank-a")
    with pytest.raises(ConfigurationError, match="finished enrolment"):
        children(home)
    assert not answers(home.socket)
    home.socket.write_bytes(b"")  # left behind
    assert not answers(home.socket)
    member = federation.member("bank-b")
    assert [child.name for child in children(member)] == ["node", "supernode"]


def test_a_plan_is_named_by_enough_of_its_hash() -> None:
    with pytest.raises(ConfigurationError, match="exactly one"):
        full_hash((), "00" * 32)
