"""Commands start in about a second: torch, Opacus and the accountants wait until something is trained or accounted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "tenseal",
    "opacus",
    "dp_accounting",
    "scipy.stats",
    "scipy.optimize",
    "sklearn",
    "matplotlib",
    "pandas",
    "prometheus_client",
)
LIGHT = {
    "plans and rounds": ["federation.privacy", "federation.rounds", "federation.training"],
    "coordinator train": ["server.cli", "server.superlink", "server.train", "server.train_progress"],
    "coordinator status, admit": ["server.cli", "server.cli_members", "server.runs", "federation.runtime.node_keys"],
    "institution init, enrol": ["clients.institution.cli", "clients.institution.cli_enrol"],
    "institution ledger, plans": ["clients.institution.ledger_cli", "clients.institution.plan_store"],
    "budget gate": ["federation.ledger"],
    "coordinator epoch": ["server.cli_epoch", "server.lookup.desk"],
    "relay and pool until an engine is needed": ["server.lookup.hosting", "server.lookup.pool_process"],
    "supervisors": ["clients.institution.serve", "server.serve"],
    "regulator until it reads a trail": ["clients.regulator.cli", "clients.regulator.home", "clients.regulator.policy"],
    "a node until its first plan": ["clients.institution.node_service"],
}


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("modules", LIGHT.values(), ids=LIGHT.keys())
def test_modules_of_a_command_load_without_the_heavy_libraries(modules: list[str]) -> None:
    loaded = loaded_after(f"import {', '.join(modules)}")
    assert set(modules) <= loaded
    assert not loaded & set(HEAVY)


def test_an_additive_model_is_read_without_torch() -> None:
    loaded = loaded_after(
        "from federation.catalogue import load_catalogue\n"
        "from federation.training import Recipe, cell_effects, initial_parameters\n"
        "recipe, catalogue = Recipe(learning_rate=1.0), load_catalogue('taiwan')\n"
        "assert len(cell_effects(catalogue, recipe, initial_parameters(catalogue, recipe)))"
    )
    assert "torch" not in loaded


def test_supervisors_load_no_flower() -> None:
    """Nine processes start a federation of three: every library in each of them is paid for nine times."""
    assert "flwr" not in loaded_after("import clients.institution.serve, server.serve")
