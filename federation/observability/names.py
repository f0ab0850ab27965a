"""Every metric there is: its name, kind, labels, the processes that have it, and the values its labels may take.

A metric that is not listed cannot be counted, and a label has a closed list of values or the form of a party's name:
whatever else is given becomes "other". So no endpoint grows with what strangers send, and none can quote it.
To add a metric is to promise that its value is the same whether a person is among the records or not
(docs/observability.md, which has the same table).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"


class Kind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Process(StrEnum):
    """Who has an endpoint. The supervisors are what `fedscore institution|coordinator serve` runs in itself."""

    SUPERVISOR = "supervisor"
    NODE = "node"
    MEMBERSHIP = "membership"
    POOL = "pool"
    ROUND_DRIVER = "round-driver"
    REGULATOR = "regulator"
    BLIND = "blind"
    HOLDER = "holder"


EVERYWHERE = tuple(Process)
_SERVING = (Process.NODE, Process.MEMBERSHIP, Process.POOL, Process.BLIND, Process.HOLDER)


@dataclass(frozen=True)
class Metric:
    """`of`: the processes that have it. Counters end in _total, times in _seconds; a timestamp is Unix time (s)."""

    name: str
    kind: Kind
    help: str
    of: tuple[Process, ...]
    labels: tuple[str, ...] = ()


def _list(kind: Kind, *rows: tuple[str, str, tuple[Process, ...], tuple[str, ...]]) -> dict[str, Metric]:
    return {name: Metric(name, kind, text, of, labels) for name, text, of, labels in rows}


_ALL, _NODE, _HOST, _POOL = EVERYWHERE, (Process.NODE,), (Process.MEMBERSHIP,), (Process.POOL,)
_DRIVER, _REGULATOR, _SUPERVISOR = (Process.ROUND_DRIVER,), (Process.REGULATOR,), (Process.SUPERVISOR,)
_BLIND, _HOLDER = (Process.BLIND,), (Process.HOLDER,)

METRICS: dict[str, Metric] = {
    **_list(
        Kind.GAUGE,
        ("fedscore_build_info", "1; the version is the label", _ALL, ("version",)),
        ("fedscore_ready", "1 where every part is ready", _ALL, ()),
        ("fedscore_part_ready", "1 where this part is ready", _ALL, ("part",)),
        ("process_resident_memory_bytes", "Memory held, rounded up to MiB", _ALL, ()),
        ("process_start_time_seconds", "When the process began", _ALL, ()),
        ("fedscore_process_up", "1 where this child runs", _SUPERVISOR, ("child",)),
        (
            "fedscore_certificate_expires_timestamp_seconds",
            "When this home's TLS certificate ends",
            (Process.NODE, Process.MEMBERSHIP, Process.BLIND, Process.HOLDER),
            (),
        ),
        ("fedscore_ledger_entries", "Entries of the ledger", _NODE, ()),
        ("fedscore_ledger_unpromised_entries", "Entries that the log has not promised", _NODE, ()),
        ("fedscore_ledger_unproved_entries", "Entries not yet in a tree that a quorum cosigned", _NODE, ()),
        ("fedscore_epsilon_spent", "Epsilon spent, as the caps count it", _NODE, ("scope",)),
        ("fedscore_epsilon_cap", "The caps", _NODE, ("scope",)),
        ("fedscore_promises_open", "Promises that are not proved kept", _NODE, ()),
        ("fedscore_promises_overdue", "Those whose time is over", _NODE, ()),
        ("fedscore_findings", "What was found against the log, by kind", _NODE, ("finding",)),
        ("fedscore_witness_alarm", "1 where this witness has stopped cosigning", _NODE, ()),
        ("fedscore_witness_checked_entries", "The largest tree this witness has checked", _NODE, ()),
        ("fedscore_members", "Applications and members, by state", _HOST, ("state",)),
        ("fedscore_log_entries", "Entries of the log", _HOST, ()),
        ("fedscore_log_checkpoint_entries", "Entries under the newest checkpoint", _HOST, ()),
        ("fedscore_log_checkpoint_timestamp_seconds", "When that was signed", _HOST, ()),
        ("fedscore_log_cosigned_entries", "Entries under the newest checkpoint with a quorum", _HOST, ()),
        ("fedscore_log_witness_timestamp_seconds", "The last cosignature of a witness", _HOST, ("institution",)),
        ("fedscore_relay_tasks", "Tasks a member has not finished", _HOST, ("institution",)),
        ("fedscore_epoch_counter", "The number of the current epoch", (Process.MEMBERSHIP, Process.POOL), ()),
        ("fedscore_epoch_phase", "1 at the phase of the epoch", (Process.MEMBERSHIP, Process.POOL), ("phase",)),
        (
            "fedscore_epoch_waiting",
            "1 where the epoch waits for a party",
            (Process.MEMBERSHIP, Process.POOL),
            ("institution",),
        ),
        ("fedscore_scan_waiting", "Queries that wait for the scan", _POOL, ()),
        ("fedscore_scan_ready", "1 where the scan answers", _POOL, ()),
        ("fedscore_run_round", "The last averaged round", _DRIVER, ()),
        ("fedscore_run_rounds", "The rounds of the plan", _DRIVER, ()),
        ("fedscore_regulator_verified_entries", "Entries of the log that were verified", _REGULATOR, ()),
        ("fedscore_regulator_cosigned_entries", "Entries under its newest checkpoint with a quorum", _REGULATOR, ()),
        ("fedscore_regulator_checkpoint_timestamp_seconds", "When it saw its newest checkpoint", _REGULATOR, ()),
        ("fedscore_regulator_verdict_timestamp_seconds", "When all ten steps were last run", _REGULATOR, ()),
        ("fedscore_regulator_unanswered_statements", "Statements that the log has not promised", _REGULATOR, ()),
        ("fedscore_regulator_alerts", "Alerts so far, by kind", _REGULATOR, ("alert",)),
        ("fedscore_blind_lifetime", "Applicants a blind model answers in its life", _BLIND, ()),
        ("fedscore_blind_left", "Applicants left of these", _BLIND, ()),
        ("fedscore_holder_questions", "Questions of persons within a day", _HOLDER, ()),
        ("fedscore_holder_tags", "Tags in these", _HOLDER, ()),
    ),
    **_list(
        Kind.COUNTER,
        ("process_cpu_seconds_total", "CPU used, whole seconds", _ALL, ()),
        ("fedscore_readings_failed_total", "Figures that could not be read for a scrape", _ALL, ("part",)),
        ("fedscore_process_starts_total", "Starts of a child", _SUPERVISOR, ("child",)),
        ("fedscore_rpc_calls_total", "Calls answered", _SERVING, ("method", "code")),
        ("fedscore_releases_total", "Updates released", _NODE, ("phase",)),
        ("fedscore_refusals_total", "Requests of the coordinator refused", _NODE, ("code",)),
        ("fedscore_lookup_orders_total", "Enrolment batches and steps of tickets, answered", _NODE, ("kind", "code")),
        ("fedscore_queries_answered_total", "Queries answered by the scan", _POOL, ()),
        ("fedscore_steps_failed_total", "Steps of an epoch that failed", (Process.MEMBERSHIP, Process.POOL), ()),
        ("fedscore_checkpoints_failed_total", "Looks of the log at itself that failed", _HOST, ()),
        ("fedscore_blind_applicants_total", "Applicants scored blind", _BLIND, ()),
        ("fedscore_run_answers_total", "Answers of members", _DRIVER, ("institution", "code")),
        ("fedscore_run_outcomes_total", "Rounds averaged, evaluations, failures", _DRIVER, ("outcome",)),
    ),
    **_list(
        Kind.HISTOGRAM,
        ("fedscore_rpc_seconds", "Time of a call, what it waited for included", _SERVING, ("method",)),
        ("fedscore_lookup_seconds", "Time of a task for others", _NODE, ("kind",)),
        ("fedscore_run_attempt_seconds", "Time of an attempt at a round", _DRIVER, ()),
    ),
}

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Seconds. A time is counted as the bound above it, so that a sum tells no more than the buckets do."""


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


CODES = _words(
    # federation.rounds.Code
    "unreadable unsigned wrongly_signed not_a_member wrong_plan wrong_round late not_finite wrong_shape oversized",
    "unknown_kind unsigned_plan not_approved approval_pending outside_policy wrong_catalogue wrong_bundle plan_expired",
    "another_model attempts_spent budget_exceeded log_unavailable no_beacon no_masks internal duplicate wrong_model",
    "unlogged",
    "wrong_reservation transport refused bundle_not_allowed",
    # federation.enrolment.Code
    "wrong_proof other_authority other_catalogue stale name_taken key_taken replayed wrong_fingerprint wrong_state",
    "revoked",
    # server.lookup.epochs.Code, tickets, the log
    "conflict too_early not_expected closed unknown quota proof unreachable busy invalid too_large too_many too_slow",
    # federation.inquiries.holder_service
    "rate",
    # an answer
    "ok accepted silent",
)

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
LABELS: dict[str, frozenset[str] | re.Pattern[str]] = {
    "alert": re.compile(r"[a-z_]{1,40}"),
    "child": frozenset({"node", "supernode", "superlink", "membership", "pool"}),
    "code": CODES,
    "finding": frozenset({"promise_broken", "promise_overdue", "log_forked", "log_went_back"}),
    "institution": _NAME,
    "kind": frozenset({"enrol", "first", "second"}),
    "method": re.compile(r"[A-Z][A-Za-z]{1,30}\.[A-Z][A-Za-z]{1,30}"),
    "outcome": frozenset({"averaged", "evaluated", "failed"}),
    "part": re.compile(r"[a-z][a-z-]{0,30}"),
    "phase": _words(
        "train evaluate audit keys enrol secrets report layout sign tables dummies rows open closing closed none"
    ),
    "scope": frozenset({"run", "year", "lifetime"}),
    "state": frozenset({"pending", "admitted", "rejected", "revoked"}),
    "version": re.compile(r"[0-9a-z.+-]{1,40}"),
}
MOST = 512
"""Combinations of labels that one metric keeps; what comes later is "other"."""


def label_value(label: str, value: object) -> str:
    """`value` if that label may have it, else "other"."""
    allowed, text = LABELS[label], str(value)
    fits = text in allowed if isinstance(allowed, frozenset) else allowed.fullmatch(text) is not None
    return text if fits else OTHER


def rounded_up(seconds: float) -> float:
    """The bound of BUCKETS at or above `seconds`; beyond the last, the next whole hour."""
    return next((bound for bound in BUCKETS if seconds <= bound), 3600.0 * -(-seconds // 3600.0))


def of_process(process: Process) -> tuple[Metric, ...]:
    """The metrics that `process` shows, all of them, used or not."""
    return tuple(metric for metric in METRICS.values() if process in metric.of)
