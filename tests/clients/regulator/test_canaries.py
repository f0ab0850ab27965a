"""Canaries from planting to the verdict, with the very code by which members' nodes make their records."""

from __future__ import annotations

import csv
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scores_world import CATALOGUE, COORDINATOR, published_model
from typer.testing import CliRunner

from clients.institution.lookup.canary_cli import signed
from clients.institution.lookup.questions import Answer, Question
from clients.regulator.canaries.planting import expected, plant
from clients.regulator.cli import app
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.settings import settings_text
from federation.errors import ConfigurationError
from federation.lookup.identifiers import scheme
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum, contributions, quantise
from federation.lookup.settings import ScoringSettings
from federation.oversight.members import MemberStatement
from federation.records import load_records
from federation.scorecard import Scorer
from federation.synthetic.cli import app as synth
from protocols.signing import SigningKey

MEMBERS = ("bank-0", "bank-1")
MODEL, SETTINGS, HOW = published_model(), ScoringSettings(), scheme("opaque")
KEYS = {name: SigningKey.from_seed(name.encode().ljust(32)) for name in MEMBERS}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Records in the catalogue's form whose outcome nobody knows, about nobody."""
    folder = tmp_path_factory.mktemp("synth")
    assert CliRunner().invoke(synth, ["--out", str(folder), "--persons", "300"]).exit_code == 0
    table = pl.read_csv(next(iter(sorted(folder.glob("*.csv.gz")))), infer_schema=False).head(40)
    nobody = pl.Series(CATALOGUE.subject, [f"NOBODY-{number}" for number in range(len(table))])
    return table.with_columns(nobody, pl.lit("").alias(CATALOGUE.target.column))


@pytest.fixture
def rows(tmp_path: Path, drawn: pl.DataFrame) -> Path:
    drawn.write_csv(tmp_path / "rows.csv")
    return tmp_path / "rows.csv"


@pytest.fixture
def home(tmp_path: Path) -> RegulatorHome:
    """A regulator whose copy of the log admits both members."""
    text = settings_text(name="regulator", log_url="http://x", log_authority="", port=0, written=datetime.now(UTC))
    made = RegulatorHome.create(
        tmp_path / "regulator", text, log=SigningKey.generate().public, coordinator=COORDINATOR.public
    )
    members = [MemberStatement(name, key.public.hex, "", 1000, "admitted") for name, key in KEYS.items()]
    store = MirrorStore.open(made.database_url)
    store.stage(0, [member.entry(COORDINATOR).data for member in members])
    store.accept(b"note", len(members), 0.0)
    store.close()
    return made


def node_records(file: Path, member: str) -> dict[str, np.ndarray]:
    """What the member's own node makes of the file, by identifier."""
    features = next(each.features for each in MODEL.plan.members if each.institution == member)
    loaded, _ = load_records(file, CATALOGUE, coverage=features, require_target=False)
    values = quantise(*contributions(Scorer(MODEL, CATALOGUE, SETTINGS.scaling), loaded))
    assert loaded.subjects is not None
    return {str(subject): row for subject, row in zip(loaded.subjects, values, strict=True)}


def test_every_group_of_members_holds_as_many_and_the_order_tells_nothing(tmp_path: Path, rows: Path) -> None:
    names = ["bank-a", "bank-b", "bank-c"]
    counts = plant(rows, names, each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle)
    assert sum(counts.values()) == 80
    assert max(counts.values()) - min(counts.values()) <= 1
    holders: dict[str, list[str]] = {}
    for name in names:
        file = tmp_path / "set" / f"{name}.csv"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for row in csv.DictReader(file.open()):
            holders.setdefault(row[str(CATALOGUE.subject)], []).append(name)
    assert {len(each) for each in holders.values()} == {2}
    assert len({tuple(each) for each in holders.values()}) == 3
    with pytest.raises(ConfigurationError, match="each"):
        plant(rows, names, each=3, folder=tmp_path / "more", shuffle=Random(1).shuffle)


def test_too_few_rows_are_refused(tmp_path: Path, drawn: pl.DataFrame) -> None:
    drawn.head(2).write_csv(tmp_path / "few.csv")
    with pytest.raises(ConfigurationError, match="2 rows"):
        plant(tmp_path / "few.csv", ["a", "b", "c"], each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle)
    with pytest.raises(ConfigurationError, match="CSV"):
        plant(tmp_path / "none.csv", ["a", "b", "c"], each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle)


def told(file: Path, member: str, questions: list[str], **shift: Any) -> bytes:
    """What the other member hears about the canaries of `member`, and signs."""
    planted = node_records(file, member)
    answers = []
    for subject in questions:
        values = planted[subject].astype(int) + np.array([0, 0, shift.get("evidence", 0), 0, 0, 0, 0, 0])
        steps = values / 8
        joint = JointSum(int(values[1]), float(steps[2]), tuple(map(float, steps[3:])))
        outcome = Unavailable("test", "not needed")
        answers.append(Answer(Question(subject, "credit-application"), outcome, joint, os.urandom(32)))
    querier = next(name for name in MEMBERS if name != member)
    lookup = SimpleNamespace(identifiers="opaque")
    settings = SimpleNamespace(lookup=lookup)
    return signed(SimpleNamespace(name=querier, signing_key=KEYS[querier], settings=settings), answers)  # type: ignore[arg-type]


@pytest.mark.parametrize(("shift", "suspects"), [(0, []), (2, ["bank-0"])])
def test_from_planting_to_the_verdict(
    tmp_path: Path, home: RegulatorHome, rows: Path, shift: int, suspects: list[str]
) -> None:
    runner, at = CliRunner(), ("--home", str(home.path), "--name", "spring")
    members = [argument for name in MEMBERS for argument in ("--member", name)]
    planted = runner.invoke(app, ["canary", "plant", str(rows), *at, *members, "--each", "1", "--json"])
    assert planted.exit_code == 0, planted.output
    assert runner.invoke(app, ["canary", "plant", str(rows), *at, *members, "--each", "1"]).exit_code != 0
    files = []
    for member in MEMBERS:
        file = home.path / "canaries" / "spring" / f"{member}.csv"
        subjects = [row[str(CATALOGUE.subject)] for row in csv.DictReader(file.open())]
        files.append(tmp_path / f"about-{member}.json")
        files[-1].write_bytes(told(file, member, subjects, evidence=shift if member == "bank-0" else 0))
    (tmp_path / "model.json").write_bytes(MODEL.canonical())
    answers = [argument for file in files for argument in ("--answers", str(file))]
    model = ("--catalogue", "synthetic", "--model", str(tmp_path / "model.json"))
    checked = runner.invoke(app, ["canary", "check", *at, *model, *answers, "--json"])
    facts = json.loads(checked.output)
    assert checked.exit_code == (1 if shift else 0)
    assert facts["suspects"] == suspects
    assert facts["cleared"] == [name for name in MEMBERS if name not in suspects]
    assert facts["answered"] == facts["planted"] == 40
    assert facts["explained"]
    assert "NOBODY" not in checked.output
    forged = files[0].read_bytes().replace(b'"querier":"bank-1"', b'"querier":"bank-0"')
    files[0].write_bytes(forged)
    assert runner.invoke(app, ["canary", "check", *at, *model, *answers]).exit_code != 0


def test_what_is_expected_is_what_the_members_nodes_make(tmp_path: Path, rows: Path) -> None:
    plant(rows, MEMBERS, each=1, folder=tmp_path / "set", shuffle=Random(1).shuffle)
    found = expected(tmp_path / "set", MODEL, CATALOGUE, SETTINGS, HOW)
    for member in MEMBERS:
        for subject, row in node_records(tmp_path / "set" / f"{member}.csv", member).items():
            assert found[HOW.normalise(subject).hex()] == {member: tuple(map(int, row[1:]))}
    (tmp_path / "set" / "bank-9.csv").write_bytes((tmp_path / "set" / "bank-0.csv").read_bytes())
    with pytest.raises(ConfigurationError, match="bank-9"):
        expected(tmp_path / "set", MODEL, CATALOGUE, SETTINGS, HOW)
