"""The private queries of the demonstration: the plain oracle tells wrong answers, the witness finds what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from scores_world import CATALOGUE, published_model

from clients.institution.lookup.snapshot import Snapshot
from federation.catalogue import load_catalogue
from federation.lookup.identifiers import scheme
from federation.lookup.joint_score import JointScorecard
from federation.lookup.outcome import Scored
from federation.lookup.record import STEPS
from federation.scorecard import Scorer
from protocols.oprf.group import hash_to_group
from workbench.demo import plain as plain_module
from workbench.demo.epoch import Answered
from workbench.demo.inputs import customers, synthesise
from workbench.demo.lookup import NONE, evidence, left_out, summary
from workbench.demo.plain import COMPARABLE, Case, Plain, worth
from workbench.demo.witness import MEMBER, POOL, QUERIER, RELAY, Needles, forms, party_of, witness
from workbench.recorder import read, recording

OPAQUE = scheme("opaque")
NAMES = ("aurora", "borealis", "cassiopeia")


@pytest.fixture(scope="module")
def plain() -> Plain:
    """Person n of 24 is known to the first n % 4 institutions, none of which says the same."""
    rng = np.random.default_rng(4)
    snapshots = {}
    for k, name in enumerate(NAMES):
        known = [n for n in range(24) if n % 4 > k]
        identifiers = tuple(OPAQUE.normalise(person(n)) for n in known)
        parts = rng.normal(0, 0.6, (len(known), 5))
        snapshots[name] = Snapshot(identifiers, parts.sum(axis=1), parts)
    return Plain(snapshots, JointScorecard.of(Scorer(published_model(), CATALOGUE)), OPAQUE)


def person(n: int) -> str:
    return f"P-{n:07d}"


def test_askers_take_turns_about_persons_known_to_none_one_two_and_three(plain: Plain) -> None:
    inside, outside = [person(n) for n in range(24) if n % 4], [person(n) for n in range(24)]
    cases = plain.cases(inside, outside, count=20)
    assert [case.members for case in cases] == [0, 1, 2, 3] * 5
    assert len({case.subject for case in cases}) == 20
    assert all(int(case.subject[2:]) % 4 == case.members for case in cases)
    assert {case.institution for case in cases} == set(NAMES)


@pytest.mark.parametrize(("persons", "shown"), [(COMPARABLE - 1, False), (COMPARABLE, True)])
def test_few_persons_are_not_compared(persons: int, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = SimpleNamespace(persons=persons, auc_own=0.7, auc_joint=0.6, auc_plaintext_joint=0.8)
    monkeypatch.setattr(plain_module, "evaluate", lambda aside, card: figures)
    found = worth(cast(Any, SimpleNamespace(institutions=())), CATALOGUE, cast(Any, None))
    assert found["auc_joint"] == (0.6 if shown else None)
    assert found["auc_reason"] == (None if shown else f"{persons} persons are too few to compare")


def test_where_nobody_is_shared_the_others_fill_up(plain: Plain) -> None:
    alone = [person(n) for n in range(24) if n % 4 == 1]
    assert [case.members for case in plain.cases(alone, ["stranger-1"])] == [0, *[1] * 6]


def test_the_expected_score_has_the_own_record_at_full_precision(plain: Plain) -> None:
    case = Case("aurora", person(3), 3)
    rows = {name: snapshot.of(OPAQUE.normalise(person(3))) for name, snapshot in plain.snapshots.items()}
    assert all(row is not None for row in rows.values())
    others = sum(rows[name][0][2] for name in NAMES[1:]) / STEPS  # type: ignore[index]
    own = rows["aurora"][1].evidence  # type: ignore[index]
    scaling, rate = plain.card.scorer.scaling, CATALOGUE.base_rate
    log_odds = np.log(rate / (1 - rate)) + (own + others) / (1 + plain.card.rule.correlation * 2)
    expected = plain.expected(case)
    assert isinstance(expected, Scored)
    assert expected.score == pytest.approx(float(scaling.from_logits(log_odds)), abs=1e-9)


def answered(plain: Plain, case: Case) -> Answered:
    expected = plain.expected(case)
    score, band = (expected.score, expected.band) if isinstance(expected, Scored) else (None, None)
    return Answered(case.institution, case.subject, expected.kind, score, band, case.members or None)


@pytest.mark.parametrize("members", [0, 1, 2, 3])
def test_the_right_answer_is_told_from_wrong_ones(plain: Plain, members: int) -> None:
    case = Case("borealis", person(members), members)
    right = answered(plain, case)
    assert plain.correct(case, right)
    wrong = [replace(right, outcome="thin_file"), replace(right, members=members + 1), replace(right, subject="other")]
    wrong += [replace(right, outcome="unavailable", members=None, score=None, band=None)]
    if right.score is None:
        wrong += [replace(right, score=600.0)]
    else:  # one member's evidence, one step of 1/8 off
        step = plain.card.scorer.scaling.factor * float(plain.card.rule.weight(members)) / STEPS
        wrong += [replace(right, score=right.score + step), replace(right, band="none"), replace(right, score=None)]
    assert not any(plain.correct(case, answer) for answer in wrong)


def test_everybody_of_the_epoch_is_in_the_distribution_once(plain: Plain) -> None:
    drawn = plain.distribution()
    assert drawn["persons"] == {"1": 6, "2": 6, "3": 6}
    assert all(sum(shares) == pytest.approx(1) for shares in drawn["shares"].values())


def test_fewer_customers_are_whole_persons(tmp_path: Path) -> None:
    inputs = synthesise(tmp_path, 900, seed=3)
    few = customers(inputs, "person_id", {name: tmp_path / f"{name}.csv" for name in NAMES}, 200, seed=1)
    kept = {given.name: set(pl.read_csv(given.records)["person_id"]) for given in few.institutions}
    chosen = set().union(*kept.values())
    assert len(chosen) == 200
    for given, narrowed in zip(inputs.institutions, few.institutions, strict=True):
        everybody = set(pl.read_csv(given.records)["person_id"])
        assert kept[given.name] == everybody & chosen
        assert narrowed.rows == len(kept[given.name]) < given.rows


FORMS: dict[str, Callable[[str], bytes]] = {
    "text": lambda subject: subject.encode(),
    "as hashed": OPAQUE.normalise,
    "hash": lambda subject: sha256(OPAQUE.normalise(subject)).digest(),
    "hash of the text": lambda subject: sha256(subject.encode()).digest(),
    "point": lambda subject: hash_to_group(OPAQUE.normalise(subject)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hexadecimal", [False, True])
@pytest.mark.parametrize("place", [0, 1, 3001])
def test_an_identifier_is_found_in_every_form_anywhere(form: str, hexadecimal: bool, place: int) -> None:
    needles = Needles(forms([person(n) for n in range(50)], OPAQUE))
    noise = np.random.default_rng(1).bytes(6000)
    told = FORMS[form](person(17))
    told = told.hex().encode() if hexadecimal else told
    planted = noise[:place] + told + noise[place:]
    assert needles.count(noise) == 0
    assert needles.count(planted) >= 1
    assert needles.count(planted[: place + len(told)]) >= 1
    assert needles.count(noise[:place] + FORMS[form](person(51)) + noise[place:]) == 0


def test_short_text_alone_is_noise_and_its_hashed_form_is_not() -> None:
    needles = Needles(forms(["17"], OPAQUE))
    assert needles.count(b"17" * 4000) == 0
    assert needles.count(OPAQUE.normalise("17")) == 1
    with pytest.raises(ValueError, match="8 or more"):
        Needles([b"17"])


PROCESS = """
import sys
from types import SimpleNamespace
from federation.runtime import rpc
from protocols.wire import lookup_pb2 as wire, training_pb2

relay = wire.DESCRIPTOR.services_by_name["Relay"]

class Relay:
    def __getattr__(self, name):
        return lambda request, context: wire.AppendReply(promises=[b"promised"])

context = SimpleNamespace(auth_context=lambda: {"x509_common_name": (b"aurora",)})
handler = rpc.handlers(relay, Relay())
method = f"/{relay.full_name}/Append"
rpc_method = handler.service(SimpleNamespace(method=method, invocation_metadata=()))
rpc_method.unary_unary(wire.AppendRequest(leaves=[sys.argv[1].encode()]), context)
"""


def test_what_reaches_a_process_is_recorded_and_searched(tmp_path: Path) -> None:
    """A process that knows nothing of it; its own command line says whose it is."""
    environment = {**os.environ, **recording(tmp_path / "recording")}
    command = [sys.executable, "-c", PROCESS, person(5), "server.membership_process"]
    subprocess.run(command, env=environment, check=True, timeout=600)
    [message] = read(tmp_path / "recording")
    assert (message.method, message.request, message.caller, message.sent) == ("Append", True, "aurora", 10)
    assert person(5).encode() in message.body
    traffic = witness(tmp_path / "recording", Needles(forms([person(5)], OPAQUE)))
    assert [(seen.party, seen.messages, seen.identifiers) for seen in traffic.seen] == [(RELAY, 1, 1)]
    assert traffic.identifiers == 1
    assert (tmp_path / "recording").stat().st_mode & 0o777 == 0o700


def test_without_the_variable_nothing_is_recorded(tmp_path: Path) -> None:
    recording(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", PROCESS, "x", "query"], env=environment, check=True, timeout=600)
    assert list(read(tmp_path)) == []


def test_every_program_belongs_to_a_party() -> None:
    assert party_of(("python", "-m", "federation.cli", "institution", "query", "--batch", "x")) == QUERIER
    assert party_of(("python", "-m", "federation.cli", "institution", "publish")) == MEMBER
    assert party_of(("python", "-m", "server.lookup.pool_process", "home")) == POOL
    with pytest.raises(ValueError, match="a party"):
        party_of(("python", "-m", "somebody.else"))


def test_records_about_nobody_are_left_out_and_the_summary_says_so() -> None:
    reason = left_out(load_catalogue("taiwan"))
    assert reason is not None
    assert "names no subject" in reason
    assert left_out(load_catalogue("synthetic")) is None
    told = summary(None, reason)
    assert told == {"left_out": reason, **dict.fromkeys(NONE)}
    assert {"correct", "queries", "bytes_up", "bytes_down", "auc_own", "auc_joint", "auc_plaintext_joint"} <= set(told)
    assert json.loads(json.dumps(told)) == told
    assert evidence(None) is None
