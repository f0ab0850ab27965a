"""Openings through the coordinator's mailbox: who reads them, who signs for them, and who is never blamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from oversight_world import BANKS, key_of
from spot_check_world import Carried, InquiryWorld, Person, inquiring

import clients.regulator.inquiries.cli as cli
import clients.regulator.inquiries.judging as judging
from clients.institution.lookup.delivering import Delivery
from clients.regulator.mirror import LogReader, LogUnreachable
from federation.errors import Refused
from protocols.consent.opening import SignedOpening
from protocols.consent.sealed import SealedOpening
from protocols.errors import SignatureError
from protocols.notices import REGULATOR, Order, letter_name, sign_receipt
from server.mailbox import mailbox as module
from server.mailbox.door import Door

NAME = "november"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InquiryWorld]:
    """Three inquiries of every bank, all of them drawn."""
    with inquiring(tmp_path_factory.mktemp("delivery")) as made:
        for bank in BANKS:
            for number in range(3):
                made.ask(bank, Person(f"{bank} {number}".encode()))
        made.sampled(NAME, 1.0)
        yield made


@pytest.fixture
def late(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is over."""
    deadline = world.fsr("sample", NAME)["deadline"]
    monkeypatch.setattr(cli.time, "time", lambda: deadline + 1.0)
    monkeypatch.setattr(world.watcher, "clock", lambda: deadline + 1.0)


@pytest.fixture(autouse=True)
def undone(world: InquiryWorld) -> Iterator[None]:
    """Every test begins with an empty mailbox, and nothing kept anywhere."""
    yield
    for folder in (world.regulator.inquiries / NAME, *(home.path / "lookup/openings" for home in world.homes.values())):
        for file in folder.glob("*") if folder.exists() else ():
            file.unlink()
    while waiting := world.mailbox.take(REGULATOR):
        world.mailbox.discard(REGULATOR, [letter_name(sealed) for _, sealed in waiting])


def told(world: InquiryWorld, *words: object, code: int = 0) -> dict[str, Any]:
    said = world.fsr("check", "--draw", NAME, "--keep", *words, code=code)
    return {"mailbox": said["mailbox"], **{each["querier"]: each for each in said["queriers"]}}


def test_the_watch_takes_what_was_handed_over_and_its_receipt_is_kept(world: InquiryWorld) -> None:
    delivery, drawn = world.delivery("bank-a")
    assert delivery.turn(drawn) == [False] * 3
    assert delivery.turn(drawn) == [False] * 3  # the same letters
    assert len(world.mailbox.take(REGULATOR)) == 3
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == 3
    assert world.watcher.collect_if_due() == 0  # not due
    assert world.mailbox.take(REGULATOR) == []
    assert delivery.turn(drawn) == [True] * 3
    again, _ = world.delivery("bank-a")
    assert Delivery(again.home, again.opener, NoCarrier()).turn(drawn) == [True] * 3
    said = told(world)["bank-a"]
    assert (said["hard"], said["broken"], said["waiting"]) == (3, [], [])


class NoCarrier:
    def put(self, letters: object) -> None:
        raise AssertionError("nothing is left to be carried")

    def receipts(self, names: object) -> dict[bytes, bytes]:
        raise AssertionError("nothing is awaited")


def test_the_carrier_reads_nothing(world: InquiryWorld) -> None:
    delivery, drawn = world.delivery("bank-b")
    delivery.turn(drawn)
    on_disk = (world.folder / "mailbox.db").read_bytes()
    for number in range(3):
        person = Person(f"bank-b {number}".encode())
        for secret in (person.identifier, person.key.public.raw, person.subject.salt):
            assert not any(
                each in on_disk for each in (secret, secret.hex().encode(), secret.hex().encode().hex().encode())
            )
    leaf, draw = drawn[0]
    bare = delivery.opener.answer(leaf, draw).encode()
    assert any(
        Person(f"bank-b {n}".encode()).identifier.hex().encode() in bare for n in range(3)
    )  # not sealed it would


def test_what_was_handed_over_in_time_is_no_breach_however_late_it_is_collected(
    world: InquiryWorld, late: None
) -> None:
    for bank in ("bank-a", "bank-b"):
        delivery, drawn = world.delivery(bank)
        delivery.turn(drawn)
    said = told(world, code=1)
    assert all(said[bank]["broken"] == [] and said[bank]["hard"] == 3 for bank in ("bank-a", "bank-b"))
    assert {each["rule"] for each in said["bank-c"]["broken"]} == {"not_opened"}
    assert delivery.turn(drawn) == [True] * 3


def test_where_the_mailbox_cannot_be_read_nobody_is_blamed(
    world: InquiryWorld, late: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, drawn = world.delivery("bank-a")
    delivery.turn(drawn)

    def away(*_: object) -> bytes:
        raise LogUnreachable("letters", got="nothing", expected="an answer")

    with monkeypatch.context() as patch:
        patch.setattr(LogReader, "letters", away)
        said = told(world)
        assert said["mailbox"]
        assert not any(said[bank]["broken"] for bank in BANKS)
        patch.setattr(
            cli, "_collect", lambda *_: ""
        )  # believed to be empty: an opening that was handed over is missing
        assert {each["rule"] for each in told(world, code=1)["bank-a"]["broken"]} == {"not_opened"}
    assert told(world, code=1)["bank-a"]["broken"] == []


def test_what_has_a_receipt_is_never_missing_whatever_dies_in_between(
    world: InquiryWorld, late: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after it kept the opening and before the receipt left: it is taken again, and signed for."""
    delivery, drawn = world.delivery("bank-a")
    delivery.turn(drawn)
    first = world.mailbox.take(REGULATOR)

    world.watcher._collected_at = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(LogReader, "letters", _second_dies(LogReader.letters))
        with pytest.raises(KeyboardInterrupt):
            world.watcher.collect_if_due()
    assert world.mailbox.take(REGULATOR) == first
    assert delivery.turn(drawn) == [False] * 3
    assert told(world, code=1)["bank-a"]["broken"] == []
    assert delivery.turn(drawn) == [True] * 3


def _second_dies(letters: Any) -> Any:
    calls = []

    def ask(self: LogReader, order: bytes) -> bytes | None:
        calls.append(order)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return letters(self, order)  # type: ignore[no-any-return]

    return ask


def test_no_receipt_is_given_for_what_is_no_opening_and_others_stay_out_of_its_way(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bank-c, a member, fills the mailbox with letters in bank-a's name; bank-a's own is still taken."""
    delivery, drawn = world.delivery("bank-a")
    leaf, draw = drawn[0]
    honest = SealedOpening.decode(delivery.seal(leaf, draw))
    key = bytes.fromhex(draw.seeds.key)
    by_another = replace(delivery.opener.answer(leaf, draw), signature=bytes(64))
    hostile = [
        b"nothing",
        os.urandom(200),
        replace(honest, draw=bytes(32)).encode(),
        replace(honest, sealed=honest.sealed[:-1] + b"!").encode(),
        SealedOpening.of(by_another, draw=draw.hash, querier="bank-a", key=key).encode(),
        *(SealedOpening.of(by_another, draw=draw.hash, querier="bank-a", key=key).encode() for _ in range(40)),
    ]
    other = Carried(world.mailbox, "bank-c")
    other.put([(REGULATOR, each) for each in hostile])
    delivery.turn(drawn)
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == 3
    assert delivery.turn(drawn) == [True] * 3
    assert other.receipts([letter_name(each) for each in hostile]) == {}
    # With the querier's signature not asked for, they would stand in the way of the honest one, and be signed for.
    monkeypatch.setattr(SignedOpening, "verify", lambda *_: None)
    other.put([(REGULATOR, each) for each in hostile])
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() > 0


def test_a_querier_does_not_fill_the_disk(world: InquiryWorld) -> None:
    delivery, drawn = world.delivery("bank-a")
    leaf, draw = drawn[0]
    key = bytes.fromhex(draw.seeds.key)
    label = "fedscore/v1/consent/opening"
    for number in range(judging.MAX_KEPT + 5):
        payload = b"no opening %d" % number
        signed = SignedOpening(leaf.signed.hash, payload, key_of("bank-a").sign(label, leaf.signed.hash + payload))
        sealed = SealedOpening.of(signed, draw=draw.hash, querier="bank-a", key=key).encode()
        Carried(world.mailbox, "bank-a").put([(REGULATOR, sealed)])
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == judging.MAX_KEPT
    assert {each["rule"] for each in told(world, code=1)["bank-a"]["broken"]} == {"malformed"}
    delivery.turn(drawn)
    for _ in range(5):  # sealed again: other letters, of the same answer
        Carried(world.mailbox, "bank-a").put([(REGULATOR, delivery.opener.open(leaf, draw))])
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == 8
    assert len(list((world.regulator.inquiries / NAME).glob("*.opening"))) == judging.MAX_KEPT + 3
    assert told(world)["bank-a"]["broken"] == []


def test_a_carrier_cannot_sign_receipts(world: InquiryWorld) -> None:
    delivery, drawn = world.delivery("bank-a")
    for signer, good in (("coordinator", False), ("bank-b", False), ("regulator", True)):
        faked = Fake(key_of(signer))
        assert Delivery(delivery.home, delivery.opener, faked).turn(drawn) == [good] * 3


class Fake:
    """A carrier that drops everything and shows receipts of its own."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def put(self, letters: object) -> None:
        pass

    def receipts(self, names: list[bytes]) -> dict[bytes, bytes]:
        return {name: sign_receipt(name, self.key) for name in names}


def test_only_the_regulator_opens_the_door(world: InquiryWorld) -> None:
    delivery, drawn = world.delivery("bank-a")
    delivery.turn(drawn)
    now = cli.time.time()
    name = letter_name(delivery.seal(*drawn[0]))
    with LogReader(world.regulator.settings.log_url) as log:
        for signer, at in (("coordinator", now), ("bank-a", now), ("regulator", now - 400), ("regulator", now + 900)):
            with pytest.raises(LogUnreachable):
                log.letters(Order(int(at), refused=(name,)).sign(key_of(signer)))
        assert len(world.mailbox.take(REGULATOR)) == 3  # nothing was discarded
        # A receipt that is not the regulator's is not kept, even in its own order.
        with pytest.raises(LogUnreachable, match="receipt"):
            log.letters(Order(int(now), {name: bytes(64)}).sign(key_of("regulator")))
        assert log.letters(Order(int(now)).sign(key_of("regulator"))) is not None


def test_where_no_regulator_is_named_the_door_is_shut() -> None:
    def nobody(name: str) -> Any:
        raise Refused("unknown", "regulator", got=name, expected="one that is named")

    door = Door(None, nobody, lambda: 0.0)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        door(Order(0).sign(key_of("regulator")))


def test_more_than_the_mailbox_holds_goes_on_in_turns(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    delivery, drawn = world.delivery("bank-a")
    assert delivery.turn(drawn[:1]) == [False]
    assert delivery.turn(drawn) == [False] * 3  # there is no room for all
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == 1
    assert delivery.turn(drawn) == [True, False, False]
    world.watcher._collected_at = 0.0
    assert world.watcher.collect_if_due() == 2
    assert delivery.turn(drawn) == [True] * 3


def test_an_order_is_one_and_in_bounds() -> None:
    key = key_of("regulator")
    order = Order(100, {bytes([n]) * 32: bytes(64) for n in range(3)}, (b"r" * 32,))
    assert Order.read(order.sign(key), key.public, 100.5) == order
    changed = order.sign(key).replace(b'"at":100', b'"at":101')
    with pytest.raises(SignatureError):
        Order.read(changed, key.public, 100.5)
    with pytest.raises(Exception, match="at most"):
        Order(100, refused=(bytes(32),) * 65)
