"""What the regulator's verification found, for `summary.json` and the report: its own figures, nothing recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.demo.regulator import Overseen

_FIGURES = ("pld", "prv", "rdp", "delta", "cap")
_AUDIT = ("institution", "kind", "claimed", "measured", "passed")
_REPLAY = ("institution", "phase", "round", "attempt", "matches")


def summary(found: Overseen, run_id: str) -> dict[str, Any]:
    """`oversight` of `summary.json`."""
    verdict, account = found.verdict, found.verdict["account"]
    steps = verdict["steps"]
    return {
        "holds": verdict["holds"],
        "steps": len(steps),
        "steps_passed": sum(step["outcome"] == "holds" for step in steps),
        "verify_seconds": round(found.seconds, 2),
        "entries": verdict["checkpoint"]["size"],
        "export_bytes": found.bytes,
        "quorum": verdict["checkpoint"]["quorum"],
        "epsilon": {ledger["institution"]: _amount(ledger, run_id) for ledger in account["ledgers"]},
        "audits": [
            {name: audit[name] for name in _AUDIT} | {"requested": audit["request"] is not None}
            for audit in account["audits"]
        ],
        "replayed": [{name: replay[name] for name in _REPLAY} for replay in account["replays"]],
    }


def evidence(found: Overseen) -> dict[str, Any]:
    """`oversight` of `evidence.json`: step by step, and how many entries of each kind the log has."""
    steps = [
        {"number": step["number"], "title": step["title"], "outcome": step["outcome"], "facts": step["facts"]}
        for step in found.verdict["steps"]
    ]
    return {"steps": steps, "entries": found.verdict["account"]["entries"]}


def _amount(ledger: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    amount = next(each for each in ledger["amounts"] if (each["scope"], each["key"]) == ("run", run_id))
    return {name: amount[name] for name in _FIGURES}
