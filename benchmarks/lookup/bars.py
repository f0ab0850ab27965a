"""What the figures of a run must meet. Bars of size are for a million subjects, and for three or eight members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MILLION = 1_000_000


@dataclass(frozen=True)
class Bar:
    """At most `most`, at least `least`."""

    most: float | None = None
    least: float | None = None

    def met(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


_SET_UP = {
    "setup_cpu_s_per_million": Bar(most=60),
    "enrolment_pass_cpu_s_per_million": Bar(most=60),
    "enrolment_evaluating_pass_cpu_s_per_million": Bar(most=60),
    "layout_check_cpu_s_per_million": Bar(most=60),
    "audit_cpu_s_per_million": Bar(most=60),
    "setup_speedup_two_processes": Bar(least=1.7),
}
_MILLION = {
    "bfv": {
        "server_cpu_s": Bar(most=0.45),
        "bytes_up": Bar(most=135_000),
        "bytes_down": Bar(most=135_000),
        "key_bytes": Bar(most=3_500_000),
        "rss_gb": Bar(most=0.5),
        "noise_budget_min": Bar(least=8),
        "times_less_server_cpu": Bar(least=200),
        "times_fewer_bytes_up": Bar(least=500),
    },
    "lwe": {
        "server_cpu_s": Bar(most=0.002),
        "bytes_up": Bar(most=50_000),
        "bytes_down": Bar(most=3_000),
        "key_bytes": Bar(most=3_600_000),
        "batch_queries_per_s_per_core": Bar(least=6_000),
        "service_queries_per_s": Bar(least=4_000),
    },
}
_WALL = {"bfv": Bar(most=0.7), "lwe": Bar(most=0.15)}
_MEMBER_S = {3: 0.003, 8: 0.005}


def bars_of(engine: str, subjects: int, members: int, queries: int) -> dict[str, Bar]:
    """The bars that apply to a run."""
    bars = {"correct": Bar(least=queries)}
    if members in _MEMBER_S:
        bars["member_cpu_s"] = Bar(most=_MEMBER_S[members])
    if subjects >= MILLION:
        bars |= _SET_UP | _MILLION[engine]
        if members == min(_MEMBER_S):
            bars["wall_s"] = _WALL[engine]
    return bars


def judged(figures: Mapping[str, Any], bars: Mapping[str, Bar]) -> dict[str, Any]:
    """`bars` as text, `missed` with those that are not met, `ok` if there are none."""
    missed = {
        name: f"{figures.get(name)}, expected {bar}"
        for name, bar in bars.items()
        if figures.get(name) is None or not bar.met(float(figures[name]))
    }
    return {"bars": {name: str(bar) for name, bar in bars.items()}, "missed": missed, "ok": not missed}
