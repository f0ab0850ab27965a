"""The mailbox: what it takes, from whom, how much of it, and what it forgets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from federation.errors import Refused
from protocols.consent.sealed import MAX_BYTES as MAX_OPENING
from protocols.errors import MessageError, SignatureError
from protocols.notices import REGULATOR, SEALED_BYTES, NoticeKey, letter_name, sign_receipt
from protocols.signing import SigningKey, VerifyingKey
from server.mailbox import mailbox as module
from server.mailbox.mailbox import KEPT_S, Mailbox

KEYS = {name: SigningKey.from_seed(bytes([n]) * 32) for n, name in enumerate(("bank-a", "bank-b", "bank-c"), 1)}


def admitted(name: str) -> VerifyingKey:
    if name not in KEYS:
        raise Refused("not_a_member", "institution", got=name, expected="an admitted member")
    return KEYS[name].public


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailbox(database_url: str, clock: Clock) -> Mailbox:
    return Mailbox.open(database_url, admitted, clock)


def letter() -> bytes:
    return os.urandom(SEALED_BYTES)


def test_a_letter_waits_until_its_recipient_has_acknowledged_it(mailbox: Mailbox) -> None:
    sealed = letter()
    mailbox.put("bank-a", [("bank-b", sealed)])
    mailbox.put("bank-a", [("bank-b", sealed)])  # sent again after an outage
    assert mailbox.take("bank-b") == [("bank-a", sealed)]
    assert mailbox.take("bank-b") == [("bank-a", sealed)]
    assert mailbox.take("bank-c") == mailbox.take("bank-a") == []
    name = letter_name(sealed)
    assert mailbox.receipts("bank-a", [name]) == []
    receipt = sign_receipt(name, KEYS["bank-b"])
    mailbox.acknowledge("bank-b", [(name, receipt)])
    assert mailbox.take("bank-b") == []
    assert mailbox.receipts("bank-a", [name]) == [(name, receipt)]
    assert mailbox.receipts("bank-c", [name]) == []  # somebody else's letter


def test_nobody_else_acknowledges_a_letter_away(mailbox: Mailbox) -> None:
    sealed = letter()
    mailbox.put("bank-a", [("bank-b", sealed)])
    name = letter_name(sealed)
    mailbox.acknowledge("bank-c", [(name, sign_receipt(name, KEYS["bank-c"]))])
    assert len(mailbox.take("bank-b")) == 1
    with pytest.raises(SignatureError):
        mailbox.acknowledge("bank-b", [(name, sign_receipt(name, KEYS["bank-c"]))])
    assert len(mailbox.take("bank-b")) == 1


def test_letters_are_bounded_in_size_and_number(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ([], [("bank-b", letter())] * 65, [("bank-b", letter()[:-1])], [("bank-x", letter())]):
        with pytest.raises(Refused):
            mailbox.put("bank-a", wrong)
    with pytest.raises(Refused):
        mailbox.put("bank-a", [("bank-b", letter()), ("bank-x", letter())])
    assert mailbox.take("bank-b") == []  # all or none
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    for _ in range(2):
        mailbox.put("bank-a", [("bank-b", letter())])
    with pytest.raises(Refused, match="carried"):
        mailbox.put("bank-a", [("bank-b", letter())])
    mailbox.put("bank-c", [("bank-b", letter())])  # one sender's flood stops nobody else
    monkeypatch.setattr(module, "MAX_A_DAY", 2)
    with pytest.raises(Refused, match="carried"):
        mailbox.put("bank-a", [("bank-c", letter())])


def test_what_nobody_fetches_goes_after_its_time(mailbox: Mailbox, clock: Clock) -> None:
    mailbox.put("bank-a", [("bank-b", letter())])
    clock.now += KEPT_S + 1
    late = letter()
    mailbox.put("bank-a", [("bank-b", late)])
    assert mailbox.take("bank-b") == [("bank-a", late)]


def test_a_member_publishes_its_own_key_and_no_other(mailbox: Mailbox) -> None:
    own = NoticeKey.sign("bank-b", bytes([9]) * 32, KEYS["bank-b"])
    mailbox.publish("bank-b", own.encode())
    mailbox.publish("bank-b", own.encode())
    assert mailbox.keys() == [own.encode()]
    with pytest.raises(SignatureError):
        mailbox.publish("bank-c", own.encode())
    with pytest.raises(MessageError):
        mailbox.publish("bank-b", NoticeKey.sign("bank-a", bytes([9]) * 32, KEYS["bank-b"]).encode())
    assert mailbox.keys() == [own.encode()]


def test_an_acknowledged_letter_is_gone_from_the_rows(tmp_path: Path, clock: Clock) -> None:
    mailbox = Mailbox.open(f"sqlite:///{tmp_path / 'coordinator.db'}", admitted, clock)
    sealed = letter()
    mailbox.put("bank-a", [("bank-b", sealed)])
    mailbox.acknowledge("bank-b", [(letter_name(sealed), sign_receipt(letter_name(sealed), KEYS["bank-b"]))])
    with mailbox._engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sealed FROM mailbox_letters").all()
    assert rows == [(None,)]


def test_the_regulator_gets_openings_of_any_length_in_bounds_and_discards_what_is_of_no_use(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KEYS, REGULATOR, SigningKey.from_seed(bytes([9]) * 32))
    for size in (0, MAX_OPENING + 1):
        with pytest.raises(Refused, match="opening"):
            mailbox.put("bank-a", [(REGULATOR, os.urandom(size))])
    with pytest.raises(Refused, match="letter"):
        mailbox.put("bank-a", [("bank-b", os.urandom(SEALED_BYTES - 1))])
    useless, good = os.urandom(100), os.urandom(MAX_OPENING)
    mailbox.put("bank-a", [(REGULATOR, useless), (REGULATOR, good)])
    assert mailbox.take(REGULATOR, 1) == [("bank-a", useless)]
    names = [letter_name(useless), letter_name(good)]
    mailbox.discard("bank-b", names)  # not its own
    mailbox.discard(REGULATOR, names[:1])
    assert mailbox.take(REGULATOR) == [("bank-a", good)]
    receipt = sign_receipt(names[1], KEYS[REGULATOR])
    mailbox.acknowledge(REGULATOR, [(names[1], receipt)])
    mailbox.discard(REGULATOR, names)  # a receipt is not taken back
    assert mailbox.receipts("bank-a", names) == [(names[1], receipt)]
    mailbox.put("bank-a", [(REGULATOR, useless)])  # who got no receipt may try again
    assert mailbox.take(REGULATOR) == [("bank-a", useless)]


def test_without_a_regulator_nothing_goes_to_it(mailbox: Mailbox) -> None:
    with pytest.raises(Refused):
        mailbox.put("bank-a", [(REGULATOR, b"sealed")])
