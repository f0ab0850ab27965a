"""What a lender does before and after it asks: whom it trusts, what it sends, what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
from blind_homes import Blind, applicants, run, write
from scores_world import CATALOGUE

from clients.lender import scoring
from clients.lender.blind_client import BlindOwner
from clients.lender.cli import app
from clients.lender.home import LenderHome
from clients.lender.output import print_scores
from federation.blind import SignedOffer
from federation.blind.offer import Limits
from federation.errors import ConfigurationError, FederationError, RecordsError, Refused
from federation.records import check_output, write_output
from federation.runtime.rpc import Unreachable
from protocols.blind import BlindScorer, MemoryCount, Quota
from protocols.errors import SignatureError


@dataclass
class Owner:
    """An owner without a network: its real scorer, and what it was asked."""

    blind: Blind
    left: int = 1000
    fails_after: int = 1000
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder = self.blind.opened
        file = folder.model_file()
        model, _, self.signed = folder.offer(file, file.load_catalogue())
        self.scorer = BlindScorer(model, Quota.extractable(10**6), MemoryCount(), np.random.default_rng(1).bytes)

    def offer(self) -> tuple[SignedOffer, int]:
        return self.signed, self.left

    def score(self, request: bytes) -> bytes:
        if len(self.requests) >= self.fails_after:
            raise Unreachable("Blind.Score", got="unavailable", expected="an answer")
        self.requests.append(request)
        return self.scorer.answer("acme", request)

    def ask(self, home: LenderHome, read: scoring.Applicants) -> scoring.Result:
        return scoring.score(home, cast(BlindOwner, self), read)


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return applicants(tmp_path_factory.mktemp("population"), persons=120)


@pytest.fixture
def blind(tmp_path: Path) -> Blind:
    return Blind(tmp_path, {"lifetime": 1000, "weights_may_be_extracted": True, "per_request": 16})


@pytest.fixture
def lender(blind: Blind) -> LenderHome:
    home = blind.lender("acme")
    home.accept(Owner(blind).signed)
    return home


def rows(population: Path, folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame], count: int = 40) -> Path:
    return write(change(pl.read_csv(population, infer_schema=False).head(count)), folder / "rows.csv")


def test_a_batch_is_asked_in_requests_of_the_size_offered(
    blind: Blind, lender: LenderHome, population: Path, tmp_path: Path
) -> None:
    read = scoring.read_applicants(rows(population, tmp_path, lambda frame: frame), CATALOGUE)
    owner = Owner(blind)
    result = owner.ask(lender, read)
    sizes = [int.from_bytes(request[56:60], "little") for request in owner.requests]
    assert sizes == [16, 16, len(read.records) - 32]
    assert (result.asked, result.requests) == (len(read.records), 3)
    frame = result.to_frame()
    assert frame["row"].to_list() == list(range(1, 41))
    assert (frame["score"] - frame["unclamped"]).abs().max() < 0.01
    bands = {band.name: number for number, band in enumerate(result.scores.scaling.bands)}
    order = [[bands[frame[name][row]] for name in ("band_low", "band", "band_high")] for row in range(40)]
    assert all(sorted(each) == each for each in order)
    uncertain = result.to_json()["band_uncertain"]
    assert uncertain == sum(each[0] != each[2] for each in order)


def test_nothing_is_spent_on_people_of_whom_too_little_is_known(
    blind: Blind, lender: LenderHome, population: Path, tmp_path: Path
) -> None:
    inputs = {column for feature in CATALOGUE.features for column in CATALOGUE.inputs(feature.source)}
    emptied = [name for name in sorted(inputs) if not CATALOGUE.columns[name].required]

    def emptier(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) < 3
        return frame.with_columns(pl.when(first).then(None).otherwise(pl.col(name)).alias(name) for name in emptied)

    read = scoring.read_applicants(rows(population, tmp_path, emptier), CATALOGUE)
    owner = Owner(blind, left=37)  # enough for those who are asked about, and no more
    result = owner.ask(lender, read)
    assert result.asked == 37
    assert result.scores.counts()["thin_file"] == 3
    assert np.isnan(result.scores.score[:3]).all()
    assert not np.isnan(result.scores.score[3:]).any()


def test_more_than_is_left_is_not_begun(blind: Blind, lender: LenderHome, population: Path, tmp_path: Path) -> None:
    read = scoring.read_applicants(rows(population, tmp_path, lambda frame: frame), CATALOGUE)
    owner = Owner(blind, left=39)
    with pytest.raises(Refused, match="at most 39, which the owner leaves you for as long as") as refused:
        owner.ask(lender, read)
    assert refused.value.code == "quota"
    assert not owner.requests


def test_only_a_days_limit_is_said_to_come_back() -> None:
    limits = Limits(lifetime=23, per_lender=23, per_day=None, per_request=16, weights_may_be_extracted=False)
    assert "today" not in limits.leaves
    assert limits.model_copy(update={"per_day": 5}).leaves == "today"


def test_what_was_answered_before_a_failure_is_kept(
    blind: Blind, lender: LenderHome, population: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = scoring.read_applicants(rows(population, tmp_path, lambda frame: frame), CATALOGUE)
    result = Owner(blind, fails_after=2).ask(lender, read)
    assert isinstance(result.failure, Unreachable)
    assert (result.asked, len(result.scores), result.applicants.rows.tolist()) == (32, 32, list(range(1, 33)))
    write_output(result.to_frame(), tmp_path / "scored.csv")
    assert pl.read_csv(tmp_path / "scored.csv").height == 32
    print_scores(result, CATALOGUE, as_json=True)
    assert len(capsys.readouterr().out.splitlines()) == 32
    with pytest.raises(Unreachable):
        Owner(blind, fails_after=0).ask(lender, read)


def test_an_offer_that_nobody_looked_at_is_not_asked_under(
    blind: Blind, lender: LenderHome, population: Path, tmp_path: Path
) -> None:
    read = scoring.read_applicants(rows(population, tmp_path, lambda frame: frame), CATALOGUE)
    blind.settings(per_request=15)
    owner = Owner(blind)
    with pytest.raises(ConfigurationError, match="another than was accepted"):
        owner.ask(lender, read)
    assert not owner.requests
    (lender.path / "offer.json").write_bytes((lender.path / "offer.json").read_bytes().replace(b"16", b"17"))
    with pytest.raises(SignatureError):
        lender.accepted()


def test_bad_rows_are_named_and_left_out_only_on_demand(population: Path, tmp_path: Path) -> None:
    column = CATALOGUE.inputs(CATALOGUE.features[0].source)[0]
    bad = pl.int_range(pl.len()).is_in([1, 4])
    file = rows(
        population,
        tmp_path,
        lambda frame: frame.with_columns(pl.when(bad).then(pl.lit("never")).otherwise(pl.col(column)).alias(column)),
    )
    with pytest.raises(RecordsError, match=rf"rows\.csv row 2: got {column}: .*\(2 rows in all\)"):
        scoring.read_applicants(file, CATALOGUE)
    read = scoring.read_applicants(file, CATALOGUE, skip_bad=True)
    assert read.rows.tolist() == [1, 3, 4, *range(6, 41)]
    assert read.refused["row"].to_list() == [2, 5]
    none = write(pl.DataFrame({"person_id": ["1"]}), tmp_path / "none.csv")
    with pytest.raises(RecordsError, match="no feature of the catalogue"):
        scoring.read_applicants(none, CATALOGUE)


def test_an_invitation_is_believed_for_the_fingerprint_that_was_read_out(blind: Blind, lender: LenderHome) -> None:
    invitation = blind.folder / "acme.json"
    arguments = ["--home", str(lender.path), str(invitation), "--fingerprint"]
    refused = run(app, "join", *arguments, "0000 " * 8)
    assert "fingerprint" in str(refused.exception)
    another = run(app, "init", "--home", str(blind.folder / "b"), "--name", "b", "--catalogue", "synthetic")
    assert another.exit_code == 0
    of_another = ["--home", str(blind.folder / "b"), str(invitation), "--fingerprint"]
    refused = run(app, "join", *of_another, blind.opened.home.fingerprint)
    assert "another key's" in str(refused.exception)


def test_an_owner_allows_a_key_by_the_fingerprint_that_was_read_out(blind: Blind, lender: LenderHome) -> None:
    application = str(lender.path / "acme.csr")
    arguments = ["--application", application, "--address", "127.0.0.1:1", "--out", str(blind.folder / "out.json")]
    refused = blind.owner("allow", "mallory", *arguments, "--fingerprint", "0000 " * 16)
    assert "fingerprint" in str(refused.exception)
    refused = blind.owner("allow", "No Name", *arguments, "--fingerprint", lender.fingerprint)
    assert "lender" in str(refused.exception)
    assert [each["name"] for each in blind.status()["lenders"]] == ["acme"]  # type: ignore[union-attr,index]
    refused = blind.owner("revoke", "mallory")
    assert "one that is allowed" in str(refused.exception)


def test_a_model_made_anew_keeps_the_count(blind: Blind, tmp_path: Path) -> None:
    before = blind.secret
    with closing(blind.opened.count()) as count:
        count.charge(before.counted_as(), "acme", 7, Quota.extractable(1000), before.divided_as())
    model = str(blind.folder / "model.json")
    assert blind.owner("init", "--model", model).exit_code == 1
    assert blind.owner("init", "--model", model, "--replace-model").exit_code == 0
    assert blind.secret.identity() != before.identity()
    assert blind.status()["answered"] == 7
    refused = blind.owner("init", "--model", model, "--replace-model", "--parts", "family")
    assert "other parts" in str(refused.exception)
    assert len(blind.status()["parts"]) == 5  # type: ignore[arg-type]


def test_parts_can_be_chosen_anew_until_somebody_was_answered(blind: Blind) -> None:
    made = blind.owner(
        "init", "--model", str(blind.folder / "model.json"), "--replace-model", "--parts", "family", "--json"
    )
    facts = json.loads(made.stdout)
    assert (facts["answered"], len(facts["parts"]), facts["smallest_part"]) == (0, 10, 4)


def test_a_restored_database_is_refused_and_the_newest_one_is_not(blind: Blind, tmp_path: Path) -> None:
    database, model = blind.bank / "blind" / "blind.db", blind.secret.counted_as()
    with closing(blind.opened.count()) as count:
        count.charge(model, "acme", 3, Quota.extractable(1000))
    backup = database.read_bytes()
    with closing(blind.opened.count()) as count:
        count.charge(model, "acme", 4, Quota.extractable(1000))
    newest = database.read_bytes()
    for other in database.parent.glob("blind.db-*"):
        other.unlink()
    database.write_bytes(backup)
    refused = blind.owner("status")
    assert "a database that knows of 3 applicants, expected 7" in str(refused.exception)
    database.write_bytes(newest)
    assert blind.status()["answered"] == 7
    (database.parent / "answered.json").unlink()
    database.write_bytes(backup)
    assert blind.status()["answered"] == 3  # without it, the old copy gives four answers again


def test_a_scorecard_of_ones_own_is_read_and_checked(blind: Blind, tmp_path: Path) -> None:
    tables = {feature.name: [0.01 * cell for cell in range(feature.n_cells)] for feature in CATALOGUE.features}
    own = tmp_path / "own.json"
    own.write_text(json.dumps(tables))
    assert blind.owner("init", "--effects", str(own), "--replace-model").exit_code == 0
    status = blind.status()
    assert status["source"] is None
    assert status["answered"] == 0
    for broken in ({}, tables | {"more": [1.0]}, tables | {CATALOGUE.features[0].name: [1.0]}):
        own.write_text(json.dumps(broken))
        refused = blind.owner("init", "--effects", str(own), "--replace-model")
        assert isinstance(refused.exception, FederationError)
    assert blind.owner("init").exit_code == 2


def test_what_is_secret_is_readable_by_its_owner_alone(blind: Blind, lender: LenderHome) -> None:
    for name in ("model.json", "authority.key", "tls.key", "blind.db", "blind.toml"):
        assert (blind.bank / "blind" / name).stat().st_mode & 0o077 == 0
    model = blind.bank / "blind" / "model.json"
    model.chmod(0o640)
    refused = blind.owner("status")
    assert "mode 0640" in str(refused.exception)
    assert lender.path.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigurationError, match="out"):
        check_output(lender.path / "scores.txt")
