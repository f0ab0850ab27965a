"""Signed results in HOME/audits reach the log, each once, whatever was lost on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from logged_member import MemberWorld, member_world

from clients.institution.audits import kept
from clients.institution.oversight.statements import Statements
from federation.oversight.cases import CaseStep, Event, commitment, first_previous
from federation.runtime.private_files import private_directory, write_public
from protocols.signing import SigningKey
from protocols.transparency import Entry, Promise, Statement, VerifierKey, verify_promise

KIND = "audit-result"


@pytest.fixture
def member(tmp_path: Path) -> Iterator[MemberWorld]:
    with member_world(tmp_path) as world:
        yield world


def result(member: MemberWorld, number: int, key: SigningKey | None = None) -> Entry:
    content = {"institution": member.home.name, "number": number}
    entry = Statement.sign(KIND, content, key or member.home.signing_key).entry
    write_public(private_directory(member.home.path / "audits") / f"{entry.hash.hex()}.json", entry.data, mode=0o600)
    return entry


def flush(member: MemberWorld) -> int:
    with member.client() as log:
        return Statements(member.home.path, VerifierKey.of(member.home.log_key), time.time).flush(log)


def test_results_are_promised_and_the_promise_is_kept_beside_them(member: MemberWorld) -> None:
    assert flush(member) == 0
    entries = [result(member, 1), result(member, 2)]
    assert flush(member) == 2
    assert set(member.logged(KIND)) == {entry.body for entry in entries}
    for entry in entries:
        path = member.home.path / "audits" / f"{entry.hash.hex()}.promise"
        promise = Promise.decode(path.read_bytes())
        verify_promise(promise, entry.hash, VerifierKey.of(member.home.log_key), time.time())
    assert {entry.hash for entry in kept(member.home)} == {entry.hash for entry in entries}
    assert flush(member) == 0


def test_a_lost_promise_is_asked_for_again_and_the_log_has_the_result_once(member: MemberWorld) -> None:
    entry = result(member, 1)
    flush(member)
    path = member.home.path / "audits" / f"{entry.hash.hex()}.promise"
    first = path.read_bytes()
    path.unlink()
    assert flush(member) == 1
    assert path.read_bytes() == first
    assert len(member.logged(KIND)) == 1


def test_what_the_log_refuses_or_cannot_be_read_holds_up_nothing_else(member: MemberWorld) -> None:
    result(member, 1, SigningKey.from_seed(b"x" * 32))
    write_public(member.home.path / "audits" / f"{'00' * 32}.json", b"no entry", mode=0o600)
    good = result(member, 2)
    statements = Statements(member.home.path, VerifierKey.of(member.home.log_key), time.time)
    with member.client() as log:
        assert [statements.flush(log), statements.flush(log)] == [1, 0]
    assert member.logged(KIND) == [good.body]


def test_steps_of_cases_go_to_the_log_when_their_day_is_over_everywhere(member: MemberWorld) -> None:
    """Sent at once, the log's checkpoints would tell the minute at which somebody was at a desk."""
    day, midnight = date(2030, 3, 17), datetime(2030, 3, 17, tzinfo=UTC).timestamp()
    step = CaseStep(
        institution=member.home.name,
        sequence=1,
        previous=first_previous(member.home.name),
        case="ab" * 16,
        event=Event.OPENED,
        day=day.isoformat(),
        due=day.isoformat(),
        commitment=commitment(bytes(32), {}),
    )
    folder = private_directory(member.home.path / "cases")
    write_public(folder / "00000001.json", step.sign(member.home.signing_key).data, mode=0o600)
    write_public(folder / "00000002.json", Statement.sign("case", {}, member.home.signing_key).entry.data, mode=0o600)
    sent = []
    for hours in (0, 9, 23, 35.9, 36.1):

        def clock(hours: float = hours) -> float:
            return midnight + hours * 3600

        with member.client() as log:
            sent.append(Statements(member.home.path, VerifierKey.of(member.home.log_key), clock).flush(log))
    assert sent == [0, 0, 0, 0, 1]
    assert len(member.logged("case")) == 1
