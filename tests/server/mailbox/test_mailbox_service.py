"""The mailbox as members reach it: mutual TLS, real certificates; letters between two homes; hostile messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hostile_messages import Hostile
from membership_world import BUNDLE, Clock, World, catalogue, make_coordinator

from clients.institution.home import InstitutionHome
from clients.institution.person.mailbox_client import MailboxClient
from federation.errors import Refused
from federation.runtime import rpc
from protocols.errors import SignatureError
from protocols.notices import SEALED_BYTES, Change, Letter, NoticeKey, check_receipt, letter_name, sign_receipt
from protocols.wire import mailbox_pb2 as wire
from server.mailbox.mailbox_service import hosted_mailbox
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore

_MAILBOX = wire.DESCRIPTOR.services_by_name["Mailbox"]
CALLS = 120


@dataclass(frozen=True)
class Hosted:
    world: World
    aurora: InstitutionHome
    borealis: InstitutionHome


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosted")
    home = make_coordinator(folder / "coordinator")
    store, clock = MembershipStore.open(home.database_url), Clock()
    desk = Desk(home, store, catalogue(), lambda: BUNDLE, clock)
    with (
        hosted_mailbox(home, store) as mailbox,
        serve_membership(desk, beside=mailbox.handlers, workers=mailbox.workers + 8),
    ):
        world = World(folder, home, store, desk, clock, home.enrolment_address, home.member_address)
        yield Hosted(world, world.member("aurora"), world.member("borealis"))
    store.close()


def test_a_letter_goes_from_one_member_to_another_and_its_receipt_back(hosted: Hosted) -> None:
    private = X25519PrivateKey.generate()
    aurora, borealis = hosted.aurora.signing_key, hosted.borealis.signing_key
    with MailboxClient(hosted.aurora) as sender, MailboxClient(hosted.borealis) as reader:
        reader.publish(NoticeKey.sign("borealis", private.public_key().public_bytes_raw(), borealis).encode())
        (key,) = map(NoticeKey.decode, sender.published())
        key.verify(borealis.public)
        letter = Letter("aurora", "borealis", Change.CORRECTED, (bytes(32),), 1, 20_000, bytes(16))
        sealed = letter.seal(aurora, key.public)
        sender.put([("borealis", sealed)])
        assert sender.take() == []
        ((name, came),) = reader.take()
        assert Letter.open(came, private, aurora.public, sender=name, recipient="borealis") == letter
        reader.acknowledge([(letter_name(came), sign_receipt(letter_name(came), borealis))])
        assert reader.take() == []
        shown = sender.receipts([letter_name(sealed)])
        check_receipt(letter_name(sealed), shown[letter_name(sealed)], borealis.public, "borealis")
        assert reader.receipts([letter_name(sealed)]) == {}


def test_a_member_publishes_no_key_in_anothers_name_and_writes_to_members_alone(hosted: Hosted) -> None:
    forged = NoticeKey.sign("borealis", bytes([9]) * 32, hosted.aurora.signing_key).encode()
    with MailboxClient(hosted.aurora) as sender:
        with pytest.raises((Refused, SignatureError)):
            sender.publish(forged)
        with pytest.raises(Refused):
            sender.put([("nobody", os.urandom(SEALED_BYTES))])


def test_hostile_messages_are_refused_by_type_and_the_next_good_one_is_answered(hosted: Hosted) -> None:
    """No message ends a call as an internal error, and none leaves a letter of another size."""
    hostile = Hostile(5)
    good = {
        "Publish": wire.PublishRequest(
            key=NoticeKey.sign("aurora", bytes([9]) * 32, hosted.aurora.signing_key).encode()
        ),
        "Put": wire.PutRequest(letters=[wire.Outgoing(recipient="borealis", sealed=os.urandom(SEALED_BYTES))]),
        "Acknowledge": wire.AcknowledgeRequest(letters=[wire.Acknowledged(name=bytes(32), receipt=bytes(64))]),
        "Receipts": wire.ReceiptsRequest(names=[bytes(32)]),
    }
    with MailboxClient(hosted.aurora) as client:
        codes = set()
        for number in range(CALLS):
            method = sorted(good)[number % len(good)]
            sent = hostile.message(good[method])
            if sent.ByteSize() > 2**20:  # beyond what a channel carries
                continue
            try:
                rpc.ask(client._channel, _MAILBOX, method, sent, timeout=60.0)
            except Refused as refusal:  # Unreachable, which an error that nobody foresaw becomes, fails the test
                codes.add(refusal.code)
        assert {"invalid"} <= codes
        assert isinstance(client.published(), list)
    with MailboxClient(hosted.borealis) as reader:
        assert all(len(sealed) == SEALED_BYTES for _, sealed in reader.take())
