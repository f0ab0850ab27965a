"""`fedscore institution|coordinator health`: what the processes of a home say of themselves."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from federation.observability.targets import targets
from protocols.printable import printable

AWAY = {"alive": False, "ready": False, "parts": {"process": "does not answer"}}
_TIMEOUT_S = 5.0
_POLL_S = 0.5
NOT_READY = 3


def health_of(home: Path) -> dict[str, dict[str, Any]]:
    """By process, what /health/ready answers; `AWAY` for one that was announced and does not answer."""
    return {target.process: _ask(target.address) for target in targets(home)}


def show_health(home: Path, *, as_json: bool, wait: float) -> None:
    """Print it; exit code 0 where all are ready within `wait` seconds, else 3. No process is not ready either."""
    end = time.monotonic() + wait
    while not all_ready(found := health_of(home)) and time.monotonic() < end:
        time.sleep(_POLL_S)
    ready = all_ready(found)
    if as_json:
        typer.echo(json.dumps({"ready": ready, "processes": found}, indent=2))
    else:
        for line in lines(found):
            typer.echo(line)
    raise typer.Exit(0 if ready else NOT_READY)


def all_ready(found: Mapping[str, Mapping[str, Any]]) -> bool:
    return bool(found) and all(one["ready"] for one in found.values())


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For people: a line for each process, one more for each part that is not ready."""
    if not found:
        return ["no process is announced here: `serve` does not run, or metrics are off"]
    said = []
    for process, health in found.items():
        said.append(f"{printable(process)}: {'ready' if health['ready'] else 'NOT ready'}")
        troubled = {part: why for part, why in health["parts"].items() if why != "ok"}
        said += [f"  {printable(part)}: {printable(str(why))}" for part, why in troubled.items()]
    return said


def _ask(address: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer: dict[str, Any] = json.loads(connection.getresponse().read(2**16))
        return {"alive": bool(answer["alive"]), "ready": bool(answer["ready"]), "parts": dict(answer["parts"])}
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return dict(AWAY)
    finally:
        connection.close()


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait until all are ready.", min=0.0)]
