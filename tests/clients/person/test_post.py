"""Notices between members where the carrier lies about keys, letters, receipts, or a member about inquiries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from person_world import new_home
from typer.testing import CliRunner
from wallets import Persons

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.gate import Gate
from clients.institution.lookup.query_cli import read_questions
from clients.institution.lookup.roster_approval import RosterApproval
from clients.institution.person.inquiries import Inquiry
from clients.institution.person.mailbox_client import MailboxClient
from clients.institution.person.notice_store import NoticeStore
from clients.institution.person.notices_cli import app as notices
from clients.institution.person.notices_cli import meant, questions_of
from clients.institution.person.post import Post
from federation.errors import ConfigurationError
from federation.lookup.identifiers import scheme
from federation.runtime.database import open_engine
from protocols.consent.refusal import ConsentRefused
from protocols.lookup.leaf import Leaf
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from protocols.lookup.ticket import LeafOpening
from protocols.notices import MAX_LEAVES, SEALED_BYTES, Change, Letter, NoticeKey, letter_name, sign_receipt
from protocols.signing import SigningKey
from server.mailbox.mailbox import Mailbox

NOW = 1_900_000_000
NAMES = ("bank-0", "bank-1", "bank-2")


@dataclass
class Carrier:
    """The mailbox as one member reaches it, without the wire between; what passes can be changed."""

    mailbox: Mailbox
    caller: str
    carried: list[tuple[str, bytes]] = field(default_factory=list)
    published_as: Callable[[list[bytes]], list[bytes]] = lambda keys: keys

    def publish(self, key: bytes) -> None:
        self.mailbox.publish(self.caller, key)

    def published(self) -> list[bytes]:
        return self.published_as(self.mailbox.keys())

    def put(self, letters: list[tuple[str, bytes]]) -> None:
        self.carried += letters
        self.mailbox.put(self.caller, letters)

    def take(self) -> list[tuple[str, bytes]]:
        return self.mailbox.take(self.caller)

    def acknowledge(self, receipts: list[tuple[bytes, bytes]]) -> None:
        self.mailbox.acknowledge(self.caller, receipts)

    def receipts(self, names: list[bytes]) -> dict[bytes, bytes]:
        return dict(self.mailbox.receipts(self.caller, names))


class World:
    """Three members that approved one roster, and one mailbox."""

    def __init__(self, folder: Path) -> None:
        self.homes = {name: _home(folder / name, name) for name in NAMES}
        keys = {name: home.signing_key.public for name, home in self.homes.items()}
        for name in NAMES:
            (self.homes[name].path / "lookup").mkdir(mode=0o700)
            self.approve(name, {})
        self.mailbox = Mailbox.open(f"sqlite:///{folder / 'coordinator.db'}", keys.__getitem__, lambda: float(NOW))
        self.carriers = {name: Carrier(self.mailbox, name) for name in NAMES}
        for name in NAMES:
            self.post(name).publish()

    def approve(self, name: str, authorities: dict[str, str]) -> None:
        """Have one of them approve the roster of all, with these identity authorities."""
        keys = {member: home.signing_key.public.hex for member, home in self.homes.items()}
        others = dict.fromkeys(("coordinator_key", "log_key", "pool_key"), keys["bank-0"])
        proposal = {
            "members": {member: {"key": key, "customers": 10} for member, key in keys.items()},
            "parameters": Parameters(engine="mirror", purposes=("credit-application",)).to_json(),
            "authorities": authorities,
            "oversight": "",
            **others,
        }
        approval = RosterApproval(self.homes[name].path / "lookup", "opaque")
        approval.approve(proposal, roster_fingerprint(proposal), NOW)

    def post(self, name: str) -> Post:
        return Post(self.homes[name], cast(MailboxClient, self.carriers[name]))

    def asks(self, name: str, subject: str, number: int = 1) -> Inquiry:
        return _asks(self.homes[name], subject, number)

    def send(self, *inquiries: Inquiry) -> Any:
        return self.post("bank-0").send(inquiries, Change.CORRECTED, after_epoch=3, decided=20_000)


def _home(folder: Path, name: str) -> InstitutionHome:
    folder.mkdir()
    home = new_home(folder)
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text().replace('name = "bank-0"', f'name = "{name}"'))
    return InstitutionHome.open(home.path)


def _asks(home: InstitutionHome, subject: str, number: int) -> Inquiry:
    leaf = Leaf(
        querier=home.name,
        epoch_id=bytes(32),
        qid=number.to_bytes(16, "big"),
        purpose="credit-application",
        receipt_serial="s",
        receipt_hash=bytes(32),
        blinded_hash=bytes(32),
        tag=b"",
        ephemeral=bytes(32),
        issued_at=NOW,
    ).sign(home.signing_key)
    store = AskedStore(open_engine(f"sqlite:///{home.path / 'lookup.db'}"))
    store.keep([(scheme("opaque").normalise(subject), leaf, LeafOpening(bytes(32), bytes(32), b""))])
    return Inquiry(leaf.hash, home.name, "credit-application", NOW)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_one_who_asked_learns_which_inquiry_is_meant_and_can_ask_again(world: World) -> None:
    other, asked = world.asks("bank-1", "P-1", 1), world.asks("bank-1", "P-2", 2)
    sent = world.send(asked)
    assert world.post("bank-1").collect(NOW) == 1
    assert world.post("bank-2").collect(NOW) == 0
    (found,) = meant(world.homes["bank-1"])
    assert (found.notice.leaf, found.notice.sender, found.notice.after_epoch) == (asked.leaf, "bank-0", 3)
    assert found.notice.leaf != other.leaf
    assert questions_of((found,)).splitlines() == ["subject,purpose", "P-2,credit-application"]
    assert meant(world.homes["bank-2"]) == ()
    assert world.post("bank-0").delivered(sent) == {"bank-1": True, "bank-2": True}


def test_where_questions_need_consent_the_file_has_room_for_a_new_receipt_and_is_refused_without(
    world: World, tmp_path: Path
) -> None:
    """The receipt of the first question has served: to ask again with it, or with none, would be an inquiry without."""
    home, file = world.homes["bank-1"], tmp_path / "again.csv"
    persons = Persons.under(tmp_path / "persons")
    world.approve("bank-1", persons.authorities)
    world.send(world.asks("bank-1", "P-2"))
    world.post("bank-1").collect(NOW)
    (found,) = meant(home)
    assert found.to_json()["needs_receipt"] is True
    assert questions_of((found,)).splitlines() == ["subject,purpose,receipt", "P-2,credit-application,"]
    words = ["--again", str(file), "--no-collect", "--home", str(home.path)]
    told = CliRunner().invoke(notices, words, env={"COLUMNS": "80"})
    assert "…" not in told.stdout
    assert "needs a new receipt" in told.stdout
    gate = Gate.of(home, open_engine(f"sqlite:///{home.path / 'lookup.db'}"), time.time)
    with pytest.raises(ConsentRefused, match="line 2") as refused:
        read_questions(file, gate.check)
    assert refused.value.rule == "missing"
    (tmp_path / "new.json").write_bytes(persons.consent("P-2", "bank-1", scope=gate.scope).encode())
    file.write_text(file.read_text().replace("application,", "application,new.json"))
    (question,) = read_questions(file, gate.check)
    assert (question.subject, question.purpose) == ("P-2", "credit-application")


def test_the_carrier_cannot_tell_who_had_asked(world: World) -> None:
    """With letters to the inquirers alone it would be told by each letter."""
    world.send(world.asks("bank-1", "P-1"))
    carried = world.carriers["bank-0"].carried
    assert sorted(name for name, _ in carried) == ["bank-1", "bank-2"]
    assert {len(sealed) for _, sealed in carried} == {SEALED_BYTES}
    many = [world.asks("bank-2", f"P-{n}", n) for n in range(MAX_LEAVES + 1)]
    carried.clear()
    world.send(*many)
    assert sorted(name for name, _ in carried) == ["bank-1", "bank-1", "bank-2", "bank-2"]
    assert world.post("bank-2").collect(NOW) == len(many)


def test_a_carrier_that_shows_its_own_key_for_a_member_gets_no_letter(world: World) -> None:
    mine = X25519PrivateKey.generate()
    forged = NoticeKey.sign("bank-1", mine.public_key().public_bytes_raw(), SigningKey.generate())
    world.carriers["bank-0"].published_as = lambda keys: [forged.encode()]
    with pytest.raises(ConfigurationError, match="notices to bank-1"):
        world.send(world.asks("bank-1", "P-1"))
    assert world.carriers["bank-0"].carried == []


def test_an_inquirer_who_is_no_member_stops_all_letters(world: World) -> None:
    with pytest.raises(ConfigurationError, match="no member"):
        world.send(world.asks("bank-1", "P-1"), Inquiry(bytes(32), "bank-9", "credit-review", NOW))
    assert world.carriers["bank-0"].carried == []


def test_a_notice_about_an_inquiry_that_was_never_made_is_not_kept(world: World) -> None:
    world.asks("bank-1", "P-1")
    world.send(Inquiry(bytes([9]) * 32, "bank-1", "credit-application", NOW))
    assert world.post("bank-1").collect(NOW) == 0
    assert NoticeStore.open(world.homes["bank-1"]).all() == ()
    assert world.mailbox.take("bank-1") == []  # acknowledged: it does not come for ever


def test_a_forged_letter_is_not_believed_and_stops_no_other(world: World) -> None:
    asked = world.asks("bank-1", "P-1")
    public = NoticeKey.decode(world.mailbox.keys()[1]).public
    letter = Letter("bank-2", "bank-1", Change.ERASED, (asked.leaf,), 0, 0, bytes(16))
    world.mailbox.put("bank-2", [("bank-1", letter.seal(world.homes["bank-0"].signing_key, public))])
    world.mailbox.put("bank-2", [("bank-1", os.urandom(SEALED_BYTES))])
    world.send(asked)
    assert world.post("bank-1").collect(NOW) == 1
    assert [notice.sender for notice in NoticeStore.open(world.homes["bank-1"]).all()] == ["bank-0"]


def test_a_letter_that_comes_twice_counts_once(world: World) -> None:
    asked = world.asks("bank-1", "P-1")
    public = NoticeKey.decode(world.mailbox.keys()[1]).public
    letter = Letter("bank-0", "bank-1", Change.CORRECTED, (asked.leaf,), 0, 0, bytes(16))
    for _ in range(2):  # sealed anew: the carrier's names differ
        world.mailbox.put("bank-0", [("bank-1", letter.seal(world.homes["bank-0"].signing_key, public))])
    world.post("bank-1").collect(NOW)
    assert len(NoticeStore.open(world.homes["bank-1"]).all()) == 1


def test_a_carrier_that_drops_a_letter_cannot_show_a_receipt(world: World) -> None:
    sent = world.send(world.asks("bank-1", "P-1"))
    assert world.post("bank-0").delivered(sent) == {"bank-1": False, "bank-2": False}
    (sealed,) = (sealed for name, sealed in world.carriers["bank-0"].carried if name == "bank-1")
    forged = sign_receipt(letter_name(sealed), SigningKey.generate())
    world.carriers["bank-0"].receipts = lambda names: dict.fromkeys(names, forged)  # type: ignore[method-assign]
    assert not any(world.post("bank-0").delivered(sent).values())


def test_the_private_key_is_its_owners_alone(world: World) -> None:
    key = world.homes["bank-1"].keys / "notices.key"
    assert key.stat().st_mode & 0o077 == 0
