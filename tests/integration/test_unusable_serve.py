"""`fedscore institution serve` on records that cannot be used: it says so, says how to see why, and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from flower_deployment import make_coordinator, make_institution

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


def test_serve_tells_the_operator_and_ends(tmp_path: Path) -> None:
    home = make_institution(tmp_path / "alpha", "alpha", make_coordinator(tmp_path / "c"), nominal=10_000)
    home.data.write_text("religion\nAnglican-Quillfeather\n")
    command = [sys.executable, "-m", "federation.cli", "institution", "serve", "--home", str(home.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1, done.stderr
    told = done.stderr.splitlines()
    assert told.count("node unusable") == 5
    assert told.count(f"  to see it again: fedscore catalogue check synthetic --data {home.data}") == 1
    assert "process node: got 5 starts that found it unusable" in told[-1]
    assert not [line for line in told if "serving for" in line]
    kept = b"".join(file.read_bytes() for file in home.logs.rglob("*") if file.is_file())
    assert b"Quillfeather" not in kept + done.stderr.encode()
