"""Blind scoring by real processes: the owner's weights against lenders that pool, what the owner sees, kills."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from blind_homes import Blind, applicants, fedscore, write
from scores_world import CATALOGUE

from clients.lender.blind_client import BlindOwner
from clients.lender.home import LenderHome
from federation.blind import Columns
from federation.errors import FederationError, Refused
from federation.observability.targets import targets
from federation.records import load_records
from federation.runtime.ports import free_ports
from federation.runtime.rpc import Unreachable
from federation.scorecard import Outcome, Scaling, Scorer
from protocols.blind import BlindClient, BlindModel
from protocols.blind.messages import answer_bytes
from workbench import recorder

pytestmark = pytest.mark.integration
COLUMNS = Columns(CATALOGUE)
PART_OF, PARTS = np.array(COLUMNS.part_of), len(COLUMNS.parts)
PLACES = [np.flatnonzero(part == PART_OF) for part in range(PARTS)]
SMALLEST = min(map(len, PLACES))
FAST = {"calls_per_second": 100_000.0, "at_once": 16, "at_once_each": 8}


@contextmanager
def asking(home: LenderHome) -> Iterator[BlindOwner]:
    with BlindOwner(home, lambda: datetime.now(UTC), timeout=100.0) as owner:
        yield owner


def hostile(number: int) -> np.ndarray:
    """What is no person: the indicator of the `number`-th weight of every part at once."""
    row = np.zeros(COLUMNS.count, dtype=int)
    for places in PLACES:
        row[places[number % len(places)]] = 1
    return row


def ask(owner: BlindOwner, rows: np.ndarray) -> np.ndarray:
    terms = owner.offer()[0].offer.read_terms()
    pending, request = BlindClient(terms, os.urandom).ask(rows)
    return pending.open(owner.score(request)).parts


def solved(model: BlindModel, rows: np.ndarray, found: np.ndarray) -> list[int]:
    """The parts whose weights the equations determine; asserts that those found are the model's."""
    weights, determined = np.array(model.weights), []
    for part, places in enumerate(PLACES):
        asked = rows[:, places].astype(float)
        if np.linalg.matrix_rank(asked) == len(places):
            read = np.linalg.lstsq(asked, found[:, part], rcond=None)[0]
            assert np.abs(read - weights[places]).max() < 2.0**-6
            determined.append(part)
    return determined


def test_with_the_quota_off_one_packed_request_gives_a_lender_every_weight(tmp_path: Path) -> None:
    blind = Blind(tmp_path, {**FAST, "lifetime": 64, "weights_may_be_extracted": True})
    lender = blind.lender("acme")
    with blind.process(), asking(lender) as owner:
        rows = np.array([hostile(number) for number in range(32)])
        assert solved(blind.secret, rows, ask(owner, rows)) == list(range(PARTS))


def test_with_the_quota_on_fewer_answers_than_weights_leave_whoever_asks_and_whatever_is_killed(tmp_path: Path) -> None:
    """Three lenders pool, at two processes of the owner at once; one process is killed, and started again."""
    blind, second = Blind(tmp_path, FAST), free_ports()
    lenders = [blind.lender("a"), blind.lender("b"), blind.lender("c", port=second)]
    recording = recorder.recording(tmp_path / "recorded", services="fedscore.blind")
    rows, found = [], []

    def attack(job: tuple[int, int]) -> str:
        turn, number = job
        try:
            with asking(lenders[turn % 3]) as owner:
                opened = ask(owner, np.array([hostile(number)]))
        except (Refused, Unreachable) as error:
            return error.where
        rows.append(hostile(number))
        found.append(opened[0])
        return "answered"

    with ExitStack() as stack:
        stack.enter_context(blind.process(port=second, variables=recording))
        first = blind.process(variables=recording)
        killed = stack.enter_context(first)
        with ThreadPoolExecutor(6) as pool:
            begun = [pool.submit(attack, (turn, turn)) for turn in range(12)]
            begun[3].result()
            killed.send_signal(signal.SIGKILL)
            said = [each.result() for each in begun]
        stack.enter_context(blind.process(variables=recording))
        with ThreadPoolExecutor(6) as pool:
            said += pool.map(attack, [(turn, turn) for turn in range(12, 40)])
    answered, size = len(found), answer_bytes(blind.secret.terms(), 1)
    assert 0 < answered <= SMALLEST - 1
    assert {"quota.lifetime", "applicants"} & set(said)
    assert solved(blind.secret, np.array(rows), np.array(found)) == []
    sent = [message.sent for message in recorder.read(tmp_path / "recorded") if message.method == "Score"]
    left = sum(bytes_out >= size for bytes_out in sent)  # answers that left the owner's processes, by their own record
    assert answered <= left <= blind.status()["answered"] <= SMALLEST - 1  # type: ignore[operator]
    assert blind.status()["left"] == 0
    other_weights_fit(blind.secret, np.array(rows), np.array(found))


def other_weights_fit(model: BlindModel, rows: np.ndarray, found: np.ndarray) -> None:
    """For every part, weights far from the model's that all answers agree with."""
    weights = np.array(model.weights)
    for part, places in enumerate(PLACES):
        asked = rows[:, places].astype(float)
        hidden = np.linalg.svd(asked)[2][np.linalg.matrix_rank(asked) :]
        assert len(hidden) >= 1
        other = weights[places] + 3 * hidden[-1]
        assert np.abs(asked @ other - found[:, part]).max() < 2.0**-7 + 2.0**-14


def test_scores_are_the_plain_ones_and_nobody_is_named_anywhere(tmp_path: Path) -> None:
    """A file of the synthetic population by the commands; everything that reached the owner is searched."""
    (tmp_path / "population").mkdir()
    blind = Blind(tmp_path, {**FAST, "lifetime": 5000, "weights_may_be_extracted": True})
    lender, data = blind.lender("acme"), applicants(tmp_path / "population")
    recording = recorder.recording(tmp_path / "recorded", services="fedscore.blind")
    home, out = ("--home", str(lender.path)), tmp_path / "scored.parquet"
    with blind.process(variables=recording):
        assert fedscore("lender", "terms", *home, "--accept", variables=recording).returncode == 0
        for _ in range(2):
            scored = fedscore("lender", "score", str(data), *home, "--out", str(out), "--json", variables=recording)
            assert scored.returncode == 0, scored.stderr
        pages = b"".join(
            urllib.request.urlopen(f"http://{target.address}/metrics").read() for target in targets(blind.bank)
        )
    said, frame = json.loads(scored.stdout), pl.read_parquet(out)
    records, _ = load_records(data, CATALOGUE)
    plain = Scorer(blind.model, CATALOGUE, Scaling()).score(records)
    assert frame["subject"].to_list() == [str(name) for name in records.subjects]
    held = plain.outcome == Outcome.SCORED
    gaps = np.abs(frame["unclamped"].to_numpy() - plain.unclamped)[held]
    assert held.sum() > 200
    assert said["plus_minus"] / 4 < gaps.max() <= said["plus_minus"] + 0.01  # a frame has two decimals
    assert out.stat().st_mode & 0o077 == 0
    messages = [message for message in recorder.read(tmp_path / "recorded") if message.request]
    asked = [message.body for message in messages if message.method == "Score"]
    assert len(asked) == 2 * said["requests"]
    assert len({len(body) for body in asked}) == 1
    assert asked[0][200:] != asked[1][200:]  # the same persons, and nothing shows it
    seen = b"".join(message.body for message in messages) + pages + logs(blind)
    assert b"fedscore_blind_applicants_total" in pages
    for name in records.subjects:  # type: ignore[union-attr]
        assert str(name).encode() not in seen
    codes = Columns(CATALOGUE).encode(records)[:8].tobytes()
    assert codes not in seen


def logs(blind: Blind) -> bytes:
    return b"".join(path.read_bytes() for path in (blind.bank / "logs").iterdir())


def test_an_answer_that_was_charged_stays_charged_when_the_owner_is_killed_over_it(tmp_path: Path) -> None:
    blind = Blind(tmp_path, FAST)
    lender, answered = blind.lender("acme"), 0
    for _ in range(3):
        with blind.process() as process, asking(lender) as owner:
            terms = owner.offer()[0].offer.read_terms()
            _, request = BlindClient(terms, os.urandom).ask(np.array([hostile(0), hostile(1)]))
            with ThreadPoolExecutor(1) as pool:
                call = pool.submit(owner.score, request)
                time.sleep(0.02)
                process.kill()
                try:
                    call.result()
                    answered += 2
                except FederationError:
                    pass
        charged = blind.status()["answered"]
        assert isinstance(charged, int)
        assert answered <= charged <= 6


def test_a_lender_learns_by_name_what_is_wrong_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "population").mkdir()
    blind = Blind(tmp_path, FAST)
    lender = blind.lender("acme")
    rows = pl.read_csv(applicants(tmp_path / "population"), infer_schema=False).head(5)
    good = write(rows, tmp_path / "good.csv")
    column = CATALOGUE.inputs(CATALOGUE.features[0].source)[0]
    value = pl.when(pl.int_range(pl.len()) == 2).then(pl.lit("never")).otherwise(pl.col(column)).alias(column)
    bad = write(rows.with_columns(value), tmp_path / "bad.csv")
    home = ("--home", str(lender.path))
    with blind.process():
        said = fedscore("lender", "score", str(good), *home)
        assert "offer: got none accepted" in said.stderr
        fedscore("lender", "terms", *home, "--accept")
        said = fedscore("lender", "score", str(bad), *home)
        assert said.returncode == 1
        assert f"bad.csv row 3: got {column}" in said.stderr
        assert "never" not in said.stderr
        assert blind.status()["answered"] == 0
        kept = tmp_path / "kept.csv"
        said = fedscore("lender", "score", str(bad), *home, "--quarantine", str(kept), "--json")
        assert [json.loads(line)["row"] for line in said.stdout.splitlines()] == [1, 2, 4, 5]
        assert pl.read_csv(kept)["row"].to_list() == [3]
        said = fedscore("lender", "score", str(good), *home, "--json")
        assert [json.loads(line)["row"] for line in said.stdout.splitlines()] == [1, 2, 3, 4, 5]
        assert blind.status()["answered"] == 9
