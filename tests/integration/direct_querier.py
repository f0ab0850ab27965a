"""A bank's own program that bypasses its node: it speaks the protocol with the bank's keys, and asks nobody's consent.

    direct_querier.py HOME OUT COUNT            about COUNT persons, each by a consent document of its own making

Prints one line for each question: its leaf hash, and "ticket" or the code of the refusal. OUT/LEAF.json is what it
could show later. No gate, no consent store and no store of what was asked is touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asking import _reply
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.part import Part, no_snapshot
from federation.catalogue import load_catalogue
from federation.errors import Refused
from protocols.consent.consent import Consent
from protocols.consent.identity import IdentityStatement
from protocols.consent.receipt import Inquiry, Receipt, Scope, Subject
from protocols.lookup.ticket import QuerierTicket
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire

DAY_S = 86_400


def forged(identifier: bytes, querier: str) -> Consent:
    """Key, receipt and the authority's statement, all of the bank's making; only the authority's key it has not."""
    now, key = int(time.time()), SigningKey.from_seed(hashlib.sha256(identifier).digest())
    subject, loaded = Subject(identifier, os.urandom(32)), load_catalogue("synthetic")
    statement = IdentityStatement("e-id", subject.commitment, key.public, now - DAY_S, now + DAY_S)
    receipt = Receipt(
        subject_key=key.public,
        subject=subject.commitment,
        querier=querier,
        purpose="credit-application",
        scope=Scope(loaded.name, bytes.fromhex(loaded.hash)),
        inquiry=Inquiry.HARD,
        serial=os.urandom(16).hex(),
        issued=now - 60,
        expires=now + DAY_S,
    )
    return Consent(receipt.sign(key), subject.salt, statement.sign(SigningKey.generate()))


def main() -> None:
    home, out, count = InstitutionHome.open(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with RelayClient(home) as relay:
        record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
        epoch = OpenEpoch.current(Part(home, relay, record, no_snapshot, random=os.urandom, clock=time.time))
        for number in range(count):
            identifier = b"victim-%d" % number
            consent = forged(identifier, home.name)
            state, leaf, blinded = QuerierTicket.start(
                identifier,
                epoch.context,
                home.signing_key,
                home.name,
                purpose="credit-application",
                receipt=consent.encode(),
                receipt_serial=consent.serial,
                random=os.urandom,
                now=time.time(),
            )
            opening = state.opening
            kept = {"identifier": identifier.hex(), "blind": opening.blind.hex(), "nonce": opening.nonce.hex()}
            (out / f"{leaf.hash.hex()}.json").write_text(json.dumps({**kept, "receipt": opening.receipt.hex()}))
            try:
                (promise,) = relay.append([leaf.encode()])
            except Refused as refused:
                sys.stdout.write(f"{leaf.hash.hex()} {refused.code}\n")
                continue
            state.logged(promise, time.time())
            order = wire.TicketOrder(leaf=leaf.encode(), promise=promise, blinded=blinded)
            (outcome,) = relay.ticket([order], timeout=100.0)
            if outcome.HasField("refusal"):
                sys.stdout.write(f"{leaf.hash.hex()} {outcome.refusal.code}\n")
                continue
            ticket = state.finish(_reply(outcome))
            assert ticket.pads.any()  # what opens the record
            sys.stdout.write(f"{leaf.hash.hex()} ticket\n")


if __name__ == "__main__":
    main()
