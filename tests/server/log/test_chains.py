"""What is logged of a ledger is its next entry, whatever its institution signs."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from log_world import BANKS, COORDINATOR, witness_key, world

from federation.errors import Refused
from federation.ledger import Caps, Ledger
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import SignedEntry, genesis, sign_entry
from federation.oversight.members import MemberStatement
from federation.oversight.reservations import logged
from protocols.signing import SigningKey
from protocols.transparency import Entry
from server.log import LogHost
from server.log.chains import Chains

A, B = BANKS["bank-a"], BANKS["bank-b"]
CAPS = Caps(run=1.0, year=2.0, lifetime=3.0, delta=1e-5)


def ledger(institution: str = "bank-a", key: SigningKey = A, entries: int = 4) -> list[SignedEntry]:
    """Refusals: an honest ledger without any accounting."""
    made = Ledger.in_memory(institution=institution, key=key, caps=CAPS)
    return [made.refuse(f"late_{number}", "deadline", got=1, expected=0) for number in range(entries)]


def fork(signed: SignedEntry, **changes: object) -> Entry:
    """Another entry in its place, as well signed."""
    entry: LedgerEntry = replace(signed.entry, code_version="another", **changes)  # type: ignore[arg-type]
    return logged(sign_entry(entry, A))


@pytest.fixture
def host(tmp_path: Path) -> LogHost:
    return world(f"sqlite:///{tmp_path / 'log.db'}")


def test_a_ledger_is_logged_in_its_order_and_may_be_sent_again(host: LogHost) -> None:
    entries = [logged(signed) for signed in ledger()]
    promises = host.append_for("bank-a", A.public, entries[:3])
    assert host.append_for("bank-a", A.public, entries[:1]) == promises[:1]
    again = host.append_for("bank-a", A.public, entries)
    assert again[:3] == promises
    assert [promise.index for promise in again] == list(range(again[0].index, again[0].index + 4))
    others = [logged(signed) for signed in ledger("bank-b", B)]
    assert len(host.append_for("bank-b", B.public, others)) == 4


def test_without_the_check_a_broken_chain_stands_in_the_log_for_good(host: LogHost) -> None:
    first, second, *_ = ledger()
    host.store.extend([logged(first), fork(second), logged(second)])
    assert host.store.size() == 7


def broken() -> dict[str, list[Entry]]:
    first, second, third, _ = ledger()
    return {
        "not the first": [logged(second)],
        "one left out": [logged(first), logged(third)],
        "another first entry": [logged(first), fork(first)],
        "another entry of the same number": [logged(first), logged(second), fork(second)],
        "one that points elsewhere": [logged(first), fork(second, previous="0" * 64)],
        "a number behind the next": [logged(first), fork(second, sequence=9)],
        "the beginning of another's chain": [fork(first, previous=genesis("bank-b"))],
    }


@pytest.mark.parametrize("name", broken())
def test_what_is_not_the_next_entry_is_refused(host: LogHost, name: str) -> None:
    *before, wrong = broken()[name]
    size = host.store.size()
    with pytest.raises(Refused, match=r"ledger-entry\.previous") as refused:
        host.append_for("bank-a", A.public, [*before, wrong])
    assert refused.value.code == "invalid"
    assert host.store.size() == size
    if before:
        host.append_for("bank-a", A.public, before)
    with pytest.raises(Refused, match=r"ledger-entry\.previous"):
        host.append_for("bank-a", A.public, [wrong])


def test_a_log_that_starts_again_knows_where_ledgers_end(host: LogHost) -> None:
    entries = ledger(entries=6)
    host.append_for("bank-a", A.public, [logged(signed) for signed in entries[:5]])
    chains = Chains(host.store)
    with pytest.raises(Refused):
        chains.check([fork(entries[4])])
    chains.check([logged(entries[5])])


def test_of_two_next_entries_at_once_one_is_logged(host: LogHost) -> None:
    first, second, *_ = ledger()
    host.append_for("bank-a", A.public, [logged(first)])
    refused: list[Refused] = []

    def say(entry: Entry) -> None:
        try:
            host.append_for("bank-a", A.public, [entry])
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=say, args=(fork(second, error=f"{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 7
    assert host.store.size() == 6


def test_nothing_is_logged_of_a_member_before_the_log_names_it(tmp_path: Path) -> None:
    """Admitted a moment ago, and not said yet: an entry before that would fail every later verification."""
    host = world(f"sqlite:///{tmp_path / 'log.db'}")
    late = SigningKey.from_seed(bytes([77]) * 32)
    first, before = logged(ledger("bank-x", late)[0]), host.store.size()
    for institution, key, entry in (("bank-x", late, first), ("bank-a", late, logged(ledger("bank-a", late)[0]))):
        with pytest.raises(Refused, match="names"):
            host.append_for(institution, key.public, [entry])
    assert host.store.size() == before
    said = MemberStatement("bank-x", late.public.hex, witness_key(9).public.key.hex, 1000, "admitted")
    host.store.extend([said.entry(COORDINATOR)])
    assert host.append_for("bank-x", late.public, [first])[0].index == before + 1
