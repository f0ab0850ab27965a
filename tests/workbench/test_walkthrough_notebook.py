"""The notebook runs, cell after cell, as a reader would run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "walkthrough.ipynb"


def test_every_cell_runs_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            assert cell["outputs"] == [], f"{cell['id']}: outputs are not kept in the project"
            exec(compile(source, cell["id"], "exec"), names)
    said = capsys.readouterr().out
    assert names["figures"].auc > 0.6
    assert names["result"].epsilon.pld <= 4.0
    assert "central_boosting" in said
    assert "nominal_records" in said
