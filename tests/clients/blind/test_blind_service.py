"""The owner's service over mutual TLS: who may ask, how much at once, what hostile bytes get."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest
from blind_homes import Blind

from clients.institution.blind.serving import serving
from clients.lender.blind_client import SERVICE, BlindOwner
from clients.lender.home import LenderHome
from federation.errors import FederationError, Refused
from federation.runtime import rpc
from federation.runtime.pki import Authority, new_tls_key, signing_request
from federation.runtime.private_files import write_public
from protocols.blind import BlindClient, Request
from protocols.wire import blind_pb2 as wire

QUICK = {"calls_per_second": 100_000.0, "metrics": "off"}


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def asking(home: LenderHome) -> Iterator[BlindOwner]:
    with BlindOwner(home, now, timeout=120.0) as owner:
        yield owner


@contextmanager
def served(folder: Path, **limits: object) -> Iterator[tuple[Blind, LenderHome]]:
    blind = Blind(folder, {**QUICK, **limits})
    lender = blind.lender("acme")
    with serving(blind.opened):
        yield blind, lender


def request_of(owner: BlindOwner, applicants: int = 1) -> bytes:
    terms = owner.offer()[0].offer.read_terms()
    return BlindClient(terms, os.urandom).ask(np.zeros((applicants, terms.features), dtype=int))[1]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Blind, LenderHome]]:
    """For tests that spend nothing."""
    with served(tmp_path_factory.mktemp("shared")) as made:
        yield made


def test_a_lender_is_known_by_its_key_until_it_is_revoked(tmp_path: Path) -> None:
    with served(tmp_path) as (blind, lender), asking(lender) as owner:
        offer, left = owner.offer()
        assert (offer.offer.owner, left) == ("bank-0", 23)
        lender.path.rename(blind.folder / "before")
        other = blind.lender("acme")  # the same name under a new key: the old one counts no more
        with asking(other) as new:
            new.offer()
        with pytest.raises(Refused, match="not allowed"):
            owner.offer()
        blind.owner("revoke", "acme")
        with asking(other) as new, pytest.raises(Refused, match="not allowed"):
            new.score(bytes(100))
    assert blind.status()["answered"] == 0


def test_certificates_of_others_do_not_get_through_tls(shared: tuple[Blind, LenderHome]) -> None:
    blind, lender = shared
    key, stranger = new_tls_key(), Authority.create("bank-0", now())
    forged = stranger.sign_member(signing_request(key, "acme"), "acme", now())
    trusted = (blind.opened.path / "authority.crt").read_bytes()
    for chain in (forged, None):
        credentials = rpc.client_tls(trusted, key=key if chain else None, chain=chain)
        dialled = rpc.dial(f"127.0.0.1:{blind.port}", credentials=credentials)
        with dialled as channel, pytest.raises(rpc.Unreachable):
            rpc.ask(channel, SERVICE, "Offer", wire.OfferRequest(), timeout=120.0)
    with asking(lender) as owner:
        owner.offer()


def test_a_lender_trusts_no_other_owner(shared: tuple[Blind, LenderHome], tmp_path: Path) -> None:
    """Another service on the address of the invitation, with a certificate of its own authority."""
    _, lender = shared
    with served(tmp_path) as (other, _):
        moved = lender.invitation().model_copy(update={"address": f"127.0.0.1:{other.port}"})
        original = (lender.path / "invitation.json").read_bytes()
        write_public(lender.path / "invitation.json", moved.canonical())
        try:
            with asking(lender) as owner, pytest.raises(rpc.Unreachable):
                owner.offer()
        finally:
            write_public(lender.path / "invitation.json", original)


def mutated(request: bytes, rng: np.random.Generator) -> bytes:
    """One of six harms to a request. None makes another one that is in order: bytes of the right size for some other
    small number of applicants are one, and its owner answers and charges it.
    """
    kind, data = int(rng.integers(6)), bytearray(request)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    if kind == 1:
        return bytes(data) + rng.bytes(int(rng.integers(1, 64)))
    if kind == 2:  # label or model
        data[rng.integers(56)] ^= int(rng.integers(1, 256))
    elif kind == 3:  # 2^16 applicants and more
        data[56:60] = rng.bytes(2) + bytes(rng.integers(1, 256, 2, dtype=np.uint8))
    elif kind == 4:
        return rng.bytes(int(rng.integers(200)))
    else:
        data[:56] = rng.bytes(56)
    return bytes(data)


@pytest.mark.parametrize("messages", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_mutated_messages_are_refused_by_name_and_cost_nothing(shared: tuple[Blind, LenderHome], messages: int) -> None:
    """Over the wire; `test_scorers_refuse_five_thousand` does many more against what decodes them."""
    _, lender = shared
    rng, codes = np.random.default_rng(messages), set()
    with asking(lender) as owner:
        request = request_of(owner)
        for _ in range(messages):
            with pytest.raises(Refused) as refused:
                owner.score(mutated(request, rng))
            codes.add((refused.value.code, refused.value.where))
        assert owner.offer()[1] == 23  # it still answers, and nothing was spent
    assert {code for code, _ in codes} <= {"invalid", "too_many"}
    assert {where for _, where in codes} <= {"blind.request", "blind.request.applicants", "request.applicants"}


def test_bytes_that_are_no_message_are_refused(shared: tuple[Blind, LenderHome]) -> None:
    blind, lender = shared
    authority = lender.invitation().authority.encode()
    credentials = rpc.client_tls(authority, key=lender.key, chain=lender.chain)
    rng = np.random.default_rng(1)
    with rpc.dial(f"127.0.0.1:{blind.port}", credentials=credentials) as channel:
        for method in ("Offer", "Score", "Renew", "Nothing"):
            invoke = channel.unary_unary(f"/{SERVICE.full_name}/{method}")
            for _ in range(50):
                with pytest.raises(grpc.RpcError) as failed:
                    invoke(b"\x0a\xff" + rng.bytes(int(rng.integers(300))), timeout=120.0)
                assert failed.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(rpc.Unreachable, match="resource_exhausted"):
            rpc.ask(channel, SERVICE, "Score", wire.ScoreRequest(request=bytes(40 * 2**20)), timeout=120.0)
    with asking(lender) as owner:
        owner.offer()


def test_requests_of_more_applicants_than_offered_are_refused_before_they_are_charged(tmp_path: Path) -> None:
    with served(tmp_path, per_request=4) as (blind, lender), asking(lender) as owner:
        assert owner.offer()[0].offer.limits.per_request == 4
        with pytest.raises(FederationError):
            owner.score(request_of(owner, 5))
        owner.score(request_of(owner, 4))
        assert blind.status()["answered"] == 4


def test_who_asks_too_much_is_told_to_come_back_and_others_are_served(tmp_path: Path) -> None:
    blind = Blind(tmp_path, {**QUICK, "calls_per_second": 0.01, "at_once": 2, "at_once_each": 1})
    greedy, modest = blind.lender("greedy"), blind.lender("modest")
    with serving(blind.opened), asking(greedy) as first, asking(modest) as second:
        codes = []
        for _ in range(25):
            try:
                first.offer()
                codes.append("ok")
            except Refused as refused:
                codes.append(refused.code)
        assert codes == ["ok"] * 20 + ["too_many"] * 5
        second.offer()


def test_who_meets_a_busy_owner_asks_again_and_pays_once(tmp_path: Path) -> None:
    """Packed requests that take some 20 ms each, one slot: all are answered in the end."""
    blind = Blind(
        tmp_path, {**QUICK, "at_once": 1, "at_once_each": 1, "lifetime": 10**6, "weights_may_be_extracted": True}
    )
    home = blind.lender("acme")
    with serving(blind.opened), asking(home) as owner:
        request, seen = request_of(owner, 2048), []

        def impatient(_: int) -> None:
            message = wire.ScoreRequest(request=request)
            try:
                rpc.ask(owner._channel, SERVICE, "Score", message, timeout=120.0)
                seen.append("ok")
            except Refused as refused:
                seen.append(refused.code)

        with ThreadPoolExecutor(6) as pool:
            for _ in range(5):
                list(pool.map(impatient, range(6)))
                if "busy" in seen:
                    break
            assert set(seen) == {"ok", "busy"}
            patient = list(pool.map(lambda _: owner.score(request), range(6)))
        assert len(patient) == 6
        assert blind.status()["answered"] == 2048 * (6 + seen.count("ok"))


def test_a_quota_is_refused_by_name_whoever_asks_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        blind = Blind(tmp_path, {**QUICK, "per_lender": 12, "at_once": 16, "at_once_each": 8})
        lenders = [blind.lender(name) for name in ("a", "b", "c")]
        stack.enter_context(serving(blind.opened))
        owners = [stack.enter_context(asking(lender)) for lender in lenders]
        request = request_of(owners[0])

        def ask(number: int) -> str:
            try:
                owners[number % 3].score(request)
                return "ok"
            except Refused as refused:
                return f"{refused.code} {refused.where}"

        with ThreadPoolExecutor(12) as pool:
            said = list(pool.map(ask, range(60)))
        assert said.count("ok") == 23
        assert set(said) - {"ok"} <= {"quota quota.lifetime", "quota quota.requester", "busy calls at once"}
        assert max(blind.status()["lenders"], key=lambda each: each["answered"])["answered"] <= 12  # type: ignore[call-overload,index]
        assert blind.status()["left"] == 0


def test_an_owner_does_not_serve_limits_that_give_the_weights_away_unsaid(tmp_path: Path) -> None:
    blind = Blind(tmp_path, {"lifetime": 24})
    refused = blind.owner("status")
    assert refused.exit_code == 1
    assert "quota.lifetime: got 24, expected an integer from 1 to 23" in str(refused.exception)
    blind.settings(weights_may_be_extracted=True)
    assert not blind.status()["weights_protected"]
    assert "NOT PROTECTED" in blind.owner("status").stdout


def test_a_certificate_is_renewed_for_its_own_key_only(tmp_path: Path) -> None:
    with served(tmp_path) as (_, lender):
        before = lender.chain
        with asking(lender) as owner:
            assert not owner.renew()
        with BlindOwner(lender, lambda: now() + timedelta(days=25), timeout=120.0) as owner:
            assert owner.renew()
        assert lender.chain != before
        credentials = rpc.client_tls(lender.invitation().authority.encode(), key=lender.key, chain=lender.chain)
        other = signing_request(new_tls_key(), "acme")
        dialled = rpc.dial(lender.invitation().address, credentials=credentials)
        with dialled as channel, pytest.raises(Refused, match="another key"):
            rpc.ask(channel, SERVICE, "Renew", wire.RenewRequest(signing_request=other), timeout=120.0)
        with asking(lender) as owner:
            request = Request.decode(request_of(owner), owner.offer()[0].offer.read_terms())
            assert request.applicants == 1
