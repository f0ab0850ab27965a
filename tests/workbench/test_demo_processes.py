"""Processes that never outlive the demonstration, inputs that lose nothing, a command line that explains itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
import recorded
from typer.testing import CliRunner

from federation.errors import ConfigurationError
from federation.synthetic import Population, PopulationSpec, write_table
from workbench.demo import DemoFailed, Request
from workbench.demo.inputs import NAMES, split_file, synthesise
from workbench.demo.play import MARK, _fresh
from workbench.demo.processes import Processes, tail
from workbench.demo_cli import app

SYNTH = ["synth", "--persons", "300"]


def marked(word: str) -> list[psutil.Process]:
    """Live processes with `word` on their command line, ourselves aside."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if word in line and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_commands_run_beside_one_another_and_give_their_json(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        facts = processes.run_all({name: [*SYNTH, "--out", str(tmp_path / name), "--json"] for name in ("one", "two")})
    assert {name: sum(found["persons_known_to"].values()) for name, found in facts.items()} == {"one": 300, "two": 300}


def test_a_failing_command_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes, pytest.raises(DemoFailed, match="exit code 1") as failure:
        processes.run(["synth", "--persons", "3", "--out", str(tmp_path)])
    assert "synth.persons" in failure.value.tail


def test_what_should_serve_and_dies_is_an_error_with_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes, pytest.raises(DemoFailed) as failure:
        processes.serve(
            "coordinator", ["coordinator", "serve", "--home", str(tmp_path / "nowhere")], ready=lambda: False
        )
    assert failure.value.where == "coordinator"
    assert "nowhere" in failure.value.tail


def test_leaving_the_block_ends_what_still_runs(tmp_path: Path) -> None:
    word = str(tmp_path / "slow")
    ticks = iter(range(100))

    def interrupt() -> None:
        if next(ticks) == 3:
            assert marked(word)
            raise KeyboardInterrupt

    def play() -> None:
        with Processes(tmp_path / "logs") as processes:
            processes.run(["synth", "--persons", "4000000", "--out", word], tick=interrupt)

    with pytest.raises(KeyboardInterrupt):
        play()
    assert marked(word) == []


def test_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""
    (tmp_path / "some.log").write_text("a\nb\nc\n")
    assert tail(tmp_path / "some.log", 2) == "b\nc"


def test_nobody_is_in_training_here_and_with_the_judge_there(tmp_path: Path) -> None:
    given = synthesise(tmp_path, 1_500, seed=3)
    assert [item.name for item in given.institutions] == list(NAMES)
    persons = [
        {person for item in given.institutions for person in pl.read_csv(getattr(item, side))["person_id"]}
        for side in ("records", "oracle")
    ]
    assert not persons[0] & persons[1]
    assert len(persons[0] | persons[1]) == 1_500


def test_every_row_of_a_file_goes_somewhere_once(tmp_path: Path) -> None:
    population = Population.draw(PopulationSpec(persons=1_000, institutions=1), np.random.default_rng(1))
    write_table(population.table(0), tmp_path / "all.csv.gz")
    given = split_file(tmp_path / "out", tmp_path / "all.csv.gz", "synthetic", seed=1)
    rows = [pl.read_csv(path)["person_id"] for item in given.institutions for path in (item.records, item.oracle)]
    assert sorted(pl.concat(rows)) == sorted(population.table(0)["person_id"])
    sizes = [item.rows for item in given.institutions]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_a_file_too_small_for_anything_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2, 3]}).write_csv(tmp_path / "tiny.csv")
    with pytest.raises(ConfigurationError, match="3 rows"):
        split_file(tmp_path, tmp_path / "tiny.csv", "synthetic", seed=1)


def test_only_a_former_demonstration_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError):
        _fresh(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    first = _fresh(tmp_path / "demo")
    (first / "summary.json").write_text("{}")
    assert [path.name for path in _fresh(first).iterdir()] == [MARK]


def test_data_needs_a_catalogue_and_a_catalogue_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--catalogue"):
        Request(tmp_path, data=tmp_path / "x.csv")
    with pytest.raises(ConfigurationError, match="--data"):
        Request(tmp_path, catalogue="taiwan")


def test_command_refuses_with_exit_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "demo"), "--catalogue", "taiwan"])
    assert result.exit_code == 1
    assert "--data" in result.output


@pytest.mark.integration
@pytest.mark.soak
@pytest.mark.timeout(500)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demonstration_leaves_no_process(tmp_path: Path, sign: signal.Signals) -> None:
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "federation.cli", "demo", "--persons", "6000", "--out", str(out), "--force"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as demo:
        deadline = time.monotonic() + 300
        while not (out / "logs" / "cassiopeia.log").exists():
            assert demo.poll() is None, demo.stderr.read().decode() if demo.stderr else ""
            assert time.monotonic() < deadline, "the institutions never started"
            time.sleep(0.2)
        time.sleep(1.0)
        assert len(marked(str(out))) > 4
        os.kill(demo.pid, sign)
        _, said = demo.communicate(timeout=150)
    assert demo.returncode == 130, said.decode()
    assert marked(str(out)) == []


def test_the_summary_is_printed_as_json_or_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.demo.demo", lambda request, progress: recorded.summary())
    words = ["--out", str(tmp_path / "demo")]
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout) == recorded.summary()
    said = " ".join(CliRunner().invoke(app, words).stdout.split())
    assert "federated" in said
    assert "Ledgers verified: False" in said
    assert "Spot check: 5 of 5 inquiries drawn, 5 opened; without consent: cassiopeia (unknown_key)." in said
    assert "of 5 requests: aurora (hard), cassiopeia (she permitted none)." in said
    assert "Her dispute at borealis: corrected, 541 -> 574; told: aurora, cassiopeia. Epoch 1 stays as signed" in said
    assert "612.4, in plain 612.0 (0.44 apart, at most 2.27); 22 of 23 answers left." in said


@pytest.mark.parametrize("as_json", [True, False])
def test_what_does_not_hold_is_named_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    words = ["--out", str(tmp_path / "demo"), *(["--json"] if as_json else [])]
    monkeypatch.setattr("workbench.demo.demo", lambda request, progress: recorded.sound())
    assert CliRunner().invoke(app, words).exit_code == 0
    monkeypatch.setattr("workbench.demo.demo", lambda request, progress: recorded.summary())
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "does NOT hold: ledgers, recomputed, oversight, lookup" in result.stderr


def test_without_subjects_nothing_is_said_of_permission_and_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = {"lookup": {"left_out": "no subject"}, **dict.fromkeys(("consent", "spot_check", "inquiries"))}
    nobody |= {"blind": None, "dispute": None}
    monkeypatch.setattr("workbench.demo.demo", lambda request, progress: recorded.sound() | nobody)
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "demo")])
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "No private queries, spot check, inquirers, dispute or blind score: no subject." in said
    assert "Spot check:" not in said
