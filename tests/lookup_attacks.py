"""Attacks on an epoch while it is made, each at its moment; `test_relay_attacks` has those on an open one."""

from __future__ import annotations

import os

import pytest
from lookup_member import Member
from lookup_world import Federation

from federation.errors import Refused
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.lookup.dummies import dummy_sources
from protocols.lookup.reconcile import most_leaves
from protocols.oprf.joint_key import KeyShare
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope


def refused(code: str) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda error: error.code == code)


def attacks_during_setup(world: Federation) -> None:
    aurora, _, castor = world.members.values()
    world.open("mirror")
    for member in world.members.values():
        member.view()
    # In another's name, and under another's key.
    with pytest.raises(Refused):
        aurora.submit("commit", {"commitment": "00" * 32}, party="borealis")
    step = wire.Step(counter=1, kind="commit", party="aurora", body=canonical({"commitment": "00" * 32}))
    with pytest.raises(Refused):
        aurora.ask("Submit", wire.SubmitRequest(step=Envelope.FromString(seal(step, SigningKey.generate()))))
    # A body that is too large, or no step of members.
    with pytest.raises(Refused):
        aurora.submit("commit", {"commitment": "00" * 40_000})
    with refused("not_expected"):
        aurora.submit("roster", {})
    for member in world.members.values():
        member.submit("commit", member.say_commit())
    # The rogue key: another one than was committed to.
    rogue = castor.say_reveal()
    honest, castor.share = castor.share, KeyShare.generate(os.urandom)
    castor.say_commit()
    with pytest.raises(Refused, match="another opening"):
        castor.submit("reveal", castor.say_reveal())
    castor.share = honest
    castor.submit("reveal", rogue)
    world.together("enrolled")
    attacks_on_enrolment(aurora)
    world.together("secrets")
    attacks_on_the_secrets(aurora)
    world.together("report")
    attacks_on_the_report(aurora)


def attacks_on_enrolment(aurora: Member) -> None:
    """More people than customers were attested: counted by the relay, once for each request."""
    points = b"".join(KeyShare.generate(os.urandom).public for _ in range(64))
    batch = wire.EnrolBatch(roster_id=aurora.roster.id, counter=1, points=points)
    sealed = Envelope.FromString(seal(batch, aurora.home.signing_key))
    first = aurora.ask("Enrol", sealed)
    assert first.charged == 64
    assert {evaluated.institution for evaluated in first.evaluations} == {"aurora", "borealis", "castor"}
    assert aurora.ask("Enrol", sealed).charged == 64
    attested = aurora.roster.member("aurora").customers
    many = points * 15  # 960 of them; that they repeat does not matter to who counts
    for turn in range(32, 32 * (attested // 960 + 1), 32):  # another order is another request
        if first.charged + 960 > attested:
            break
        batch = wire.EnrolBatch(roster_id=aurora.roster.id, counter=1, points=many[turn:] + many[:turn])
        first = aurora.ask("Enrol", Envelope.FromString(seal(batch, aurora.home.signing_key)), timeout=60.0)
    with refused("quota"):
        aurora.enrol(many)
    with refused("invalid"):
        aurora.enrol(many + points)


def attacks_on_the_secrets(aurora: Member) -> None:
    """A mask key with which no mask can be made: refused from whoever sends it, before the others meet it."""
    with pytest.raises(Refused, match="mask key of aurora"):
        aurora.submit("secrets", aurora.say_secrets() | {"mask": "00" * 32})


def attacks_on_the_report(aurora: Member) -> None:
    """A point that stands where a public dummy does: no layout could be made of it, and nobody would be named."""
    aurora.view()
    [taken] = dummy_sources(aurora.header, 1)
    said = aurora.say_report()
    points = aurora.upload(b"".join([*aurora.pseudonyms.values(), taken]), reader="relay")
    with pytest.raises(Refused, match="points of aurora"):
        aurora.submit("report", {"points": points, "count": said["count"] + 1})


def attacks_on_the_rows(world: Federation) -> None:
    """Signatures that no other auditor may read: it could not go on, and would be the one who is waited for."""
    auditor = world.members[world.record().state.parties.auditors[0]]
    auditor.view()
    hidden = auditor.upload(bytes(64 * auditor.context.signed.epoch.rows), reader="relay")
    with pytest.raises(Refused, match="one for others too"):
        auditor.submit("rows", {"signatures": hidden})


def attacks_on_what_was_evaluated(member: Member) -> None:
    """More leaves than there were tickets to give: all others would read them, one by one."""
    leaves = [number.to_bytes(32, "big") for number in range(most_leaves(member.context) + 1)]
    many = {"leaves": member.upload(b"".join(leaves)), "count": len(leaves)}
    with pytest.raises(Refused, match=f"leaves of {member.name}"):
        member.submit("evaluated", many)


def attacks_on_the_hand_overs(member: Member) -> None:
    """Who is first must not say what size is everybody's, nor name a batch that its auditor may not read."""
    auditors = [name for name in member.context.signed.epoch.auditors if name != member.name]
    small = {name: member.upload(os.urandom(64), reader=name) for name in auditors}
    with refused("invalid"):
        member.submit("handovers", {"batches": small})
    hidden = {name: member.upload(os.urandom(member.batch_bytes), reader="relay") for name in auditors}
    with refused("invalid"):
        member.submit("handovers", {"batches": hidden})


def attacks_on_the_table(world: Federation) -> None:
    aurora, *_ = world.members.values()
    table = aurora.table()
    with refused("too_early"):
        aurora.put_part(table[:20], 0)
    aurora.submit("table", aurora.say_table())
    with refused("conflict"):
        aurora.submit("table", {"digest": "00" * 32})
    with refused("conflict"):
        aurora.put_table(bytes(len(table)))  # another table than was logged
    assert aurora.put_part(table[:40], 20) == 0  # nothing is held of it
    aurora.put_table(table)
    with refused("too_early"):
        auditor = world.members[world.record().state.parties.auditors[0]]
        auditor.ask_pool("Table", wire.TableRequest(epoch_id=auditor.context.epoch_id, institution="aurora"))
