"""The rules of membership, the chain of decisions, the registrar and what runs show: without a network."""

from __future__ import annotations

import io
import ipaddress
import json
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from federation.enrolment import Application
from federation.errors import LedgerError, Refused
from federation.runtime.database import open_engine, writing
from federation.runtime.node_keys import flower_public_pem, new_flower_key
from federation.runtime.rate_limit import MAX_CALLERS, RateLimit, origin
from protocols.signing import SigningKey
from server.membership import ALIVE, Membership, MembershipError, State
from server.membership_store import MembershipStore
from server.registrar import FULL_CHECK_S, Registrar
from server.runs import read_run
from server.train_progress import notable, watching

NODE_KEYS = [new_flower_key()[1] for _ in range(4)]


def applied(name: str, seed: int, nonce: int = 0) -> Application:
    return Application(
        institution=name,
        key=SigningKey.from_seed(bytes([seed]) * 32).public,
        request=b"csr",
        node_key=NODE_KEYS[seed],
        witness_key=SigningKey.from_seed(bytes([seed + 100]) * 32).public,
        catalogue_hash="00" * 32,
        features=("income",),
        nominal_records=100,
        envelope=f"{name} {seed} {nonce}".encode(),
    )


def sign(member: Membership) -> bytes:
    return f"certificate of {member.institution}".encode()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["apply", "admit", "reject", "revoke"]),
        st.sampled_from(["bank-a", "bank-b"]),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=25,
)


def step(store: MembershipStore, action: str, name: str, seed: int, nonce: int, now_ms: int) -> None:
    if action == "apply":
        store.apply(applied(name, seed, nonce), now_ms, pending_limit=2)
    elif action == "admit":
        store.admit(name, applied(name, seed).fingerprint, sign, now_ms)
    elif action == "reject":
        store.reject(name, "", now_ms)
    else:
        store.revoke(name, "", now_ms)


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_order_no_rule_is_broken(steps: list[tuple[str, str, int, int]]) -> None:
    store = MembershipStore.open("sqlite://")
    done = 0
    for now_ms, (action, name, seed, nonce) in enumerate(steps):
        before = store.all()
        try:
            step(store, action, name, seed, nonce, now_ms)
            done += store.all() != before
        except Refused:
            assert store.all() == before
        known = store.all()
        alive = [member for member in known if member.state in ALIVE]
        admitted = [member for member in alive if member.state is State.ADMITTED]
        assert len({member.institution for member in admitted}) == len(admitted)
        assert len({member.key for member in alive}) == len(alive)
        assert not {m.key for m in alive} & {m.key for m in known if m.state is State.REVOKED}
        assert all(
            (member.certificate is None) == (member.state in (State.PENDING, State.REJECTED)) for member in known
        )
        assert sum(member.state is State.PENDING for member in known) <= 2
    assert len(store.events()) >= done  # an admission decides about its rivals too
    store.close()


def test_decisions_are_append_only(database_url: str) -> None:
    store = MembershipStore.open(database_url)
    store.apply(applied("bank-a", 0), 1)
    store.admit("bank-a", applied("bank-a", 0).fingerprint, sign, 2)
    store.close()
    engine = open_engine(database_url)
    for statement in ("DELETE FROM membership_events", "UPDATE membership_events SET text = ''"):
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize("damage", ["text = replace(text, 'bank-a', 'bank-b')", "hash = '" + "0" * 64 + "'"])
def test_a_rewritten_decision_is_noticed(tmp_path: Path, damage: str) -> None:
    store = MembershipStore.open(f"sqlite:///{tmp_path / 'c.db'}")
    store.apply(applied("bank-a", 0), 1)
    store.reject("bank-a", "", 2)
    with sqlite3.connect(tmp_path / "c.db") as connection:
        connection.execute("DROP TRIGGER membership_events_no_update")
        connection.execute(f"UPDATE membership_events SET {damage} WHERE sequence = 0")
    with pytest.raises(MembershipError, match="does not follow"):
        store.events()
    store.close()


def test_a_certificate_that_cannot_be_signed_admits_nobody(database_url: str) -> None:
    store = MembershipStore.open(database_url)
    store.apply(applied("bank-a", 0), 1)

    def fail(_member: Membership) -> bytes:
        raise LedgerError("authority", got="no key", expected="one")

    with pytest.raises(LedgerError):
        store.admit("bank-a", applied("bank-a", 0).fingerprint, fail, 2)
    assert store.admitted() == ()
    assert [event["kind"] for event in store.events()] == ["applied"]


@pytest.mark.parametrize("action", ["admit", "reject", "revoke"])
def test_a_name_nobody_applied_for(action: str) -> None:
    with pytest.raises(Refused) as caught:
        step(MembershipStore.open("sqlite://"), action, "bank-a", 0, 0, 1)
    assert caught.value.code == "unknown"


@given(st.integers(0, 2**64 - 1), st.integers(1, 65535))
def test_a_network_of_ipv6_addresses_is_one_caller(host: int, port: int) -> None:
    address = ipaddress.IPv6Address((0x20010DB8 << 96) + host)
    assert origin(f"ipv6:%5B{address}%5D:{port}") == "2001:db8::/64"
    other = ipaddress.IPv6Address((0x20010DB8 << 96) + 2**64 + host)
    assert origin(f"ipv6:%5B{other}%5D:{port}") == "2001:db8:0:1::/64"


@pytest.mark.parametrize("peer", ["", "ipv4", "unix:/tmp/s", "ipv6:[zz]:1", "ipv4:1.2.3:4", "x" * 200])
def test_a_peer_without_an_address_is_a_caller_of_its_own(peer: str) -> None:
    assert origin(peer) == peer[:64]


@given(st.lists(st.floats(0, 100), max_size=60))
def test_a_bucket_never_gives_more_than_it_holds(times: list[float]) -> None:
    limit = RateLimit(burst=5, per_second=2.0)
    allowed = [now for now in sorted(times) if limit.allows("caller", now)]
    for first, start in enumerate(allowed):
        for count, end in enumerate(allowed[first:], start=1):
            assert count <= 5 + 2.0 * (end - start) + 1e-6


def test_callers_are_forgotten_oldest_first() -> None:
    limit = RateLimit(burst=1, per_second=0.0)
    assert limit.allows("first", 0.0)
    for number in range(MAX_CALLERS):
        limit.allows(str(number), 0.0)
    assert limit.allows("first", 0.0)
    assert not limit.allows(str(MAX_CALLERS - 1), 0.0)


class FakeNodes:
    def __init__(self) -> None:
        self.known: dict[bytes, int] = {}
        self.away = False
        self.calls = 0

    def nodes(self) -> dict[bytes, int]:
        self.calls += 1
        if self.away:
            raise LedgerError("control", got="no answer", expected="one")
        return dict(self.known)

    def register(self, public_key: bytes, name: str) -> int:
        self.known[public_key] = len(self.known)
        return self.known[public_key]

    def unregister(self, node_id: int) -> None:
        self.known = {key: number for key, number in self.known.items() if number != node_id}


def test_the_superlink_follows_the_roster(database_url: str) -> None:
    store, nodes = MembershipStore.open(database_url), FakeNodes()
    registrar = Registrar(store.admitted, lambda: nullcontext(nodes))
    for seed, name in enumerate(("bank-a", "bank-b")):
        store.apply(applied(name, seed), 1)
        store.admit(name, applied(name, seed).fingerprint, sign, 2)
    nodes.away = True
    assert not registrar.tick(0.0)
    nodes.away = False
    assert registrar.tick(1.0)
    assert set(nodes.known) == {flower_public_pem(NODE_KEYS[0]), flower_public_pem(NODE_KEYS[1])}
    calls = nodes.calls
    assert registrar.tick(2.0)
    assert nodes.calls == calls
    store.revoke("bank-a", "", 3)
    assert registrar.tick(3.0)
    assert set(nodes.known) == {flower_public_pem(NODE_KEYS[1])}
    nodes.known.clear()  # a SuperLink that lost its database
    assert registrar.tick(4.0 + FULL_CHECK_S)
    assert set(nodes.known) == {flower_public_pem(NODE_KEYS[1])}


EVENTS = [
    {"event": "approved", "at": 1.0, "plan": "ab" * 32},
    {"event": "round", "phase": "train", "round": 1, "refused": {"bank-b": "not_finite"}, "silent": ["bank-c"]},
    {"event": "averaged", "at": 2.0, "round": 1, "seconds": 1.0},
]


def a_run(folder: Path, *events: dict[str, object]) -> Path:
    plan = {
        "privacy": {"rounds": 3, "epsilon": 1.0, "delta": 1e-5},
        "members": [{"institution": "bank-a"}, {"institution": "bank-b"}],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"torn')
    return folder


def test_a_run_as_its_folder_shows_it(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text(json.dumps({"round": 1, "plan_hash": "ab" * 32}))
    run = read_run(a_run(tmp_path, *EVENTS))
    assert (run.state, run.round, run.rounds, run.started, run.updated) == ("running", 1, 3, 1.0, 2.0)
    failed = read_run(a_run(tmp_path, *EVENTS, {"event": "failed", "where": "round 2", "got": "1 answer"}))
    assert (failed.state, failed.detail) == ("failed", "round 2: got 1 answer")
    (tmp_path / "model.json").write_text("{}")
    done = read_run(a_run(tmp_path, *EVENTS, {"event": "done", "model": "cd" * 32}))
    assert (done.state, done.model_hash) == ("done", "cd" * 32)
    assert read_run(a_run(tmp_path)).state == "prepared"


def test_what_a_person_is_told_of_a_run() -> None:
    lines = [line for event in EVENTS for line in notable(event, every_round=True)]
    assert lines == [
        "plan abababababababab approved by every member",
        "round 1: bank-b not counted (not_finite)",
        "round 1: no answer from bank-c",
        "round 1 averaged in 1.0 s",
    ]
    others = [
        {"event": "lost", "state": "failed"},
        {"event": "refused", "institution": "bank-a", "code": "late"},
        {"event": "resumed", "round": 2},
        {"event": "resumed", "round": 0},
    ]
    assert len([line for event in others for line in notable(event, every_round=False)]) == 3


def test_a_refusal_is_told_with_its_place_and_a_wait_with_its_names() -> None:
    refusal = {"event": "refused", "institution": "bank-c", "code": "refused", "got": "20.0", "expected": "at most 3.0"}
    events = [
        refusal | {"where": "outside_policy: plan.privacy.epsilon"},
        refusal | {"where": "approval_pending: plan"},
        {"event": "waiting", "silent": ["bank-c"], "undecided": ["bank-b"], "seconds": 20},
        {"event": "waiting", "silent": ["bank-c"], "undecided": [], "seconds": 30},
    ]
    assert [line for event in events for line in notable(event, every_round=True)] == [
        "bank-c refused: outside_policy: plan.privacy.epsilon: got 20.0, expected at most 3.0",
        "waiting for bank-c (no answer), bank-b (a person decides), 20 s",
        "there: `fedscore institution partners` (whose keys are not accepted), `fedscore institution plans`",
        "waiting for bank-c (no answer), 30 s",
    ]


def test_names_cannot_paint_the_terminal() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    with watching(3, console) as watch:
        watch({"event": "refused", "institution": "[bold]x", "code": "late"})
        watch({"event": "averaged", "round": 2, "seconds": 1.0})
    assert "[bold]x refused: late" in console.export_text()
