"""Keys and times that every member signs: the masks', the pool's, and how long the secrets are kept at most."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from world import START, Epoch, World

from clients.institution.lookup.part import Part
from federation.errors import ConfigurationError
from protocols.errors import MessageError, SignatureError
from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import LayoutHeader
from protocols.signing import SigningKey

SMALL_ORDER = [bytes.fromhex(point) for point in (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)]  # fmt: skip
"""All of them, in their canonical spelling: https://cr.yp.to/ecdh.html#validate."""


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=12)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    return world.epoch()


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_mask_key_of_small_order_is_refused_by_name_before_anybody_signs(epoch: Epoch, point: bytes) -> None:
    with pytest.raises(MessageError, match="mask key of bank-01"):
        replace(epoch.header, masks={**epoch.header.masks, "bank-01": point})


def test_a_mask_key_has_one_spelling(epoch: Epoch) -> None:
    """X25519 ignores the highest bit: without this, one member's key passes for another's, fresh."""
    own = epoch.secrets["bank-00"].mask_public
    flipped = own[:31] + bytes([own[31] | 0x80])
    with pytest.raises(MessageError, match="mask key of bank-01: got another spelling"):
        replace(epoch.header, masks={**epoch.header.masks, "bank-01": flipped})


def test_an_epoch_that_lasts_for_ever_keeps_its_secrets_for_ever_and_is_refused(world: World, epoch: Epoch) -> None:
    longest = 2 * world.parameters.cadence_s
    header = replace(epoch.context.signed.epoch, closes_at=START + longest)
    header.check(epoch.header, world.roster)
    with pytest.raises(MessageError, match=r"epoch\.closes_at"):
        replace(header, closes_at=START + longest + 1).check(epoch.header, world.roster)


def test_the_key_of_the_answers_is_what_all_members_signed(epoch: Epoch) -> None:
    """Named anywhere else, a relay gives each member another one, and reads who gets an answer that does not verify."""
    assert epoch.signed is not None
    assert epoch.context.pool_key == epoch.world.pool_key.public
    other = replace(epoch.header, pool=SigningKey.generate().public)
    moved = replace(epoch.signed, layout=other, epoch=replace(epoch.signed.epoch, layout_id=other.id))
    with pytest.raises(SignatureError, match="signature of bank-00"):
        EpochContext.of(epoch.world.roster, moved)


def test_a_member_takes_no_header_with_another_pool_than_was_proposed(epoch: Epoch) -> None:
    """What was proposed is what somebody approved: a header must not bring in another key after that."""
    own = {name: {"pad": s.pad_public.hex(), "mask": s.mask_public.hex()} for name, s in epoch.secrets.items()}
    proposal = {"pool_key": epoch.world.pool_key.public.hex, "catalogue": "00" * 32, "model": "00" * 32}

    def part(header: LayoutHeader) -> Part:
        said = {"header": header.to_json(), "propose": proposal}
        record: Any = SimpleNamespace(body=lambda kind, _: said[kind], bodies=lambda _: own, counter=header.counter)
        made = Part(home=Any, relay=Any, record=record, read_snapshot=Any)  # type: ignore[arg-type]
        made._roster = epoch.world.roster
        return made

    assert part(epoch.header).header == epoch.header
    with pytest.raises(ConfigurationError, match=r"layout\.pool"):
        _ = part(replace(epoch.header, pool=SigningKey.generate().public)).header
