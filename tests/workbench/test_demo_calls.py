"""Commands of the demonstration that are run without a process: their words, their refusals, and nothing printed."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from workbench.demo import calls
from workbench.demo.calls import call
from workbench.demo.processes import DemoFailed


def test_a_command_without_a_process_gives_its_json_and_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["synth", "--persons", "300", "--out", str(tmp_path / "drawn"), "--json"]
    assert sum(call(words)["persons_known_to"].values()) == 300
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["synth", "--persons", "3", "--out", "{tmp}"], "synth.persons"),
        (["synth", "--nonsense"], "No such option"),
        (["regulator", "health", "--home", "{tmp}/nowhere"], "nowhere"),
    ],
)
def test_a_command_that_is_refused_is_a_failure_that_says_why(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DemoFailed) as failure:
        call([word.format(tmp=tmp_path) for word in words])
    assert said in str(failure.value) + failure.value.tail
    assert failure.value.where == " ".join(words[:2]).format(tmp=tmp_path)


def test_another_exit_code_than_the_expected_one_is_a_failure(tmp_path: Path) -> None:
    words = ["synth", "--persons", "300", "--out", str(tmp_path / "drawn"), "--json"]
    with pytest.raises(DemoFailed, match="exit code 0, expected exit code 4"):
        call(words, code=4)


def test_an_interrupt_within_a_command_interrupts_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = typer.Typer()

    @interrupted.command()
    def command() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls, "app", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call([])


def test_what_others_said_is_waited_for_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0, 0, 2])
    monkeypatch.setattr(calls, "_LOOK_S", 0.0)
    assert calls.once(lambda: next(looks), bool, seconds=60) == 2
    assert calls.once(lambda: 0, bool, seconds=0) == 0
