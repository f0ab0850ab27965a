"""The private score query from first to last: real processes, real TLS, every answer against the plain sum.

One deployment serves the whole file: what costs is founding a federation, not asking it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lookup_deployment import PURPOSE, LookupDeployment

from clients.institution.lookup import publishing
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.customers import read_customers, scheme_of
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.querier import Querier
from clients.institution.lookup.questions import Question
from clients.institution.lookup.snapshot import Snapshot
from federation.errors import Refused
from federation.lookup.outcome import NoHit, Scored, ThinFile, Unavailable
from federation.lookup.record import STEPS
from federation.models import PublishedModel
from federation.runtime import rpc
from federation.scorecard import Scaling
from protocols.wire import lookup_pb2 as wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ENGINE = "lwe"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookupDeployment]:
    deployment = LookupDeployment.create(tmp_path_factory.mktemp("lookup"), persons=400)
    with deployment:
        deployment.open_epoch(ENGINE)
        _kill_while_publishing(deployment, "borealis", at=("commit", "sign", "table"))
        told = deployment.publish()
        assert {name: said["phase"] for name, said in told.items()} == dict.fromkeys(deployment.institutions, "open")
        yield deployment


def _kill_while_publishing(world: LookupDeployment, name: str, *, at: tuple[str, ...]) -> None:
    """Everybody publishes; `name` is killed (SIGKILL) as soon as its step of each kind is recorded, and comes again."""
    others = [world.start(other, "publish", "--model", world.model) for other in world.institutions if other != name]
    for kind in at:
        process = world.start(name, "publish", "--model", world.model)
        world.until(lambda kind=kind: world.said(kind, name), 150, f"{kind} of {name}")  # type: ignore[misc]
        process.kill()
        process.wait()
    for process in others:
        process.kill()
        process.wait()


def test_a_step_that_an_earlier_process_said_fails_nobody(
    world: LookupDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process sent may be recorded when the next one has read the record already."""
    home = world.institutions["borealis"]
    with RelayClient(home) as relay:
        seen = relay.view()
        assert not seen.more
        before = next(at for at, each in enumerate(seen.steps) if _is(each, "dummies", "borealis"))
        record = EpochRecord(home.coordinator_key, "borealis", home.signing_key.public)
        record.take(wire.EpochView(counter=seen.counter, phase="dummies", owed=["dummies"], steps=seen.steps[:before]))
        part = Part(home, relay, record, no_snapshot, clock=world.clock)
        assert publishing.say_what_is_owed(part) == ("dummies",)
        assert record.phase == "open"
        record.owed = ("verdicts",)  # which nobody said, and is not to be said now
        monkeypatch.setitem(publishing.STEPS, "verdicts", lambda part: {})
        with pytest.raises(Refused):
            publishing.say_what_is_owed(part)


def _is(recorded: wire.Recorded, kind: str, party: str) -> bool:
    step = wire.Step.FromString(recorded.step.body)
    return (step.kind, step.party) == (kind, party)


@pytest.fixture(scope="module")
def plain(world: LookupDeployment) -> dict[str, Snapshot]:
    """What each institution holds, read from its own file as nobody else may."""
    model = PublishedModel.read(world.model.read_bytes())
    return {name: read_customers(home, model, Scaling()) for name, home in world.institutions.items()}


def expected(world: LookupDeployment, plain: dict[str, Snapshot], subject: str) -> np.ndarray:
    """The plain sum of all members' quantised records, int64 [8]; zeros for a stranger."""
    identifier = scheme_of(next(iter(world.institutions.values()))).normalise(subject)
    total = np.zeros(8, np.int64)
    for snapshot in plain.values():
        if (found := snapshot.of(identifier)) is not None:
            total += found[0]
    return total


def test_every_answer_is_the_plain_sum(world: LookupDeployment, plain: dict[str, Snapshot]) -> None:
    known = world.subjects("aurora")[:12] + world.subjects("cassiopeia")[:8]
    subjects = [*known, *(f"nobody-{index}" for index in range(10))]
    with Querier.open(world.institutions["borealis"]) as querier:
        answers = list(querier.ask_many(Question(subject, PURPOSE) for subject in subjects))
    assert len({answer.leaf_hash for answer in answers}) == len(subjects)
    for subject, answer in zip(subjects, answers, strict=True):
        total = expected(world, plain, subject)
        assert answer.joint is not None, answer.outcome
        assert answer.joint.count == total[1]
        assert np.array_equal(np.array([answer.joint.evidence, *answer.joint.parts]) * STEPS, total[2:])
        kind = type(answer.outcome)
        assert kind is NoHit if total[1] == 0 else kind in (Scored, ThinFile)
    assert {type(answer.outcome) for answer in answers} >= {Scored, NoHit}


def test_the_command_line_asks_and_says_who_is_not_known(world: LookupDeployment, plain: dict[str, Snapshot]) -> None:
    subject = world.subjects("aurora")[0]
    told = world.query("cassiopeia", subject)
    assert told["exit"] == 0
    assert told["outcome"] == "scored"
    assert told["members"] == expected(world, plain, subject)[1]
    assert subject not in json.dumps(told)
    assert world.query("cassiopeia", "nobody")["outcome"] == "no_hit"


def test_a_file_of_questions_is_answered_in_order_and_private(world: LookupDeployment, tmp_path: Path) -> None:
    subjects = [*world.subjects("aurora")[3:6], "nobody"]
    batch, out = tmp_path / "questions.csv", tmp_path / "answers.csv"
    batch.write_text("subject,purpose\n" + "".join(f"{subject},{PURPOSE}\n" for subject in subjects))
    process = world.start("aurora", "query", "--batch", batch, "--out", out, "--json")
    told, errors = world.wait(process, 150)
    assert process.returncode == 0, errors.decode()
    assert json.loads(told) == {"scored": 3, "no_hit": 1}
    assert out.stat().st_mode & 0o777 == 0o600
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["subject"] for row in rows] == subjects
    assert [row["outcome"] for row in rows] == ["scored"] * 3 + ["no_hit"]


def test_another_purpose_is_refused_before_anything_is_logged(world: LookupDeployment) -> None:
    process = world.start("aurora", "query", "-", "--purpose", "marketing", stdin=b"nobody")
    _, errors = world.wait(process, 150)
    assert process.returncode == 1
    assert "purpose" in errors.decode()


def test_present_and_absent_send_the_same_bytes(world: LookupDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int]] = []
    real = rpc.ask

    def recorded(connection: Any, service: Any, method: str, request: Any, *, timeout: float) -> Any:
        reply = real(connection, service, method, request, timeout=timeout)
        sent.append((method, request.ByteSize()))
        return reply

    with Querier.open(world.institutions["borealis"]) as querier:
        querier.ask("warm", PURPOSE)
        monkeypatch.setattr(rpc, "ask", recorded)
        traffic = []
        for subject in (world.subjects("aurora")[0], "nobody"):
            sent.clear()
            assert querier.ask(subject, PURPOSE).available
            traffic.append(list(sent))
    assert traffic[0] == traffic[1]
    assert [method for method, _ in traffic[0]] == ["Append", "Ticket", "Query"]


@pytest.mark.parametrize("part", ["membership", "pool", "cassiopeia"])
def test_a_part_that_is_killed_comes_back_and_answers(world: LookupDeployment, part: str) -> None:
    world.kill(part)
    assert isinstance(world.asks("borealis", world.subjects("aurora")[1]).outcome, Scored)


def test_a_member_that_stays_away_is_named(world: LookupDeployment) -> None:
    import os
    import signal

    pid = world.supervisor.pids()["cassiopeia"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with Querier.open(world.institutions["borealis"], patience=1.0, timeout=15.0) as querier:
            answer = querier.ask(world.subjects("aurora")[1], PURPOSE)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(answer.outcome, Unavailable)
    assert "cassiopeia" in answer.outcome.party
    assert answer.joint is None


def test_a_flipped_bit_is_unavailable_asked_once_and_kept_for_an_auditor(
    world: LookupDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clients.institution.lookup.channel import PoolClient
    from clients.institution.lookup.folders import LookupFolders
    from clients.institution.lookup.kept_answers import KeptAnswers

    real, asked = PoolClient.query, []

    def flipped(pool: PoolClient, queries: Any, keys_hash: bytes, *, timeout: float) -> list[Any]:
        asked.append(queries)
        answers = real(pool, queries, keys_hash, timeout=timeout)
        answers[0].answer = bytes([answers[0].answer[0] ^ 1]) + answers[0].answer[1:]
        return answers

    kept = KeptAnswers(LookupFolders(world.institutions["borealis"]).epoch(1))
    before = len(kept.batch(2**24, b"", os.urandom).items)
    monkeypatch.setattr(PoolClient, "query", flipped)
    with Querier.open(world.institutions["borealis"]) as querier:
        for subject in (world.subjects("aurora")[0], "nobody"):
            answer = querier.ask(subject, PURPOSE)
            assert isinstance(answer.outcome, Unavailable)
            assert (answer.outcome.party, answer.joint) == ("pool", None)
            assert answer.outcome.reason.startswith("signature")
    assert len(asked) == 2
    assert len(kept.batch(2**24, b"", os.urandom).items) == before + 2


def test_no_log_names_anybody(world: LookupDeployment) -> None:
    known = world.subjects("aurora")[:12] + world.subjects("cassiopeia")[:8]
    logs = [*world.out.rglob("*.log"), *world.out.rglob("*.jsonl")]
    assert logs
    for log in logs:
        text = log.read_text(errors="replace")
        assert not any(subject in text for subject in known), log


def test_an_epoch_closes_and_forgets(world: LookupDeployment) -> None:
    """Last: the world's epoch is over afterwards."""
    world.close_epoch()
    world.until(lambda: world.phase == "closed", 150, "an epoch that closes by itself")
    for home in world.institutions.values():
        assert not list((home.path / "lookup" / "epochs").glob("*/secrets.key"))
        past = json.loads((home.path / "lookup" / "past.json").read_text())
        assert [(entry["counter"], entry["erased"]) for entry in past] == [(1, True)]
        assert past[0]["tickets"] > 0
        findings = json.loads((home.path / "lookup" / "findings-000001.json").read_text())
        assert not [found for found in findings if found["kind"] != "logged-not-evaluated"]
    answer = Querier.open(world.institutions["aurora"], patience=30.0).ask("nobody", PURPOSE)
    assert isinstance(answer.outcome, Unavailable)
    assert answer.outcome.reason.startswith("closed")
