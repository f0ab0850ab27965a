"""A bundle has one hash wherever it is built, and the shipped one is thin."""

from __future__ import annotations

import ast
import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flwr.cli.install import install_from_fab

from federation.errors import ConfigurationError
from federation.runtime.flower.bundle import build
from federation.runtime.flower.launch import (
    ExecutorLaunch,
    SuperNodeLaunch,
    command,
    environment,
)
from federation.runtime.processes import python_module

SHIPPED = Path(__file__).resolve().parents[3] / "server" / "bundle"


def test_the_same_files_give_the_same_hash(tmp_path: Path) -> None:
    copy = tmp_path / "another" / "bundle"
    shutil.copytree(SHIPPED, copy)
    for file in copy.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
        file.chmod(0o700)
    assert build(copy).hash == build(SHIPPED).hash


def test_one_byte_gives_another_hash(tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(SHIPPED, copy)
    with (copy / "fedscore_bundle" / "client_app.py").open("a") as file:
        file.write("\n")
    assert build(copy).hash != build(SHIPPED).hash


def test_nothing_is_compressed_and_everything_is_listed() -> None:
    with zipfile.ZipFile(io.BytesIO(build(SHIPPED).content)) as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert set(archive.namelist()) == {
            "pyproject.toml",
            ".info/CONTENT",
            "fedscore_bundle/__init__.py",
            "fedscore_bundle/client_app.py",
            "fedscore_bundle/server_app.py",
        }


def test_flower_installs_it(tmp_path: Path) -> None:
    installed = install_from_fab(build(SHIPPED).content, install_dir=tmp_path, skip_prompt=True)
    assert (installed / "fedscore_bundle" / "client_app.py").exists()


def test_what_is_no_app_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    with pytest.raises(ConfigurationError, match=r"tool\.flwr\.app"):
        build(tmp_path)


@pytest.mark.parametrize("name", ["client_app.py", "server_app.py"])
def test_the_apps_are_thin(name: str) -> None:
    source = (SHIPPED / "fedscore_bundle" / name).read_text()
    assert len(source.splitlines()) < 100
    top = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert top <= {"__future__", "os", "fcntl", "time", "pathlib", "grpc", "flwr"}


def test_the_client_app_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fedscore_bundle.client_app; "
        "print([name for name in ('torch', 'opacus', 'federation', 'protocols', 'polars') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program, str(SHIPPED)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_launch_survives_the_command_line(tmp_path: Path) -> None:
    launch = SuperNodeLaunch(
        superlink="127.0.0.1:1",
        authority=tmp_path / "ca",
        node_key=tmp_path / "key",
        node_socket=tmp_path / "node.sock",
        port=2,
        executor_secret=tmp_path / "secret",
        state=tmp_path / "state",
    )
    *started, text = command("a.module", launch)
    assert tuple(started) == python_module("a.module")
    assert SuperNodeLaunch.model_validate_json(text) == launch


@pytest.mark.parametrize("changes", [{"poll": 0.0}, {"app": "agent"}, {"surprise": 1}])
def test_a_launch_is_validated(tmp_path: Path, changes: dict[str, object]) -> None:
    good = {"app": "client", "runtime": "127.0.0.1:1", "authority": None, "executor_secret": str(tmp_path)}
    ExecutorLaunch.model_validate(good)
    with pytest.raises(ValueError, match=next(iter(changes))):
        ExecutorLaunch.model_validate({**good, **changes})


def test_flowers_files_are_private_and_nothing_calls_home(tmp_path: Path) -> None:
    values = environment(tmp_path / "flower")
    assert stat.S_IMODE((tmp_path / "flower").stat().st_mode) == 0o700
    assert values["FLWR_TELEMETRY_ENABLED"] == "0"
    assert values["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert values["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
