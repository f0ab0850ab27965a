"""Pages over a log in which the regulator drew and asked for what does not exist: told, and nobody's fault."""

from __future__ import annotations

from pathlib import Path

import httpx
from oversight_replays import DUE, replayed
from oversight_world import NOW, key_of
from regulator_world import LATER, fill, regulator_home

from clients.regulator.serve import serving
from federation.oversight.audits import AuditRequest


def test_what_names_nothing_is_told_and_red_nowhere(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-b", 99)
    federation.replay("bank-b", update_hash="", findings=("seed_missing",))
    federation.draw("bank-c", 98)  # never answered
    federation.draw("bank-a", 2)  # nor this one, which is there
    asked = AuditRequest("bank-q", "canary", "ab" * 32, "cd" * 32, NOW)
    federation.say(asked.sign(key_of("regulator")).data)
    home = regulator_home(tmp_path)
    fill(home, federation.world())
    with serving(home, clock=lambda: float(LATER)) as port:
        program = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {home.access_token}"}
        )
        drawn = {row["round"]: row for row in program.get("/tables/replays.json").json()["rows"]}
        audits = program.get("/tables/audits.json").json()["rows"]
    assert LATER > DUE
    assert {number: row["outcome"] for number, row in drawn.items()} == {
        2: "overdue",
        98: "no such attempt in the log",
        99: "no such attempt in the log",
    }
    assert {number: row["red"] for number, row in drawn.items()} == {2: "not answered in time", 98: "", 99: ""}
    assert [(row["outcome"], row["red"]) for row in audits] == [("no such plan is in the log", "")]
