"""Who the regulator is, the log says on the coordinator's word; to whom a bank opens, it knows from the regulator."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from oversight_world import key_of
from pydantic import ValidationError
from spot_check_world import Carried, InquiryWorld, Person, inquiring

from clients.institution.lookup.delivering import Delivery
from clients.institution.lookup.settings import LookupSettings
from federation.errors import ConfigurationError
from federation.oversight.inquiries import SeedsStatement, draw_entry
from federation.oversight.members import RegulatorStatement
from protocols.consent.draw import Draw, SignedDraw, commit_seed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InquiryWorld]:
    with inquiring(tmp_path_factory.mktemp("named")) as made:
        for number in range(3):
            made.ask("bank-a", Person(b"person %d" % number))
        yield made


@pytest.fixture
def puppet(world: InquiryWorld) -> bytes:
    """The coordinator names its own key as the regulator's, under the true one's witness key, and draws everything."""
    key, witness = key_of("puppet"), world.regulator.registration.witness_key
    named = RegulatorStatement("regulator", key.public.hex, witness, "ab" * 32, 1)
    seed, own = os.urandom(32), X25519PrivateKey.generate()
    world.log.grow(named.entry(key_of("coordinator")).data)
    size = world.log.store.size() + 20
    draw = Draw({"regulator": commit_seed(seed)}, 10**6, 0, size)
    entry = draw_entry(SignedDraw(draw, {"regulator": draw.sign(key)}))
    world.log.grow(entry.data)
    world.grow(size - world.log.store.size())
    public = own.public_key().public_bytes_raw().hex()
    said = SeedsStatement(entry.hash.hex(), {"regulator": seed.hex()}, 2**40, public)
    world.log.grow(said.entry(key).data)
    world.turn()
    return entry.hash


def test_a_coordinator_that_names_itself_the_regulator_is_handed_nothing(world: InquiryWorld, puppet: bytes) -> None:
    delivery, drawn = world.delivery("bank-a")
    assert puppet not in {draw.hash for _, draw in drawn}
    assert puppet.hex() not in delivery.opener.draws.refused  # nobody's whom this bank knows: not even looked at
    # Without a key of its own the bank believes the log: what it opens could be read by whoever is named there.
    believing = world.draws("bank-a")
    opened = [(leaf, draw) for leaf, draw in believing.drawn() if draw.hash == puppet]
    assert len(opened) == 3
    # And so it hands nothing over by itself.
    with pytest.raises(ConfigurationError, match=r"lookup\.regulator"):
        Delivery(world.homes["bank-a"], delivery.opener, Carried(world.mailbox, "bank-a"))
    with pytest.raises(ValidationError, match="open_drawn"):
        LookupSettings(open_drawn=True)
    assert LookupSettings(open_drawn=True, regulator="ab" * 32).open_drawn
