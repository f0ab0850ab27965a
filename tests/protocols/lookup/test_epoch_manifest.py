"""Parameters, roster, headers, signatures, secrets: what cannot hold is refused, by name."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from world import START, WEEK, Epoch, World

from protocols.errors import MessageError, SignatureError, StageError
from protocols.lookup.audit import check_hint
from protocols.lookup.context import EpochContext
from protocols.lookup.fault import TicketRefused
from protocols.lookup.manifest import Opening, SignedEpoch
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Authority, Roster
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf.group import IDENTITY, subtract
from protocols.signing import SigningKey


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=12)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    return world.epoch()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("engine", "plaintext"),
        ("quorum", 0),
        ("quorum", 17),
        ("quorum", True),
        ("colluding_queriers", -1),
        ("dummies", 0),
        ("cadence_s", 0),
        ("daily_tickets", 0),
        ("purposes", ()),
        ("purposes", ("a", "a")),
        ("version", 2),
    ],
)
def test_parameters_name_what_cannot_hold(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"parameters.{field}"):
        Parameters(**{"engine": "bfv", field: value})


def test_a_roster_needs_three_members_and_three_more_than_collude(world: World) -> None:
    roster = world.roster
    with pytest.raises(MessageError, match="got 2 members, expected at least 3"):
        replace(roster, members=roster.members[:2])
    with pytest.raises(MessageError, match="got 3 members, expected at least 4"):
        replace(roster, parameters=replace(roster.parameters, colluding_queriers=1))


def test_a_roster_refuses_what_two_members_share_and_another_order(world: World) -> None:
    first, second, third = world.roster.members
    for members, what in (
        ((first, third, second), "another order"),
        ((first, first, second), "another order"),
        ((first, second, replace(third, key=first.key)), "signing key"),
        ((first, second, replace(third, pseudonym_key=first.pseudonym_key)), "pseudonym key"),
    ):
        with pytest.raises(MessageError, match=what):
            replace(world.roster, members=members)


def test_a_roster_refuses_shares_that_cancel(world: World) -> None:
    first, second, third = world.roster.members
    total = subtract(subtract(first.pseudonym_key, first.pseudonym_key), first.pseudonym_key)
    cancelling = subtract(total, second.pseudonym_key)
    with pytest.raises(MessageError, match="joint public key"):
        replace(world.roster, members=(first, second, replace(third, pseudonym_key=cancelling)))


def test_a_roster_names_its_authorities_in_order_each_key_once(world: World) -> None:
    first, second = (Authority(name, SigningKey.from_seed(name.encode() * 32).public) for name in "ab")
    named = replace(world.roster, authorities=(first, second))
    assert Roster.decode(named.encode()) == named
    assert named.id != world.roster.id
    assert named.needs_consent
    assert not world.roster.needs_consent
    for wrong in ((second, first), (first, first), (first, Authority("b", first.key))):
        with pytest.raises(MessageError, match="authorities"):
            replace(world.roster, authorities=wrong)


def test_documents_survive_the_wire_and_nothing_else_does(world: World, epoch: Epoch) -> None:
    assert Roster.decode(world.roster.encode()) == world.roster
    assert epoch.signed is not None
    assert epoch.opened is not None
    assert SignedEpoch.decode(epoch.signed.encode()) == epoch.signed
    assert Opening.decode(epoch.opened.opening.encode()) == epoch.opened.opening
    with pytest.raises(MessageError, match="roster"):
        Roster.decode(world.roster.encode().replace(b'"oversight"', b'"oversighu"'))
    closes = str(epoch.signed.epoch.closes_at).encode()
    with pytest.raises(MessageError, match="closes_at"):
        SignedEpoch.decode(epoch.signed.encode().replace(closes, b'"%s"' % closes))


def test_every_field_of_the_headers_moves_the_epoch_id(world: World, epoch: Epoch) -> None:
    assert epoch.signed is not None
    layout, header = epoch.signed.layout, epoch.signed.epoch
    other = EpochSecrets.generate("bank-00", os.urandom)
    changes: list[dict[str, Any]] = [
        {"roster_id": bytes([1]) * 32},
        {"catalogue": bytes([1]) * 32},
        {"model": bytes([1]) * 32},
        {"pads": {**layout.pads, "bank-00": other.pad_public}},
        {"masks": {**layout.masks, "bank-00": other.mask_public}},
        {"relay": other.pad_public},
        {"pool": SigningKey.generate().public},
        {"counter": 2},
    ]
    layouts = {replace(layout, **change).id for change in changes}
    assert len(layouts | {layout.id}) == len(changes) + 1
    epochs = {
        replace(header, **change).id
        for change in (
            {"layout_id": bytes(32)},
            {"layout_digest": bytes(32)},
            {"auditors": ("bank-01", "bank-02")},
            {"slots": header.slots + 1, "rows": -(-header.subjects // (header.slots + 1))},
            {"subjects": header.subjects + 1, "rows": -(-(header.subjects + 1) // header.slots)},
            {"opens_at": header.opens_at + 1},
            {"closes_at": header.closes_at + 1},
        )
    }
    assert len(epochs | {header.id}) == 8


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda pads: {**pads, "bank-01": IDENTITY}, "pad key of bank-01"),
        (lambda pads: {**pads, "bank-01": b"\xff" * 32}, "pad key of bank-01"),
        (lambda pads: {**pads, "bank-01": pads["bank-00"]}, "layout keys"),
        (lambda pads: {name: pads[name] for name in reversed(pads)}, "layout.pads"),
    ],
)
def test_a_layout_header_refuses_keys_that_are_none(epoch: Epoch, change: Callable[[Any], Any], where: str) -> None:
    with pytest.raises(MessageError, match=where):
        replace(epoch.header, pads=change(epoch.header.pads))


def test_an_epoch_is_signed_by_all_members_and_by_them_alone(world: World, epoch: Epoch) -> None:
    signed = epoch.signed
    assert signed is not None
    stranger = SigningKey.generate()
    two = {name: signed.signatures[name] for name in world.names[:2]}
    for signatures, who in (
        (two, "signature of bank-02: got none"),
        ({**two, "bank-02": signed.epoch.sign(stranger)}, "signature of bank-02: got one that does not verify"),
        ({**two, "bank-02": signed.signatures["bank-01"]}, "signature of bank-02"),
        ({**signed.signatures, "bank-99": signed.epoch.sign(stranger)}, "also of bank-99"),
    ):
        with pytest.raises(SignatureError, match=who):
            EpochContext.of(world.roster, replace(signed, signatures=signatures))


def test_an_epoch_of_another_roster_or_quorum_is_refused(world: World, epoch: Epoch) -> None:
    signed = epoch.signed
    assert signed is not None
    with pytest.raises(MessageError, match=r"layout\.roster_id"):
        signed.verify(replace(world.roster, log_key=SigningKey.generate().public))
    two = {name: signed.layout.pads[name] for name in world.names[:2]}
    partial = replace(signed.layout, pads=two, masks={name: signed.layout.masks[name] for name in two})
    with pytest.raises(MessageError, match=r"layout\.pads: got other institutions"):
        partial.check(world.roster)
    with pytest.raises(MessageError, match=r"epoch\.layout_id"):
        replace(signed, layout=replace(signed.layout, counter=2)).verify(world.roster)
    alone = replace(signed.epoch, auditors=("bank-00",))
    with pytest.raises(MessageError, match=r"epoch\.auditors: got 1, expected 2"):
        replace(signed, epoch=alone).verify(world.roster)
    with pytest.raises(MessageError, match="institution"):
        replace(signed, epoch=replace(signed.epoch, auditors=("bank-00", "stranger"))).verify(world.roster)


def test_an_epoch_serves_while_it_is_open(epoch: Epoch) -> None:
    epoch.context.check_open(START)
    with pytest.raises(StageError, match="before it opens"):
        epoch.context.check_open(START - 1)
    with pytest.raises(TicketRefused, match="after it closed") as late:
        epoch.context.check_open(START + WEEK)
    assert late.value.code == "closed"


def test_an_opening_needs_the_whole_quorum_and_the_very_hint(world: World, epoch: Epoch) -> None:
    assert epoch.opened is not None
    assert epoch.audited is not None
    check_hint(epoch.context, epoch.opened, epoch.audited.prepared.hint)
    with pytest.raises(MessageError, match="hint"):
        check_hint(epoch.context, epoch.opened, epoch.audited.prepared.hint[:-1] + b"\x00")
    with pytest.raises(MessageError, match=r"opening\.epoch_id"):
        epoch.opened.verify(replace(epoch.context.signed.epoch, opens_at=START + 1), world.roster)
    one = {"bank-00": epoch.opened.signatures["bank-00"]}
    with pytest.raises(SignatureError, match="bank-01"):
        check_hint(epoch.context, replace(epoch.opened, signatures=one), epoch.audited.prepared.hint)


# ---- secrets


def test_secrets_hide_survive_their_file_and_are_checked(epoch: Epoch) -> None:
    own = epoch.secrets["bank-00"]
    assert own.pad.hex() not in repr(own)
    assert repr(own.pad) not in repr(own)
    assert repr(own.mask) not in repr(own)
    assert EpochSecrets.decode(own.encode()) == own
    assert own.bound is not None
    with pytest.raises(MessageError, match="pad key"):
        replace(own, pad=bytes(32))


def test_secrets_serve_one_epoch_and_one_snapshot(epoch: Epoch) -> None:
    assert epoch.signed is not None
    own = epoch.secrets["bank-00"]
    assert own.bound is not None
    assert own.bind(epoch.signed.epoch, own.bound.snapshot) == own
    with pytest.raises(StageError, match="another snapshot"):
        own.bind(epoch.signed.epoch, bytes(32))
    later = replace(epoch.signed.epoch, opens_at=START + 1)
    with pytest.raises(StageError, match="another epoch"):
        own.bind(later, own.bound.snapshot)


def test_both_of_a_pair_share_one_seed_and_no_other(epoch: Epoch) -> None:
    seeds = {name: own.mask_seeds(epoch.header) for name, own in epoch.secrets.items()}
    assert seeds["bank-00"]["bank-01"] == seeds["bank-01"]["bank-00"]
    assert len({seed for of in seeds.values() for seed in of.values()}) == 3
    again = epoch.secrets["bank-00"].mask_seeds(replace(epoch.header, counter=2))
    assert not set(again.values()) & set(seeds["bank-00"].values())


def test_a_member_signs_only_its_own_keys(epoch: Epoch) -> None:
    other = EpochSecrets.generate("bank-00", os.urandom)
    with pytest.raises(MessageError, match="pad key of bank-00"):
        other.check_named(epoch.header)


# ---- cadence


def test_errors_cross_from_worker_processes() -> None:
    error = pickle.loads(pickle.dumps(MessageError("field", got=1, expected=2)))
    assert (type(error), error.field, str(error)) == (MessageError, "field", "field: got 1, expected 2")
