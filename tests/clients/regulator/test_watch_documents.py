"""Nobody copies documents from the coordinator's machine: plans are in the log, the rest is there by its hash."""

from __future__ import annotations

import zipfile
from pathlib import Path

from oversight_world import RUN
from regulator_world import LATER
from typer.testing import CliRunner
from watch_scene import Scene, scene, turns

from clients.regulator.cli import app
from clients.regulator.watch.thorough import verify_copy

__all__ = ["scene"]


def test_a_plan_that_somebody_copied_makes_way_for_the_logged_one(scene: Scene) -> None:
    """The coordinator's folder has a plan.json, which is not the signed plan: nobody has to know."""
    path = f"runs/{RUN}/plan.json"
    (scene.home.documents / path).parent.mkdir(parents=True)
    (scene.home.documents / path).write_bytes(b'{"run_id":"spring"}')
    watcher = scene.watcher(rate=0.0)
    turns(scene, watcher)
    assert (scene.home.documents / path).read_bytes() == scene.world.documents[path]
    assert verify_copy(scene.home, watcher.store, LATER).holds


def test_an_export_made_from_the_log_has_its_documents(scene: Scene, tmp_path: Path) -> None:
    """Without a home and without a folder: plans from the entries, the rest by the hashes in them."""
    turns(scene, scene.watcher(rate=0.0))  # the regulator cosigns, and the members
    out = tmp_path / "export.zip"
    words = ["export", "--log", scene.url, "--policy", str(scene.home.path / "policy.toml"), "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    names = zipfile.ZipFile(out).namelist()
    assert set(scene.world.documents) <= set(names)
    assert zipfile.ZipFile(out).read(f"runs/{RUN}/plan.json") == scene.world.documents[f"runs/{RUN}/plan.json"]
