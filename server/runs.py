"""What the folders of runs say, read as plain JSON: enough to show, and quick to load.

[run.state for run in read_runs(home.runs)]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

RunState = Literal["prepared", "running", "stopped", "done", "failed"]


@dataclass(frozen=True)
class RunView:
    """One run as its folder shows it. `round`: the last one averaged; times: Unix seconds, None before the first."""

    run_id: str
    state: RunState
    round: int
    rounds: int
    epsilon: float
    delta: float
    members: tuple[str, ...]
    plan_hash: str | None
    model_hash: str | None
    started: float | None
    updated: float | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_runs(folder: Path) -> tuple[RunView, ...]:
    """Every run that has a plan, oldest first by name."""
    return tuple(read_run(plan.parent) for plan in sorted(folder.glob("*/plan.json")))


def read_run(folder: Path) -> RunView:
    """The run in `folder`, which holds a plan.json."""
    plan = json.loads((folder / "plan.json").read_bytes())
    privacy = plan["privacy"]
    events = list(_events(folder / "events.jsonl"))
    last = events[-1] if events else {}
    checkpoint = folder / "checkpoint.json"
    position = json.loads(checkpoint.read_bytes()) if checkpoint.exists() else {}
    done = [event for event in events if event.get("event") == "done"]
    return RunView(
        run_id=folder.name,
        state=_state(folder, last),
        round=int(position.get("round", 0)),
        rounds=int(privacy["rounds"]),
        epsilon=float(privacy["epsilon"]),
        delta=float(privacy["delta"]),
        members=tuple(member["institution"] for member in plan["members"]),
        plan_hash=position.get("plan_hash"),
        model_hash=str(done[-1]["model"]) if done else None,
        started=events[0].get("at") if events else None,
        updated=last.get("at"),
        detail=f"{last.get('where')}: got {last.get('got')}" if last.get("event") == "failed" else "",
    )


def _state(folder: Path, last: dict[str, Any]) -> RunState:
    if (folder / "model.json").exists() and last.get("event") == "done":
        return "done"
    if (folder / "stopped.json").exists():
        return "stopped"
    if last.get("event") == "failed":
        return "failed"
    return "running" if last else "prepared"


def _events(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:  # a line that a crash cut short
            continue
