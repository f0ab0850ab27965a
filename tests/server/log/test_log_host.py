"""One candidate for all witnesses, who may have what logged, and who is woken when."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from log_samples import KIND, body, url_of
from log_world import (
    BANKS,
    COORDINATOR,
    KEY,
    NOW,
    REGULATOR,
    WITNESSES,
    Clock,
    Witness,
    have_cosigned,
    said,
    witness_key,
    world,
)
from logged_member import release
from rounds_world import toy_accountant

from federation.errors import Refused
from federation.ledger import Caps, Ledger
from federation.oversight.members import MemberStatement, RegulatorStatement
from federation.oversight.reservations import logged
from federation.runtime.rate_limit import RateLimit
from protocols.canonical import canonical
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, open_checkpoint
from server.log import LogHost, Which
from server.log.admission import MAX_BODY_BYTES, MEMBER_KINDS, REGULATOR_KINDS
from server.log.log_host import PATIENCE_S, SPACING_S

A = BANKS["bank-a"]


def size(note: bytes | None) -> int:
    return -1 if note is None else open_checkpoint(note, KEY.public).size


def log_more(host: LogHost, name: object) -> None:
    host.store.append(KIND, body(name))


def test_no_smaller_checkpoint_gets_a_quorum_afterwards(host: LogHost, clock: Clock) -> None:
    """Or whoever kept a cosignature back could exchange the first checkpoint that covers an entry."""
    witnesses = [Witness(key) for key in WITNESSES]
    host.tick()
    first = have_cosigned(host, witnesses[:2])
    late = witnesses[2].cosign(host.store, first)
    log_more(host, "more")
    clock.now += PATIENCE_S
    host.tick()
    have_cosigned(host, witnesses[:3])
    assert size(host.note(Which.FIRST_COSIGNED)) == 5
    assert host.cosign(late) == [WITNESSES[2].name]  # an honest witness that was slow is not scolded
    assert size(host.note(Which.FIRST_COSIGNED)) == 5
    have_cosigned(host, witnesses[3:])  # of the newest they are all kept
    assert len(host.roster().quorum.times(host.note(Which.COSIGNED) or b"", KEY.public).times) == 4


def test_a_candidate_stays_until_a_quorum_has_cosigned_it(host: LogHost, clock: Clock) -> None:
    witnesses = [Witness(key) for key in WITNESSES]
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 4
    for number in range(5):
        log_more(host, number)
        host.tick()
    assert size(host.note(Which.CANDIDATE)) == 4  # however fast the log grows
    assert host.note(Which.COSIGNED) is None
    have_cosigned(host, witnesses[:2])
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 4
    have_cosigned(host, witnesses[2:3])
    assert size(host.note(Which.COSIGNED)) == 4
    clock.now += SPACING_S - 0.01
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 4  # however fast witnesses are
    clock.now += 0.02
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 9
    assert size(host.note(Which.CURRENT)) == 9
    assert size(host.note(Which.FIRST_COSIGNED, 3)) == 4
    assert host.note(Which.FIRST_COSIGNED, 4) is None


def test_witnesses_that_are_away_do_not_stop_the_log(host: LogHost, clock: Clock) -> None:
    host.tick()
    log_more(host, 1)
    clock.now += 4.9
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 4
    clock.now += 0.2
    host.tick()
    assert size(host.note(Which.CANDIDATE)) == 5
    # Whoever comes back cosigns the newest; what was passed over is covered by it.
    have_cosigned(host, [Witness(key) for key in WITNESSES[:3]])
    assert size(host.note(Which.COSIGNED)) == 5


def test_a_log_that_starts_again_knows_what_was_cosigned(host: LogHost, tmp_path: Path) -> None:
    host.tick()
    have_cosigned(host, [Witness(key) for key in WITNESSES[:3]])
    again = LogHost(host.store, KEY.public, COORDINATOR.public)
    again.tick()
    assert again.note(Which.COSIGNED) == host.note(Which.COSIGNED) != None  # noqa: E711
    assert again.note(Which.CANDIDATE) == host.note(Which.CANDIDATE)


def test_who_witnesses_is_what_the_log_says(host: LogHost) -> None:
    assert host.roster().quorum.size == 3
    member = MemberStatement("bank-c", BANKS["bank-c"].public.hex, WITNESSES[3].public.key.hex, 1000, "revoked")
    host.store.extend([member.entry(COORDINATOR)])
    host.tick()
    note = host.note(Which.CANDIDATE)
    assert note is not None
    with pytest.raises(Refused, match="none by a witness"):
        host.cosign(Witness(WITNESSES[3]).cosign(host.store, note))
    # Nobody but the coordinator names members; what somebody else says so is passed over.
    own = MemberStatement("bank-x", A.public.hex, A.public.hex, 1000, "admitted")
    host.store.extend([own.entry(A)])
    host.tick()
    assert set(host.roster().members) == {"bank-a", "bank-b"}


def test_a_coordinator_cannot_name_the_regulator_away(host: LogHost) -> None:
    """A regulator and witnesses of its own: their cosignatures are no quorum, and with the regulator's they are one."""
    others = [witness_key(number) for number in (10, 11, 12)]
    puppet = RegulatorStatement("regulator", A.public.hex, others[0].public.key.hex, "ef" * 32, 100)
    entries = [puppet.entry(COORDINATOR)]
    for name, witness in zip(BANKS, [*others[1:], None], strict=True):
        public = "" if witness is None else witness.public.key.hex
        entries.append(MemberStatement(name, BANKS[name].public.hex, public, 1000, "admitted").entry(COORDINATOR))
    host.store.extend(entries)
    host.tick()
    have_cosigned(host, [Witness(key) for key in others])
    host.tick()
    assert host.size_of(Which.COSIGNED) == -1
    have_cosigned(host, [Witness(WITNESSES[0])])
    host.tick()
    assert host.size_of(Which.COSIGNED) == 8


def test_waiters_are_woken_by_what_they_wait_for(tmp_path: Path) -> None:
    host = world(url_of(tmp_path))
    host._clock = time.monotonic
    host.tick()
    found: dict[Which, bytes | None] = {}

    def wait(which: Which) -> None:
        found[which] = host.wait(which, 3, time.monotonic() + 20, lambda: True)

    threads = [threading.Thread(target=wait, args=(which,)) for which in (Which.COSIGNED, Which.FIRST_COSIGNED)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    have_cosigned(host, [Witness(key) for key in WITNESSES[:3]])
    for thread in threads:
        thread.join(20)
    assert time.monotonic() - start < 10
    assert {size(note) for note in found.values()} == {4}
    assert size(host.wait(Which.COSIGNED, 4, time.monotonic() + 0.05, lambda: True)) == 4  # nothing newer came
    assert size(host.wait(Which.COSIGNED, 4, time.monotonic() + 60, lambda: False)) == 4  # nobody listens any more
    host.store.close()


def ledger_entry(institution: str, key: SigningKey) -> Entry:
    """The first reservation of a ledger of `institution` under `key`."""
    caps, clock = Caps(run=9.0, year=9.0, lifetime=9.0, delta=1e-5), lambda: datetime(2030, 1, 1, tzinfo=UTC)
    ledger = Ledger.open(
        "sqlite://", institution=institution, key=key, caps=caps, clock=clock, accountant=toy_accountant
    )
    ledger.reserve(release(1))
    [signed] = ledger.entries()
    ledger.close()
    return logged(signed)


def test_a_member_has_its_own_sayings_logged_and_nobody_elses(host: LogHost) -> None:
    own = said("replay-commitment", A, run_id="r", round=1).entry
    [promise] = host.append_for("bank-a", A.public, [own])
    assert host.append_for("bank-a", A.public, [own]) == [promise]
    ledger = ledger_entry("bank-a", A)
    assert host.append_for("bank-a", A.public, [ledger])[0].leaf_hash == ledger.hash
    before = host.store.size()
    b = BANKS["bank-b"]
    for entry, error in (
        (said("replay-commitment", b, run_id="r", round=1).entry, SignatureError),  # another's key
        (said("audit-result", A, institution="bank-b").entry, SignatureError),  # in another's name
        (said("draw", A, run_id="r").entry, Refused),  # the regulator's to say
        (said("member", A, institution="bank-a").entry, Refused),  # the coordinator's
        (Entry("lookup-leaf", canonical({"a": 1})), Refused),
        (ledger_entry("bank-b", A), SignatureError),  # another's ledger
        (ledger_entry("bank-a", b), SignatureError),  # under another's key
        (Entry("ledger-entry", ledger.body.replace(b'"reserve"', b'"spend"')), MessageError),
        (Entry("ledger-entry", own.body), MessageError),
        (Entry("ledger-entry", canonical({"entry": {}, "hash": "", "signature": ""})), MessageError),
        (Entry("audit-result", canonical({"content": {}, "signer": A.public.hex})), MessageError),
        (Entry("audit-result", own.body), SignatureError),  # a statement of another kind
        (said("audit-result", A, findings="x" * MAX_BODY_BYTES).entry, Refused),
    ):
        with pytest.raises(error):
            host.append_for("bank-a", A.public, [own, entry])
    assert host.store.size() == before
    with pytest.raises(Refused, match="1 to 64"):
        host.append_for("bank-a", A.public, [])
    with pytest.raises(Refused, match="1 to 64"):
        host.append_for("bank-a", A.public, [own] * 65)


def test_the_regulator_has_its_own_logged_and_nobody_elses(host: LogHost) -> None:
    promise = host.append_of_regulator(said("beacon", REGULATOR, size=4).entry)
    assert promise.index == 4
    for entry in (
        said("beacon", A, size=4).entry,
        said("beacon", COORDINATOR, size=4).entry,
        said("regulator", REGULATOR, name="me").entry,
        said("ledger-entry", REGULATOR).entry,
    ):
        with pytest.raises((Refused, ProtocolError)):
            host.append_of_regulator(entry)
    assert not MEMBER_KINDS & REGULATOR_KINDS


def test_before_a_regulator_is_named_nobody_speaks_for_one(tmp_path: Path) -> None:
    from server.log import LogStore

    store = LogStore.open(url_of(tmp_path), KEY, lambda: NOW)
    host = LogHost(store, KEY.public, COORDINATOR.public)
    with pytest.raises(Refused, match="none named"):
        host.append_of_regulator(said("beacon", REGULATOR, size=4).entry)
    host.tick()
    with pytest.raises(Refused):
        host.cosign(Witness(WITNESSES[0]).cosign(store, host.note(Which.CANDIDATE) or b""))
    assert host.note(Which.COSIGNED) is None
    store.close()


def test_a_member_cannot_fill_the_log(host: LogHost, clock: Clock) -> None:
    """So many at once and so many a second: each counts, whether it is new or not."""
    host._entries = RateLimit(burst=128, per_second=100.0)
    batch = [said("replay-commitment", A, number=number).entry for number in range(64)]
    for _ in range(2):
        host.append_for("bank-a", A.public, batch)
    with pytest.raises(Refused, match="more than allowed"):
        host.append_for("bank-a", A.public, batch[:1])
    b = BANKS["bank-b"]
    host.append_for("bank-b", b.public, [said("replay-commitment", b, number=1).entry])  # others are heard
    clock.now += 1
    host.append_for("bank-a", A.public, batch)
