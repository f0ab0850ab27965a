"""What a round driver shows of its run: rounds, and by institution and code what became of each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.observability import metrics


def observe_run(event: Mapping[str, Any]) -> None:
    """What an event of the round driver adds to its figures."""
    match event["event"]:
        case "round":
            metrics.put("fedscore_run_rounds", event["rounds"])
            metrics.observe("fedscore_run_attempt_seconds", event["seconds"])
            answers = {
                **event["refused"],
                **dict.fromkeys(event["accepted"], "accepted"),
                **dict.fromkeys(event["silent"], "silent"),
            }
            for institution, code in answers.items():
                metrics.count("fedscore_run_answers_total", institution=institution, code=code.partition(":")[0])
        case "averaged":
            metrics.put("fedscore_run_round", event["round"])
            metrics.count("fedscore_run_outcomes_total", outcome="averaged")
        case "evaluated" | "failed" as outcome:
            metrics.count("fedscore_run_outcomes_total", outcome=outcome)
