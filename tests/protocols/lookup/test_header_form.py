"""What the headers of an epoch may name: keys that are keys, each party's own, auditors that are several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import START, Epoch, World

from protocols.errors import MessageError
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedOpening
from protocols.oprf.group import IDENTITY


@pytest.fixture(scope="module")
def epoch() -> Epoch:
    return World(subjects=3).epoch()


@pytest.fixture(scope="module")
def layout(epoch: Epoch) -> LayoutHeader:
    return epoch.header


@pytest.fixture(scope="module")
def header(epoch: Epoch) -> EpochHeader:
    return epoch.context.signed.epoch


def backwards(keys: Any) -> dict[str, bytes]:
    return dict(reversed(keys.items()))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (lambda of: {"roster_id": bytes(31)}, r"layout\.roster_id"),
        (lambda of: {"catalogue": bytes(33)}, r"layout\.catalogue"),
        (lambda of: {"model": b""}, r"layout\.model"),
        (lambda of: {"pads": backwards(of.pads), "masks": backwards(of.masks)}, r"layout\.pads: got another order"),
        (lambda of: {"masks": {name: of.masks[name] for name in ("bank-00", "bank-01")}}, r"layout\.pads"),
        (lambda of: {"pads": {**of.pads, "bank-01": IDENTITY}}, "pad key of bank-01"),
        (lambda of: {"relay": IDENTITY}, "relay key"),
        (lambda of: {"relay": of.pads["bank-00"]}, "layout keys: got one that two parties share"),
        (
            lambda of: {"pads": {**of.pads, "bank-01": of.pads["bank-00"]}},
            "layout keys: got one that two parties share",
        ),
        (lambda of: {"masks": {**of.masks, "bank-01": of.masks["bank-00"]}}, "layout keys: got one that two parties"),
        (lambda of: {"counter": 0}, r"layout\.counter"),
    ],
)
def test_a_layout_names_keys_and_whose_they_are(layout: LayoutHeader, changes: Any, match: str) -> None:
    """A relay key that is a member's would make that member's pads the relay's; a shared mask hides nothing."""
    with pytest.raises(MessageError, match=match):
        replace(layout, **changes(layout))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"layout_id": bytes(31)}, r"epoch\.layout_id"),
        ({"layout_digest": bytes(33)}, r"epoch\.layout_digest"),
        ({"auditors": ()}, r"epoch\.auditors"),
        ({"auditors": ("bank-00", "bank-00")}, r"epoch\.auditors: got another order"),
        ({"auditors": ("bank-01", "bank-00")}, r"epoch\.auditors: got another order"),
        ({"slots": 0}, r"epoch\.slots"),
        ({"subjects": 0}, r"epoch\.subjects"),
        ({"rows": 2**40 + 1}, r"epoch\.rows"),
        ({"rows": 2}, r"epoch\.rows: got 2, expected 1"),
        ({"opens_at": -1}, r"epoch\.opens_at"),
        ({"closes_at": START}, r"epoch\.closes_at"),
    ],
)
def test_an_epoch_has_a_shape_a_time_and_auditors(header: EpochHeader, changes: Any, match: str) -> None:
    """One auditor that is named twice would be a quorum by itself."""
    with pytest.raises(MessageError, match=match):
        replace(header, **changes)


def test_documents_of_another_version_are_none(layout: LayoutHeader, header: EpochHeader) -> None:
    for kind, document in ((LayoutHeader, layout.to_json()), (EpochHeader, header.to_json())):
        assert kind.from_json(document).to_json() == document
        for version in (2, True, "1"):
            with pytest.raises(MessageError, match="version"):
                kind.from_json({**document, "version": version})


def test_auditors_are_a_list_of_names(header: EpochHeader) -> None:
    with pytest.raises(MessageError, match=r"epoch\.auditors: got str, expected a list"):
        EpochHeader.from_json({**header.to_json(), "auditors": "ab"})


def test_an_opening_is_of_the_tables_of_all_members(epoch: Epoch) -> None:
    """All auditors together may not leave a member out: its records would be missing from every sum, unseen."""
    assert epoch.opened is not None
    opening, world, header = epoch.opened.opening, epoch.world, epoch.context.signed.epoch

    def opened(**changes: Any) -> SignedOpening:
        made = replace(opening, **changes)
        return SignedOpening(made, {name: made.sign(world.signers[name]) for name in header.auditors})

    opened().verify(header, world.roster)
    fewer = {name: opening.table_digests[name] for name in ("bank-00", "bank-01")}
    with pytest.raises(MessageError, match=r"opening\.table_digests: got other institutions, expected all members"):
        opened(table_digests=fewer).verify(header, world.roster)
    with pytest.raises(MessageError, match=r"opening\.epoch_id"):
        opened(epoch_id=bytes(32)).verify(header, world.roster)
    for changes, match in (
        ({"hint_digest": bytes(31)}, r"opening\.hint_digest"),
        ({"sum_digest": b""}, r"opening\.sum_digest"),
        ({"table_digests": {**opening.table_digests, "bank-02": bytes(33)}}, "opening, table of bank-02"),
    ):
        with pytest.raises(MessageError, match=match):
            opened(**changes)
