"""From a person to its record: a ticket and a private query, step by step."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from lookup_member import PURPOSE, Member
from lookup_world import Federation

from federation.lookup.engines import load
from protocols.lookup.engines import Geometry
from protocols.lookup.evidence import check_answer, keys_hash
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.rows import verify_row
from protocols.lookup.ticket import QuerierTicket, Ticket, TicketReply
from protocols.wire import lookup_pb2 as wire


def start(member: Member, person: bytes, serial: str) -> tuple[QuerierTicket, wire.TicketOrder]:
    """A logged request."""
    ticket, leaf, blinded = QuerierTicket.start(
        person,
        member.context,
        member.home.signing_key,
        member.name,
        purpose=PURPOSE,
        receipt=b"receipt",
        receipt_serial=serial,
        random=os.urandom,
        now=time.time(),
    )
    promise = member.ask("Append", wire.AppendRequest(leaves=[leaf.encode()])).promises[0]
    ticket.logged(promise, time.time())
    return ticket, wire.TicketOrder(leaf=leaf.encode(), promise=promise, blinded=blinded)


def leaf_of(member: Member, number: int, now: float) -> bytes:
    """A request of its own, signed and not logged."""
    _, leaf, _ = QuerierTicket.start(
        b"person-0",
        member.context,
        member.home.signing_key,
        member.name,
        purpose=PURPOSE,
        receipt=b"receipt",
        receipt_serial=f"one of many {number}",
        random=os.urandom,
        now=now,
    )
    return leaf.encode()


def finish(ticket: QuerierTicket, outcome: wire.TicketOutcome) -> Ticket:
    assert not outcome.HasField("refusal"), outcome.refusal
    evaluations = {statement.institution: statement.document for statement in outcome.evaluations}
    openings = {statement.institution: statement.document for statement in outcome.openings}
    return ticket.finish(TicketReply(evaluations, outcome.combined, openings))


def ask(member: Member, person: bytes, serial: str) -> Ticket:
    ticket, order = start(member, person, serial)
    return finish(ticket, member.ask("Ticket", wire.TicketRequest(orders=[order])).outcomes[0])


def read(member: Member, ticket: Ticket) -> np.ndarray:
    """The record behind a ticket, by one private query; zeros for a subject that nobody knows."""
    context = member.context
    epoch, roster = context.signed.epoch, context.roster
    geometry = Geometry(epoch.rows, epoch.slots, roster.parameters.quorum)
    hint = member.ask_pool("Hint", wire.HintRequest(epoch_id=context.epoch_id)).data
    client = load(roster.parameters.engine).client(geometry, context.epoch_id, hint, os.urandom)
    name = b""
    if client.keys:
        name = member.ask_pool("Register", wire.RegisterRequest(epoch_id=context.epoch_id, keys=client.keys)).keys_hash
        assert name == keys_hash(client.keys)
    place = member.layout.find(ticket.element)
    row, slot = place or (0, 0)
    pending, query = client.query(row)
    request = wire.QueryRequest(epoch_id=context.epoch_id, keys_hash=name, queries=[query])
    answer = member.ask_pool("Query", request).answers[0]
    check_answer(context.pool_key, context.epoch_id, name, query, answer.answer, answer.signature)
    values, signatures = pending.open(answer.answer)
    verify_row(context.epoch_id, row, values, signatures, [roster.member(name).key for name in epoch.auditors])
    if place is None:
        return np.zeros(COEFFICIENTS, dtype=np.int64)
    plain = (values[slot].astype(np.int64) - ticket.pads) % MODULUS
    signed: np.ndarray = np.where(plain > MODULUS // 2, plain - MODULUS, plain)
    return signed


def expected(world: Federation, person: bytes) -> Any:
    known = [member.records[person] for member in world.members.values() if person in member.records]
    return np.sum(known, axis=0) if known else np.zeros(COEFFICIENTS, dtype=np.int64)
