"""Pages over a log in which a member signed what is no entry, and entries that break every rule: each answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from oversight_federation import honest
from oversight_world import World
from regulator_world import fill, regulator_home
from test_poison import DOCUMENT, POISON, mutated, signed

from clients.regulator.pages.site import PAGES
from clients.regulator.serve import serving
from federation.oversight.reservations import read_logged

WELL_FORMED: list[dict[str, Any]] = [
    mutated(("amounts",), []),
    mutated(("amounts", 1, "key"), "zzzz"),
    mutated(("amounts", 0, "cap"), 1e308),
    mutated(("amounts", 2, "delta"), 5e-324),
    mutated(("amounts", 2, "rdp"), 1e308),
    mutated(("time",), "2199-12-31T23:59:59.999999Z"),
    mutated(("kind",), "retire"),
    mutated(("release",), None),
    {**DOCUMENT, "amounts": [*DOCUMENT["amounts"], *DOCUMENT["amounts"]]},
]


@pytest.fixture(scope="module")
def world() -> World:
    lies = [signed(document) for document in (*POISON.values(), *WELL_FORMED)]
    return honest().inserted(len(honest().entries), *(entry.data for entry in lies))


def test_the_lies_that_are_well_formed_are_read() -> None:
    for document in WELL_FORMED:
        read_logged(signed(document))


def test_every_page_answers(world: World, tmp_path: Path) -> None:
    home = regulator_home(tmp_path)
    fill(home, world)
    with serving(home) as port:
        headers = {"Authorization": f"Bearer {home.access_token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            plots = [f"/plots/burn-down/{name}.svg" for name in ("bank-a", "bank-b")]
            for path in [*(page.path for page in PAGES), "/tables/budgets.csv", "/tables/runs.json", *plots]:
                assert client.get(path).status_code == 200, path
