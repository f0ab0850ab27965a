"""Canaries from planting to the verdict, with the very code by which members' nodes make their records."""

from __future__ import annotations

import csv
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from inquiry_epoch import DAY, epoch_of, steps_of
from oversight_world import key_of
from scores_world import CATALOGUE, published_model
from spot_check_world import PURPOSE, InquiryWorld, Person, inquiring
from typer.testing import CliRunner, Result

from clients.institution.lookup.canary_cli import signed
from clients.institution.lookup.questions import Answer, Question
from clients.regulator.canaries import logged
from clients.regulator.canaries.planting import expected, plant
from federation.errors import ConfigurationError
from federation.lookup.identifiers import scheme
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum, contributions, quantise
from federation.lookup.settings import ScoringSettings
from federation.records import load_records
from federation.scorecard import Scorer
from federation.synthetic.cli import app as synth
from protocols.errors import ProofError, SignatureError

MEMBERS = ("bank-0", "bank-1")
MODEL, SETTINGS, HOW = published_model(), ScoringSettings(), scheme("opaque")
ASKERS = {"bank-0": "bank-b", "bank-1": "bank-a"}  # who asks about the canaries of whom


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
def world(tmp_path: Path) -> Iterator[InquiryWorld]:
    """A log with an epoch of the model, and a regulator that follows it."""
    with inquiring(tmp_path, model=bytes.fromhex(MODEL.hash)) as made:
        yield made


def node_records(file: Path, member: str) -> dict[str, np.ndarray]:
    """What the member's own node makes of the file, by identifier."""
    features = next(each.features for each in MODEL.plan.members if each.institution == member)
    loaded, _ = load_records(file, CATALOGUE, coverage=features, require_target=False)
    values = quantise(*contributions(Scorer(MODEL, CATALOGUE, SETTINGS.scaling), loaded))
    assert loaded.subjects is not None
    return {str(subject): row for subject, row in zip(loaded.subjects, values, strict=True)}


def test_every_group_of_members_holds_as_many_and_the_order_tells_nothing(tmp_path: Path, rows: Path) -> None:
    names = ["bank-a", "bank-b", "bank-c"]
    counts = plant(rows, names, each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle, now=0)
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
        plant(rows, names, each=3, folder=tmp_path / "more", shuffle=Random(1).shuffle, now=0)


def test_too_few_rows_are_refused(tmp_path: Path, drawn: pl.DataFrame) -> None:
    drawn.head(2).write_csv(tmp_path / "few.csv")
    with pytest.raises(ConfigurationError, match="2 rows"):
        plant(tmp_path / "few.csv", ["a", "b", "c"], each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle, now=0)
    with pytest.raises(ConfigurationError, match="CSV"):
        plant(tmp_path / "none.csv", ["a", "b", "c"], each=2, folder=tmp_path / "set", shuffle=Random(1).shuffle, now=0)


def told(world: InquiryWorld, file: Path, member: str, *, evidence: int = 0) -> list[Answer]:
    """What a bank hears about the canaries of `member`, each by a question in the log."""
    answers = []
    for subject, record in node_records(file, member).items():
        values = record.astype(int) + np.array([0, 0, evidence, 0, 0, 0, 0, 0])
        steps = values / 8
        joint = JointSum(int(values[1]), float(steps[2]), tuple(map(float, steps[3:])))
        leaf = world.ask(ASKERS[member], Person(HOW.normalise(subject)))
        answers.append(Answer(Question(subject, PURPOSE), Unavailable("test", "not needed"), joint, leaf.hash))
    return answers


def told_by(querier: str, answers: list[Answer]) -> bytes:
    """As it signs it."""
    settings = SimpleNamespace(lookup=SimpleNamespace(identifiers="opaque"))
    return signed(SimpleNamespace(name=querier, signing_key=key_of(querier), settings=settings), answers)  # type: ignore[arg-type]


@dataclass
class Checked:
    """Canaries that are planted and answered; `check` is the regulator's command over what the banks hand in."""

    world: InquiryWorld
    folder: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def plant(self, rows: Path, *, shift: int = 0) -> None:
        members = [argument for name in MEMBERS for argument in ("--member", name)]
        self.world.fsr("canary", "plant", rows, "--name", "spring", *members, "--each", 1)
        assert self.world.run("canary", "plant", rows, "--name", "spring", *members, "--each", 1).exit_code != 0
        for member, asker in ASKERS.items():
            file = self.world.regulator.path / "canaries" / "spring" / f"{member}.csv"
            self.answers[asker] = told(self.world, file, member, evidence=shift if member == "bank-0" else 0)

    def check(self) -> Result:
        (self.folder / "model.json").write_bytes(MODEL.canonical())
        words: list[object] = ["--catalogue", "synthetic", "--model", self.folder / "model.json"]
        for querier, answers in self.answers.items():
            (self.folder / f"by-{querier}.json").write_bytes(told_by(querier, answers))
            words += ["--answers", self.folder / f"by-{querier}.json"]
        return self.world.run("canary", "check", "--name", "spring", *words)


@pytest.mark.parametrize(("shift", "suspects"), [(0, []), (2, ["bank-0"])])
def test_from_planting_to_the_verdict(
    tmp_path: Path, world: InquiryWorld, rows: Path, shift: int, suspects: list[str]
) -> None:
    canaries = Checked(world, tmp_path)
    canaries.plant(rows, shift=shift)
    world.turn()
    checked = canaries.check()
    assert checked.exit_code == (1 if shift else 0), checked.exception
    facts = json.loads(checked.output)
    assert facts["suspects"] == suspects
    assert facts["cleared"] == [name for name in MEMBERS if name not in suspects]
    assert facts["answered"] == facts["planted"] == 40
    assert facts["explained"]
    assert "NOBODY" not in checked.output


def test_answers_in_anothers_name_are_refused(tmp_path: Path, world: InquiryWorld, rows: Path) -> None:
    canaries = Checked(world, tmp_path)
    canaries.plant(rows)
    world.turn()
    file = tmp_path / "forged.json"
    file.write_bytes(
        told_by("bank-b", canaries.answers["bank-b"]).replace(b'"querier":"bank-b"', b'"querier":"bank-a"')
    )
    model = ("--catalogue", "synthetic", "--model", tmp_path / "model.json")
    (tmp_path / "model.json").write_bytes(MODEL.canonical())
    refused = world.run("canary", "check", "--name", "spring", *model, "--answers", file)
    assert isinstance(refused.exception, SignatureError)


def never_asked(canaries: Checked) -> None:
    """It makes a question up, and the sum with it."""
    first, *rest = canaries.answers["bank-a"]
    canaries.answers["bank-a"] = [replace(first, leaf_hash=os.urandom(32)), *rest]


def named_no_question(canaries: Checked) -> None:
    first, *rest = canaries.answers["bank-a"]
    canaries.answers["bank-a"] = [replace(first, leaf_hash=b""), *rest]


def asked_by_another(canaries: Checked) -> None:
    first, *rest = canaries.answers["bank-a"]
    canaries.answers["bank-a"] = [replace(first, leaf_hash=canaries.answers["bank-b"][0].leaf_hash), *rest]


def one_question_for_two(canaries: Checked) -> None:
    first, second, *rest = canaries.answers["bank-a"]
    canaries.answers["bank-a"] = [first, replace(second, leaf_hash=first.leaf_hash), *rest]


def of_an_epoch_of_another_model(canaries: Checked) -> None:
    """The sum that an earlier model gave, as one of the epoch that is checked."""
    world = canaries.world
    other = epoch_of(int(time.time()) - DAY, authorities=world.context.roster.authorities, counter=2, model=b"m" * 32)
    world.log.grow(*steps_of(other, 2))
    world.context = other
    first, *rest = canaries.answers["bank-a"]
    leaf = world.ask("bank-a", Person(HOW.normalise(first.question.subject)))
    canaries.answers["bank-a"] = [replace(first, leaf_hash=leaf.hash), *rest]


def asked_before_they_were_planted(canaries: Checked) -> None:
    """A question of before was about somebody else: here all are, for the regulator's clock says a day more."""
    file = canaries.world.regulator.path / "canaries" / "spring" / "planted"
    file.write_bytes(b"%d" % (int(file.read_bytes()) + DAY))
    canaries.answers = dict(sorted(canaries.answers.items()))


LIES: list[tuple[Callable[[Checked], None], str]] = [
    (never_asked, "which the log does not show"),
    (named_no_question, "no question"),
    (asked_by_another, "a question of bank-b"),
    (one_question_for_two, "twice"),
    (of_an_epoch_of_another_model, "a sum of epoch 2"),
    (asked_before_they_were_planted, "since the planting"),
]


@pytest.mark.parametrize(("lie", "named"), LIES, ids=lambda each: getattr(each, "__name__", ""))
def test_whose_sum_rests_on_no_question_of_that_epoch_is_named(
    tmp_path: Path,
    world: InquiryWorld,
    rows: Path,
    lie: Callable[[Checked], None],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canaries = Checked(world, tmp_path)
    canaries.plant(rows)
    lie(canaries)
    world.turn()
    error = canaries.check().exception
    assert isinstance(error, ProofError)
    assert "canary.leaf of bank-a" in str(error)
    assert named in str(error)
    monkeypatch.setattr(logged, "check_logged", lambda *_: None)
    assert json.loads(canaries.check().output)["answered"] == 40  # its word, believed


def test_a_question_that_no_quorum_has_seen_yet_counts_for_nothing(
    tmp_path: Path, world: InquiryWorld, rows: Path
) -> None:
    canaries = Checked(world, tmp_path)
    world.turn()
    canaries.plant(rows)
    assert "which the log does not show" in str(canaries.check().exception)


def test_what_is_expected_is_what_the_members_nodes_make(tmp_path: Path, rows: Path) -> None:
    plant(rows, MEMBERS, each=1, folder=tmp_path / "set", shuffle=Random(1).shuffle, now=0)
    found = expected(tmp_path / "set", MODEL, CATALOGUE, SETTINGS, HOW)
    for member in MEMBERS:
        for subject, row in node_records(tmp_path / "set" / f"{member}.csv", member).items():
            assert found[HOW.normalise(subject).hex()] == {member: tuple(map(int, row[1:]))}
    (tmp_path / "set" / "bank-9.csv").write_bytes((tmp_path / "set" / "bank-0.csv").read_bytes())
    with pytest.raises(ConfigurationError, match="bank-9"):
        expected(tmp_path / "set", MODEL, CATALOGUE, SETTINGS, HOW)
