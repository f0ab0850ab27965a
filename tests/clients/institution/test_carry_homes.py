"""`fedscore institution init --carry OLD`: a new home goes on where the old one stopped."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from clients.institution import carry as carry_module
from clients.institution.cli import app
from clients.institution.home import InstitutionHome
from federation.errors import BudgetExceeded, ConfigurationError, LedgerError
from federation.ledger import Ledger, Release
from federation.privacy.event import GaussianEvent
from federation.synthetic import Population, PopulationSpec

RUNNER = CliRunner(env={"COLUMNS": "200", "FEDSCORE_HOME": ""})
RUN = GaussianEvent(sampling_rate=1.0, noise_multiplier=5.0, steps=1)  # about .78 at delta 1e-5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "records.csv"
    Population.draw(PopulationSpec(persons=123, institutions=1), np.random.default_rng(1)).table(0).write_csv(file)
    return file


def init(home: Path, data: Path, *options: str) -> object:
    arguments = ["init", "--home", str(home), "--name", "bank-a", "--catalogue", "synthetic", "--data", str(data)]
    return RUNNER.invoke(app, [*arguments, "--cap-year", "1.5", "--cap-lifetime", "1.5", *options])


def ledger_of(home: Path) -> Ledger:
    opened = InstitutionHome.open(home)
    return Ledger.open(opened.database_url, institution=opened.name, key=opened.signing_key, caps=opened.caps())


def spend(home: Path, run_id: str) -> None:
    ledger = ledger_of(home)
    hashes = {"plan_hash": "a" * 64, "catalogue_hash": "b" * 64, "model_hash": "c" * 64}
    ledger.spend(
        ledger.reserve(
            Release(run_id, "train", 1, RUN, 1e-5, **hashes, nominal_records=100, vintage="v", family="additive")
        ),
        "d" * 64,
        b"reply",
    )
    ledger.close()


def shown(home: Path, *options: str) -> str:
    result = RUNNER.invoke(app, ["ledger", "--home", str(home), *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_new_home_goes_on_where_the_old_one_stopped(tmp_path: Path, data: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert init(old, data).exit_code == 0  # type: ignore[attr-defined]
    spend(old, "r1")
    spent = ledger_of(old).claims("lifetime")
    result = init(new, data, "--carry", str(old))
    assert result.exit_code == 0, result  # type: ignore[attr-defined]
    assert "its ledger has ended" in result.stdout  # type: ignore[attr-defined]
    assert ledger_of(new).claims("lifetime").pld == pytest.approx(spent.pld)
    with pytest.raises(LedgerError, match="retired"):
        spend(old, "r2")
    assert "Retired: bank-a carries on under key" in shown(old)
    assert f"Carried on from bank-a, key {InstitutionHome.open(old).signing_key.public.key_id}" in shown(new)
    assert json.loads(shown(new, "--json", "--verify"))["carried"]["institution"] == "bank-a"


def test_new_homes_have_one_lifetime_between_them(tmp_path: Path, data: Path) -> None:
    """The attack: a new home for every run. It gets as many runs as one home would."""
    one = tmp_path / "one"
    init(one, data)
    allowed = next(number for number in range(20) if not fits(one, f"r{number}"))
    home = tmp_path / "home-0"
    init(home, data)
    for number in range(allowed):
        spend(home, f"r{number}")
        before, home = home, tmp_path / f"home-{number + 1}"
        assert init(home, data, "--carry", str(before)).exit_code == 0  # type: ignore[attr-defined]
    assert allowed > 1
    assert not fits(home, "once-more")


def fits(home: Path, run_id: str) -> bool:
    try:
        spend(home, run_id)
    except BudgetExceeded:
        return False
    return True


def test_an_old_home_is_carried_once(tmp_path: Path, data: Path) -> None:
    old = tmp_path / "old"
    init(old, data)
    init(tmp_path / "new", data, "--carry", str(old))
    result = init(tmp_path / "other", data, "--carry", str(old))
    assert isinstance(result.exception, LedgerError)  # type: ignore[attr-defined]
    assert "carried on under key" in str(result.exception)  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError):
        InstitutionHome.open(tmp_path / "other")


def test_an_old_ledger_that_does_not_verify_is_not_carried(tmp_path: Path, data: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    init(old, data)
    spend(old, "r1")
    with sqlite3.connect(old / "institution.db") as connection:
        for name in ("ledger_replies_no_delete", "ledger_entries_no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM ledger_replies")
    result = init(new, data, "--carry", str(old))
    assert isinstance(result.exception, LedgerError)  # type: ignore[attr-defined]
    assert result.exception.where == "replies"  # type: ignore[attr-defined]
    assert not (new / "institution.toml").exists()


def test_an_interrupted_carrying_goes_on(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the old ledger has ended and the new one has not begun: no home can spend, and init goes on."""
    old, new = tmp_path / "old", tmp_path / "new"
    init(old, data)
    spend(old, "r1")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(carry_module.Ledger, "carry", killed)
        assert init(new, data, "--carry", str(old)).exit_code != 0  # type: ignore[attr-defined]
    with pytest.raises(LedgerError, match="retired"):
        spend(old, "r2")
    with pytest.raises(ConfigurationError):
        InstitutionHome.open(new)
    assert init(new, data, "--carry", str(old)).exit_code == 0  # type: ignore[attr-defined]
    assert ledger_of(new).claims("lifetime").pld == pytest.approx(ledger_of(old).claims("lifetime").pld)


def test_nothing_is_ended_for_a_new_ledger_that_is_not_new(tmp_path: Path, data: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for home in (first, second):
        init(home, data)
        spend(home, "r1")
    with pytest.raises(LedgerError, match="entries of its own"):
        carry_module.carry(InstitutionHome.open(first), InstitutionHome.open(second))
    spend(first, "r2")


def test_one_database_for_both_homes_is_refused(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old"
    init(old, data)
    monkeypatch.setenv("FEDSCORE_INSTITUTION_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    result = init(tmp_path / "new", data, "--carry", str(old))
    assert isinstance(result.exception, ConfigurationError)  # type: ignore[attr-defined]
    assert result.exception.where == "database_url"  # type: ignore[attr-defined]
