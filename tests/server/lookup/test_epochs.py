"""The order of an epoch: whatever comes in whatever order, the barriers hold, and who is missing is named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ConfigurationError, Refused
from server.lookup.epochs import KINDS, POOL, RELAY, Code, Epoch, Parties, Phase

MEMBERS = ("a", "b", "c", "d")
AUDITORS = ("b", "d")
EVERYBODY = (*MEMBERS, RELAY, POOL)
LINE = {
    **dict.fromkeys(("propose", "roster", "header", "layout", "epoch"), (RELAY,)),
    **dict.fromkeys(("commit", "reveal", "enrolled", "secrets", "report", "sign", "table", "dummies"), MEMBERS),
    **dict.fromkeys(("rows", "opening"), AUDITORS),
    **dict.fromkeys(("stored", "open"), (POOL,)),
}
ORDER = [
    *("propose", "commit", "reveal", "roster", "enrolled", "secrets", "header", "report", "layout", "sign", "epoch"),
    *("table", "stored", "dummies", "rows", "opening", "open"),
]


def epoch(*, new_keys: bool = True) -> Epoch:
    return Epoch(Parties(MEMBERS, AUDITORS, new_keys=new_keys))


def advance(state: Epoch, upto: str | None = None) -> Epoch:
    """Everything that is owed, until `upto` is due or nobody owes anything."""
    while state.waiting and state.waiting[0].kind != upto:
        wait = state.waiting[0]
        state = state.after(wait.kind, wait.party)
    return state


def opened() -> Epoch:
    return advance(epoch())


def test_a_blob_is_taken_from_whoever_owes_the_step_that_names_it_and_at_no_other_time() -> None:
    state = epoch()
    taken: set[tuple[str, str]] = set()
    codes: set[tuple[bool, str]] = set()

    def look() -> None:
        for party in MEMBERS:
            try:
                state.check_upload(party)
            except Refused as refused:
                codes.add((state.closing, str(refused.code)))
            else:
                taken.update((kind, party) for kind in state.owed(party))

    while state.phase is not Phase.CLOSED:
        look()
        wait = state.waiting[0] if state.waiting else None
        state = state.after(wait.kind, wait.party) if wait else state.after("close", RELAY)
    look()
    assert codes == {(False, "not_expected"), (True, "closed")}
    assert taken == {(kind, party) for kind in ("report", "evaluated", "handovers") for party in MEMBERS} | {
        (kind, party) for kind in ("rows", "verdicts") for party in AUDITORS
    }


@pytest.mark.parametrize("new_keys", [True, False])
def test_an_epoch_passes_every_barrier_in_the_one_order(new_keys: bool) -> None:
    state = epoch(new_keys=new_keys)
    seen: list[str] = []
    while state.waiting:
        due = {wait.kind for wait in state.waiting}
        assert len(due) == 1
        if not seen or seen[-1] not in due:
            seen.append(due.pop())
            assert {wait.party for wait in state.waiting} == set(LINE[seen[-1]])
        state = state.after(state.waiting[-1].kind, state.waiting[-1].party)
    assert seen == [kind for kind in ORDER if new_keys or kind not in ("commit", "reveal")]
    assert state.phase is Phase.OPEN
    assert state.opened


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_only_what_is_owed_is_taken_whatever_is_tried(data: st.DataObject) -> None:
    state, said = epoch(new_keys=data.draw(st.booleans())), []
    for _ in range(data.draw(st.integers(0, 60))):
        kind, party = data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(EVERYBODY))
        special = kind == "close" and party == RELAY and state.has("propose") and not state.closing
        due = kind in state.owed(party) or special
        if due:
            before = state
            state = state.after(kind, party)
            said.append((kind, party))
            assert before.said < state.said
            with pytest.raises(Refused) as twice:
                state.after(kind, party)
            assert twice.value.code == Code.CONFLICT
        else:
            with pytest.raises(Refused):
                state.after(kind, party)
        go_on: bool = data.draw(st.booleans())
        if state.waiting and go_on:
            said.append((state.waiting[0].kind, state.waiting[0].party))
            state = state.after(*said[-1])
    assert epoch(new_keys=state.parties.new_keys).replay(said) == state  # a process that starts anew is where it was
    table_without_epoch = any(kind == "table" for kind, _ in state.said) and not state.has("epoch")
    assert not table_without_epoch
    if state.has("open", POOL):
        assert {party for kind, party in state.said if kind == "opening"} == set(AUDITORS)
        assert {party for kind, party in state.said if kind == "sign"} == set(MEMBERS)


@given(st.permutations(MEMBERS))
def test_the_order_in_which_members_speak_does_not_matter(order: list[str]) -> None:
    state = epoch().after("propose", RELAY)
    for kind in ("commit", "reveal"):
        for name in order:
            state = state.after(kind, name)
    assert [(wait.party, wait.kind) for wait in state.waiting] == [(RELAY, "roster")]


def test_a_missing_member_blocks_and_is_named() -> None:
    state = advance(epoch(), "table")
    for name in ("a", "c", "d"):
        state = state.after("table", name)
    assert state.phase is Phase.TABLES
    assert [(wait.party, wait.kind) for wait in state.waiting] == [("b", "table")]
    with pytest.raises(Refused) as refusal:
        state.after("stored", POOL)
    assert refusal.value.code == Code.TOO_EARLY


def test_an_opened_epoch_is_settled_then_erased_the_relay_last() -> None:
    state, seen = opened().after("close", RELAY), []
    assert state.phase is Phase.CLOSING
    while state.waiting:
        wait = state.waiting[0]
        seen.append((wait.kind, wait.party))
        state = state.after(wait.kind, wait.party)
    kinds = [kind for kind, _ in seen]
    assert kinds == ["evaluated"] * 4 + ["handovers"] * 4 + ["verdicts"] * 2 + ["erased"] * 6
    assert seen[-1] == ("erased", RELAY)
    assert state.phase is Phase.CLOSED


@pytest.mark.parametrize(("due", "pool"), [("reveal", False), ("sign", False), ("table", True), ("opening", True)])
def test_an_epoch_that_never_opened_is_only_erased(due: str, pool: bool) -> None:
    state = advance(epoch(), due).after("close", RELAY)
    with pytest.raises(Refused) as late:
        state.after(due, "b")
    assert late.value.code == Code.CLOSED
    owed = {wait.party for wait in state.waiting}
    assert {wait.kind for wait in state.waiting} == {"erased"}
    assert owed == {*MEMBERS, *([POOL] if pool else [])}


def test_nobody_waits_in_the_closing_for_a_member_that_left() -> None:
    with pytest.raises(Refused):
        opened().after("left", "b")  # before: an epoch without a member would show its values by difference
    state = opened().after("close", RELAY).after("left", "b")
    assert "b" not in {wait.party for wait in state.waiting}
    assert advance(state).phase is Phase.CLOSED


@pytest.mark.parametrize(
    ("members", "auditors"),
    [(("a", "b"), ("a",)), (("b", "a", "c"), ("a",)), (MEMBERS, ()), (MEMBERS, ("x",)), (("a", "b", "pool"), ("a",))],
)
def test_parties_that_cannot_hold_an_epoch_are_refused(members: tuple[str, ...], auditors: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        Parties(members, auditors)
