"""The log takes a handover from whoever holds both keys, and once; and asks the right witness at every size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from log_world import (
    BANKS,
    COORDINATOR,
    REGULATOR,
    WITNESSES,
    Clock,
    Witness,
    have_cosigned,
    said,
    witness_key,
)

from federation.errors import Refused
from federation.oversight.handover import HANDOVER, hand_over
from federation.oversight.members import MemberStatement
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, WitnessKey, open_checkpoint
from server.log import LogHost, Which
from server.log.log_host import PATIENCE_S

NEW = witness_key(7)


def signing(key: WitnessKey) -> SigningKey:
    return SigningKey.from_pem(key.to_pem())


def handed(old: WitnessKey, new: WitnessKey) -> Entry:
    return hand_over(COORDINATOR.public, signing(old), signing(new))


def logged(host: LogHost) -> int:
    return len(host.store.entries(0, 1000, HANDOVER).entries)


def size(host: LogHost, which: Which, after: int = 0) -> int:
    note = host.note(which, after)
    return -1 if note is None else open_checkpoint(note, host.key).size


def test_the_successor_is_asked_for_what_covers_it_and_what_was_first_stays_first(host: LogHost, clock: Clock) -> None:
    host.tick()
    witnesses = [Witness(key) for key in WITNESSES]
    have_cosigned(host, witnesses)
    promise = host.append_of_regulator(handed(WITNESSES[0], NEW))
    assert (promise.index, size(host, Which.FIRST_COSIGNED)) == (4, 4)
    clock.now += PATIENCE_S
    host.tick()
    note = host.note(Which.CANDIDATE)
    assert note is not None
    with pytest.raises(Refused, match="witness of this log"):
        host.cosign(witnesses[0].cosign(host.store, note))
    have_cosigned(host, witnesses[1:])  # three of four, and no regulator
    assert size(host, Which.COSIGNED) == 4
    have_cosigned(host, [Witness(NEW)])
    assert (size(host, Which.COSIGNED), size(host, Which.FIRST_COSIGNED)) == (5, 4)
    assert size(host, Which.FIRST_COSIGNED, 4) == 5
    again = LogHost(host.store, host.key, COORDINATOR.public)  # a process that starts now
    again.tick()
    assert (size(again, Which.COSIGNED), size(again, Which.FIRST_COSIGNED)) == (5, 4)


def test_a_candidate_from_before_still_asks_for_the_old_key(host: LogHost) -> None:
    host.tick()
    host.append_of_regulator(handed(WITNESSES[0], NEW))
    have_cosigned(host, [Witness(key) for key in WITNESSES[:3]])
    assert size(host, Which.COSIGNED) == 4


def test_the_same_has_its_promise_again_and_another_is_refused(host: LogHost) -> None:
    first = host.append_of_regulator(handed(WITNESSES[0], NEW))
    assert host.append_of_regulator(handed(WITNESSES[0], NEW)) == first
    for other in (witness_key(8), WITNESSES[1]):
        with pytest.raises(MessageError, match=r"handover\.old"):
            host.append_of_regulator(handed(WITNESSES[0], other))
    assert logged(host) == 1


def test_nobody_else_hands_over(host: LogHost) -> None:
    for old in (WITNESSES[1], witness_key(9), WitnessKey.from_pem(REGULATOR.to_pem())):
        with pytest.raises(MessageError, match=r"handover\.old"):
            host.append_of_regulator(handed(old, NEW))
    changed = handed(WITNESSES[0], NEW).body.replace(
        NEW.public.key.hex.encode(), witness_key(8).public.key.hex.encode()
    )
    with pytest.raises(SignatureError):
        host.append_of_regulator(Entry(HANDOVER, changed))
    with pytest.raises(Refused, match=r"entry\.kind"):  # a member's door is not the regulator's
        host.append_for("bank-a", BANKS["bank-a"].public, [handed(WITNESSES[0], NEW)])
    assert logged(host) == 0


def test_whoever_says_again_what_is_logged_does_not_take_the_regulators_turns(host: LogHost) -> None:
    """Every entry is public: a stranger says it as often as nobody may say anything new."""
    beacon, following = (said("beacon", REGULATOR, size=size).entry for size in (4, 5))
    handover = handed(WITNESSES[0], NEW)
    promises = [host.append_of_regulator(entry) for entry in (beacon, handover)]
    for _ in range(2100):
        assert [host.append_of_regulator(entry) for entry in (beacon, handover)] == promises
    assert host.append_of_regulator(following).index == 6


def test_a_stranger_waits_for_no_lock(host: LogHost) -> None:
    """What no two keys signed is refused while somebody else holds the log's lock."""
    forged = handed(WITNESSES[0], NEW).body.replace(NEW.public.key.hex.encode(), witness_key(8).public.key.hex.encode())
    with ThreadPoolExecutor(1) as pool, host._lock:
        refused = pool.submit(host.append_of_regulator, Entry(HANDOVER, forged)).exception(60.0)
    assert isinstance(refused, SignatureError)


def test_a_handover_is_held_against_what_is_said_between_check_and_append(host: LogHost) -> None:
    """The coordinator admits a member under the heir's key in that moment: a strict reader would refuse the handover
    for ever."""
    public = NEW.public.key.hex
    landing = [MemberStatement("bank-d", SigningKey.from_seed(bytes([4]) * 32).public.hex, public, 1000, "admitted")]

    def clock() -> float:  # asked when the entry is counted, behind the check
        if landing:
            host.store.extend([landing.pop().entry(COORDINATOR)])
        return 0.0

    other = LogHost(host.store, host.key, COORDINATOR.public, clock=clock)
    with pytest.raises(MessageError, match=r"handover\.new"):
        other.append_of_regulator(handed(WITNESSES[0], NEW))
    assert logged(host) == 0


def test_what_else_is_logged_meanwhile_delays_no_handover(host: LogHost) -> None:
    busy = LogHost(host.store, host.key, COORDINATOR.public, clock=lambda: float(host.store.append("x", b"{}").index))
    assert busy.append_of_regulator(handed(WITNESSES[0], NEW)).index == 5
    assert logged(host) == 1


def test_a_witness_of_a_member_that_came_meanwhile_is_not_taken(host: LogHost) -> None:
    public = NEW.public.key.hex
    said = MemberStatement("bank-d", SigningKey.from_seed(bytes([4]) * 32).public.hex, public, 1000, "admitted")
    host.store.extend([said.entry(COORDINATOR)])
    with pytest.raises(MessageError, match=r"handover\.new"):
        host.append_of_regulator(handed(WITNESSES[0], NEW))
    assert logged(host) == 0
