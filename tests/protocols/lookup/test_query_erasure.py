"""After an epoch is erased nothing of it opens any more, whatever a relay kept back; none follows before its time."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from query_world import NOW, PURPOSE, QueryWorld, opened
from world import Epoch

from clients.institution.lookup import closing, serving
from clients.institution.lookup.closed_epochs import closed_epochs
from clients.institution.lookup.folders import EpochFolder, LookupFolders
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.part import SECRETS_FILE
from clients.institution.lookup.serving import Serving
from federation.errors import ConfigurationError, FederationError
from protocols.errors import ProtocolError, SignatureError, StageError
from protocols.lookup.cadence import PastEpoch, check_turn
from protocols.lookup.secrets import EpochSecrets
from protocols.lookup.ticket import QuerierTicket, TicketRefused, TicketReply, combine
from protocols.transparency import Promise
from protocols.wire import lookup_pb2 as wire


class _Part(SimpleNamespace):
    folder: EpochFolder

    @property
    def secrets(self) -> EpochSecrets:
        kept = self.folder.secret_if_there(SECRETS_FILE)
        if kept is None:
            raise ConfigurationError("epoch secrets", got="none", expected="those this institution published")
        return EpochSecrets.decode(kept)


class Member:
    """One institution's own serving and closing; what the relay shows it of the epoch's record is given."""

    def __init__(self, world: QueryWorld, epoch: Epoch, name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        url = f"sqlite:///{folder}/lookup.db"
        home: Any = SimpleNamespace(
            name=name,
            path=folder,
            keys=folder,
            signing_key=world.signers[name],
            settings=SimpleNamespace(database_url=url),
        )
        self.folders = LookupFolders(home)
        self.folders.epoch(1).keep(SECRETS_FILE, epoch.secrets[name].encode())
        header = epoch.context.signed.epoch
        self.folders.remember(PastEpoch(1, header.id, header.opens_at, header.closes_at, tickets=0, erased=False))
        record = SimpleNamespace(counter=1, has=lambda kind, party: kind == "epoch", bodies=lambda kind: {})
        self.part: Any = _Part(
            home=home,
            institution=name,
            roster=world.roster,
            context=epoch.context,
            folders=self.folders,
            folder=self.folders.epoch(1),
            record=record,
        )
        patch.setattr(serving, "own_share", lambda folders, roster: world.shares[folders.home.name])
        self.serving = Serving(home, None, os.urandom, lambda: NOW)  # type: ignore[arg-type]
        patch.setattr(self.serving, "_part", lambda: self.part)

    def first(self, given: wire.TicketOrder) -> bytes:
        return self._only(wire.Task(first=wire.FirstTask(orders=[given])))

    def second(self, given: wire.SecondOrder) -> bytes:
        return self._only(wire.Task(second=wire.SecondTask(orders=[given])))

    def _only(self, task: wire.Task) -> bytes:
        [outcome] = self.serving.answers(task)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome.document

    @property
    def leaves(self) -> list[bytes]:
        return GuardStore(self.serving._database, self.part.context.epoch_id).leaves()


def members(world: QueryWorld, epoch: Epoch, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Member]:
    return {name: Member(world, epoch, name, folder / name, patch) for name in world.names}


def order(world: QueryWorld, epoch: Epoch, identifier: bytes) -> tuple[QuerierTicket, wire.TicketOrder]:
    state, leaf, blinded = QuerierTicket.start(
        identifier,
        epoch.context,
        world.signers["bank-01"],
        "bank-01",
        purpose=PURPOSE,
        receipt=b"",
        receipt_serial=os.urandom(8).hex(),
        random=os.urandom,
        now=NOW,
    )
    promise = Promise.make(world.log_key, leaf_hash=leaf.hash, index=9, issued_at=int(NOW), merge_delay_s=60).encode()
    state.logged(promise, NOW)
    return state, wire.TicketOrder(leaf=leaf.encode(), promise=promise, blinded=blinded)


def ticket(world: QueryWorld, epoch: Epoch, among: dict[str, Member], identifier: bytes) -> bytes:
    """Q of the subject, by both steps at every member."""
    state, given = order(world, epoch, identifier)
    first = {name: member.first(given) for name, member in among.items()}
    combined = combine(epoch.context, epoch.z, world.relay, given.leaf, given.blinded, first, os.urandom)
    asked = wire.SecondOrder(leaf=given.leaf, blinded=given.blinded, combined=combined)
    for name, document in first.items():
        asked.evaluations.add(institution=name, document=document)
    second = {name: member.second(asked) for name, member in among.items()}
    return state.finish(TicketReply(first, combined, second)).element


def warmed(world: QueryWorld, epoch: Epoch, among: dict[str, Member]) -> None:
    """Every node reads its secrets, for a leaf whose signature does not hold: nothing is charged."""
    _, given = order(world, epoch, world.identifiers[0])
    at = given.leaf.rindex(b'"signature":"') + 13
    given.leaf = given.leaf[:at] + (b"1" if given.leaf[at : at + 1] == b"0" else b"0") + given.leaf[at + 1 :]
    for member in among.values():
        with pytest.raises(SignatureError):
            member.first(given)
        assert member.serving._open is not None
        assert member.leaves == []


def test_a_node_that_read_its_secrets_answers_nothing_once_they_are_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    warmed(world, epoch, among)
    for member in among.values():
        assert closing.erased(member.part) == {"epoch": epoch.context.epoch_id.hex()}
    _, given = order(world, epoch, world.identifiers[7])
    for member in among.values():
        with pytest.raises((ProtocolError, FederationError)):
            member.first(given)
        assert member.serving._open is None
        assert member.leaves == []
        [past] = member.folders.past()
        assert (past.erased, past.tickets) == (True, 0)


def test_without_the_guard_and_the_look_at_the_file_it_would_go_on_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    warmed(world, epoch, among)
    monkeypatch.setattr(GuardStore, "close", lambda self: None)
    monkeypatch.setattr(Serving, "forget_erased", lambda self: None)
    for member in among.values():
        closing.erased(member.part)
    assert ticket(world, epoch, among, world.identifiers[7]) == epoch.point(world.identifiers[7])


def test_a_process_that_starts_in_a_closing_epoch_opens_no_tickets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secrets are on disk still, and the guard has ended nothing yet: the record says that the epoch closes."""
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    _, given = order(world, epoch, world.identifiers[3])
    for member in among.values():
        member.part.record.has = lambda kind, party: kind in ("epoch", "close")
        with pytest.raises(TicketRefused, match="a request after it closed"):
            member.first(given)
        assert member.leaves == []


@pytest.mark.parametrize("step", ["evaluated", "erased"])
def test_no_leaf_is_charged_after_a_member_said_what_it_evaluated(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are still in memory; the guard, which is on disk, has ended the epoch."""
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    assert ticket(world, epoch, among, world.identifiers[3]) == epoch.point(world.identifiers[3])
    monkeypatch.setattr(Serving, "forget_erased", lambda self: None)
    _, given = order(world, epoch, world.identifiers[4])
    for member in among.values():
        member.first(given)
        member.part.relay = SimpleNamespace(upload=lambda counter, data: bytes(32))
        said = getattr(closing, step)(member.part)
        assert step == "erased" or said["count"] == 2
        with pytest.raises(TicketRefused, match="after it closed"):
            member.first(order(world, epoch, world.identifiers[5])[1])
        with pytest.raises(StageError):  # the second step of what was charged in time
            member.second(wire.SecondOrder(leaf=given.leaf, blinded=given.blinded))
        assert len(member.leaves) == 2


def none_follows_at_once(world: QueryWorld, epoch: Epoch, past: PastEpoch) -> None:
    """A member that remembers `past` signs no epoch that opens a minute after it did."""
    header, cadence = epoch.context.signed.epoch, world.parameters.cadence_s
    soon: Any = SimpleNamespace(opens_at=header.opens_at + 60, closes_at=header.opens_at + 60 + cadence)
    following: Any = SimpleNamespace(counter=2)
    with pytest.raises(StageError, match="epoch 1"):
        check_turn([past], following, soon, world.parameters, soon.opens_at)


def test_an_epoch_that_answered_tickets_is_remembered_so_and_none_follows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    ticket(world, epoch, among, world.identifiers[3])
    for member in among.values():
        closing.erased(member.part)
        [past] = member.folders.past()
        assert past.tickets == 1
        none_follows_at_once(world, epoch, past)


@pytest.mark.parametrize("shown", ["", "epoch"])
def test_a_relay_that_shows_a_shorter_record_at_the_end_gets_no_epoch_out_of_turn(
    shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes as if the epoch had never been signed, or nobody had been asked what it evaluated."""
    world, epoch = opened("lwe")
    among = members(world, epoch, tmp_path, monkeypatch)
    ticket(world, epoch, among, world.identifiers[3])
    for member in among.values():
        member.part.record.has = lambda kind, party: kind == shown
        closing.erased(member.part)
        [past] = member.folders.past()
        assert (past.erased, past.tickets) == (True, 1)
        none_follows_at_once(world, epoch, past)
        assert [found["kind"] for found in not_settled(member)] == ["not-checked"]


def not_settled(member: Member) -> tuple[dict[str, str], ...]:
    """What a person at this institution is told of the epoch."""
    [closed] = closed_epochs(member.folders)
    return closed.findings
