"""The card that a run leaves: made of its published documents, the same every time, refused where they do not fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rounds_world import World, catalogue, new_world

from federation import cli
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from protocols.canonical import canonical
from protocols.errors import SignatureError
from server import train
from server.card import CARD, CARD_PAGE, make_card, write_card
from server.checkpoint_store import EVALUATION, MODEL
from server.home import CoordinatorHome
from server.home_settings import settings_text

FINISHED = "2030-03-17"


@pytest.fixture(scope="module")
def finished() -> World:
    world = new_world()
    world.driver().run()
    return world


@pytest.fixture
def home(tmp_path: Path, finished: World) -> CoordinatorHome:
    """A coordinator whose runs/spring is finished."""
    text = settings_text(
        name="coordinator",
        catalogue="australian",
        host="127.0.0.1",
        port=9090,
        written=datetime(2030, 1, 1, tzinfo=UTC),
    )
    opened = CoordinatorHome.create(tmp_path / "c", text, datetime.now(UTC))
    opened.run("spring").mkdir()
    for file in finished.folder.glob("*.json*"):
        (opened.run("spring") / file.name).write_bytes(file.read_bytes())
    return opened


def edit(file: Path, **changes: Any) -> None:
    file.write_bytes(canonical(json.loads(file.read_bytes()) | changes))


def test_the_card_quotes_the_charged_release(home: CoordinatorHome, finished: World) -> None:
    card = write_card(home.run("spring"), catalogue())
    written = json.loads((home.run("spring") / CARD).read_bytes())
    assert written == card.to_json()
    assert written["findings"]["source"].startswith("one charged")
    assert written["findings"]["metrics"]["auc"].keys() >= {"value", "se"}
    assert written["model"]["run_id"] == "spring"
    assert written["model"]["created"].startswith(FINISHED)
    assert written["privacy"]["claims"]["pld"] == pytest.approx(finished.plan.privacy.claims().pld)
    page = (home.run("spring") / CARD_PAGE).read_text()
    assert card.model_hash in page
    assert "<script" not in page


def test_a_card_made_again_is_the_same_to_the_byte(home: CoordinatorHome) -> None:
    folder = home.run("spring")
    write_card(folder, catalogue())
    before = (folder / CARD).read_bytes(), (folder / CARD_PAGE).read_bytes()
    for name in (CARD, CARD_PAGE):
        (folder / name).unlink()
    write_card(folder, catalogue())
    assert ((folder / CARD).read_bytes(), (folder / CARD_PAGE).read_bytes()) == before


def test_without_an_evaluation_no_figure_is_claimed(home: CoordinatorHome) -> None:
    (home.run("spring") / EVALUATION).unlink()
    assert write_card(home.run("spring"), catalogue()).to_json()["findings"] is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (MODEL, {"institutions": ["bank-a", "bank-b"]}),
        (EVALUATION, {"sd": 0.1}),
        (EVALUATION, {"model_hash": "00" * 32}),
    ],
)
def test_documents_that_were_touched_make_no_card(home: CoordinatorHome, name: str, changes: dict[str, Any]) -> None:
    edit(home.run("spring") / name, **changes)
    with pytest.raises(SignatureError):
        write_card(home.run("spring"), catalogue())
    assert not (home.run("spring") / CARD).exists()


def test_an_evaluation_of_another_model_makes_no_card(home: CoordinatorHome, monkeypatch: pytest.MonkeyPatch) -> None:
    from federation.models import PublishedEvaluation

    monkeypatch.setattr(PublishedEvaluation, "verify", lambda *_: None)
    edit(home.run("spring") / EVALUATION, model_hash="00" * 32)
    with pytest.raises(ConfigurationError, match="model_hash"):
        write_card(home.run("spring"), catalogue())


def test_another_catalogue_makes_no_card(finished: World) -> None:
    with pytest.raises(ConfigurationError, match=r"card\.catalogue"):
        make_card(finished.store(), load_catalogue("synthetic"))


def test_training_ends_with_a_card(home: CoordinatorHome, finished: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_training", lambda home, run, on_event: home.run(run) / MODEL)
    summary = train.carry(home, finished.plan, on_event=lambda event: None)
    assert json.loads(Path(summary["card"]).read_bytes())["model"]["model_hash"] == summary["model_hash"]
    assert Path(summary["card"]).with_name(CARD_PAGE).is_file()


@pytest.fixture
def fedscore(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fedscore", "coordinator", "card", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def test_the_card_is_printed_again(home: CoordinatorHome, fedscore: Callable[..., tuple[int, str]]) -> None:
    code, shown = fedscore("--home", home.path, "--run", "spring", "--json")
    assert (code, json.loads(shown)) == (0, json.loads((home.run("spring") / CARD).read_bytes()))
    code, shown = fedscore("--home", home.path, "--run", "spring")
    assert code == 0
    for words in ("bank-a, bank-b, bank-c", "epsilon", "auc", "one charged"):
        assert words in shown
    (home.run("spring") / EVALUATION).unlink()
    assert "No figure of quality" in fedscore("--home", home.path, "--run", "spring")[1]


@pytest.mark.parametrize("run", ["autumn", "../spring"])
def test_a_run_that_is_not_there_is_refused(
    home: CoordinatorHome, fedscore: Callable[..., tuple[int, str]], run: str
) -> None:
    code, shown = fedscore("--home", home.path, "--run", run)
    assert (code, shown.count("\n")) == (1, 1)
    assert not home.run("autumn").exists()


def test_a_run_without_a_model_is_refused(home: CoordinatorHome, fedscore: Callable[..., tuple[int, str]]) -> None:
    (home.run("spring") / MODEL).unlink()
    assert "no model.json" in fedscore("--home", home.path, "--run", "spring")[1]
