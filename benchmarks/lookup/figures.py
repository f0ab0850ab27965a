"""The figures of one run, by the names under which they are compared with the bars."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from benchmarks import naive_lookup
from benchmarks.lookup import passes, scan
from benchmarks.lookup.bars import bars_of, judged
from benchmarks.lookup.clocks import Seconds
from benchmarks.lookup.deployment import Deployment
from benchmarks.lookup.harness import SHORTCUT_FROM, Asked, Phases, Questions, publish, questions, say
from benchmarks.lookup.member import SAMPLE, Passes
from benchmarks.lookup.population import Population

SINGLES, READS = 20, 10
LOAD_S = 5.0
_MILLION = 1_000_000


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Found, publish, ask; then what is measured apart."""
    idle = (100.0 - psutil.cpu_percent(interval=1.0)) / 100.0 * (os.cpu_count() or 1)
    population = Population(args.subjects, args.members, args.seed)
    cut = not args.full and args.subjects >= SHORTCUT_FROM
    figures: dict[str, Any] = {
        "engine": args.engine,
        "subjects": args.subjects,
        "members": args.members,
        "queries": args.queries,
        "idle_cpus": idle,
        "short_cuts": [_SHORTCUT] if cut else [],
    }
    with tempfile.TemporaryDirectory(prefix="fedscore-bench-") as folder:
        say(f"founding a coordinator and {args.members} members")
        with Deployment.found(Path(folder), population.names) as deployment:
            customers = {name: len(population.held_by(number)) for number, name in enumerate(population.names)}
            deployment.open_epoch(args.engine, customers, tickets=2 * args.queries + SINGLES)
            published, phases = publish(deployment, population, full=args.full)
            say(f"open; asking {args.queries} questions")
            with questions(deployment, population, deployment.homes[population.names[0]].path) as asking:
                asked = asking.ask(population.asked(args.queries), singly=min(SINGLES, args.queries // 3))
                figures |= _of_set_up(population, published, phases) | _of_questions(population, asked)
                figures |= _of_pool(asking, args.engine)
                if args.engine == "lwe":
                    say("load on the pool's service")
                    figures |= {f"service_{name}": value for name, value in asking.load(LOAD_S).items()}
    say("measuring apart: two processes, the naive lookup, the scan")
    figures |= _apart(figures, args.engine, args.subjects, args.members)
    bars = bars_of(args.engine, args.subjects, args.members, args.queries)
    return figures | judged(figures, bars)


_SHORTCUT = (
    f"enrolment: {SAMPLE} customers of each member are enrolled in earnest; the other pseudonyms are computed with the"
    " sum of the key shares, which only a harness can know, and counted as enrolled at the relay"
)


def _of_set_up(population: Population, published: list[Passes], phases: Phases) -> dict[str, Any]:
    """CPU seconds of each pass for a million subjects (enrolment: customers), of the member that needed most."""
    million = population.subjects / _MILLION
    per_step = {kind: max(member.cpu_s.get(kind, 0.0) for member in published) for kind in sorted(_steps(published))}
    relay = {phase: spent.get("membership", 0.0) for phase, spent in phases.cpu_s.items()}
    return {
        "setup_cpu_s_per_million": per_step["table"] / million,
        "layout_check_cpu_s_per_million": per_step["sign"] / million,
        "audit_cpu_s_per_million": (per_step.get("rows", 0.0) + per_step.get("opening", 0.0)) / million,
        "layout_relay_cpu_s_per_million": relay.get("layout", 0.0) / million,
        **_of_enrolment(
            "enrolment_together",
            _MILLION * max(one.cpu_s["enrolled"] / one.enrolled for one in published),
            3 + len(published),
        ),
        "setup_wall_s": phases.wall_s,
        "setup_steps_cpu_s": per_step,
        "setup_relay_cpu_s": relay,
        "customers": [member.customers for member in published],
    }


def _of_enrolment(name: str, cpu_s: float, sweeps: int) -> dict[str, float]:
    """CPU seconds for a million customers in all, and for one pass: one exponentiation of each.

    Who enrols blinds, multiplies what it asked for by the weights of all proofs together, then every member's answer by
    those of its proof, and unblinds. Who evaluates multiplies by its key, then by the weights of its proof.
    """
    return {
        f"{name}_cpu_s_per_million": cpu_s,
        f"{name}_passes": sweeps,
        f"{name}_pass_cpu_s_per_million": cpu_s / sweeps,
    }


def _of_questions(population: Population, asked: Asked) -> dict[str, Any]:
    """What a question asked alone took and cost (medians), and what those in batches cost (means).

    The headlines of pool and members are those of batches: both serve many queriers, and a process that was asleep pays
    for waking, at two messages a question as much as for all its arithmetic. What a process does whether it is asked or
    not (it follows the log, reports and witnesses) is no part of a question's cost: `idle_cpu_per_s` says how much.
    """
    names = population.names

    def members(cost: Seconds) -> float:
        return sum(cost[name] for name in names) / len(names)

    def net(cost: Seconds, wall_s: float) -> Seconds:
        return {name: max(seconds - asked.idle.get(name, 0.0) * wall_s, 0.0) for name, seconds in cost.items()}

    costs = [net(cost, wall_s) for cost, wall_s in zip(asked.costs, asked.walls, strict=True)]
    alone = {
        "server_cpu_s": _median(cost["pool"] for cost in costs),
        "member_cpu_s": _median(members(cost) for cost in costs),
        "relay_cpu_s": _median(cost["membership"] for cost in costs),
        "querier_cpu_s": _median(cost["querier"] for cost in costs),
    }
    figures: dict[str, Any] = {
        "correct": asked.correct,
        "absent": asked.absent,
        "wrong": asked.wrong,
        "wall_s": _median(asked.walls),
        "asked_alone": alone,
        "idle_cpu_per_s": {
            "server": asked.idle["pool"],
            "member": members(asked.idle),
            "relay": asked.idle["membership"],
        },
    }
    if asked.batched:
        netted = net(asked.batch_costs, asked.batch_wall_s)
        spent = {name: seconds / asked.batched for name, seconds in netted.items()}
        figures |= {"server_cpu_s": spent["pool"], "member_cpu_s": members(spent)}
        figures["asked_in_batches"] = {
            "queries_per_s": asked.batched / asked.batch_wall_s,
            "member_cpu_with_idle_s": members(asked.batch_costs) / asked.batched,
            "relay_cpu_s": spent["membership"],
            "querier_cpu_s": spent["querier"],
        }
    return figures


def _of_pool(asking: Questions, engine: str) -> dict[str, Any]:
    """Messages, keys and hint, memory, and how much noise an answer could still have borne."""
    reads = asking.read(READS)
    resident, most = asking.clocks.memory("pool")
    figures: dict[str, Any] = {
        "bytes_up": max(read.bytes_up for read in reads),
        "bytes_down": max(read.bytes_down for read in reads),
        "key_bytes": asking.epoch.keys_bytes + asking.epoch.hint_bytes,
        "pool_wall_s": _median(read.wall_s for read in reads),
        "rss_gb": resident / 1e9,
        "rss_peak_gb": most / 1e9,
    }
    if engine == "bfv":
        figures["noise_budget_min"] = min(read.noise_budget for read in reads)
    return figures


def _apart(figures: dict[str, Any], engine: str, subjects: int, members: int) -> dict[str, Any]:
    two, naive = passes.two_processes(), naive_lookup.measure(subjects)
    enrolling, evaluating = passes.enrolling(members)
    apart: dict[str, Any] = {
        "setup_speedup_two_processes": two["speedup"],
        **_of_enrolment("enrolment", enrolling * _MILLION, 3 + members),
        **_of_enrolment("enrolment_evaluating", evaluating * _MILLION, 2),
        "naive_server_cpu_s": naive["naive_server_cpu_s"],
        "naive_bytes_up": naive["naive_bytes_up"],
        "naive_extrapolated": naive["naive_extrapolated"],
        "times_less_server_cpu": naive["naive_server_cpu_s"] / figures["server_cpu_s"],
        "times_fewer_bytes_up": naive["naive_bytes_up"] / figures["bytes_up"],
    }
    return apart | scan.measure(engine, subjects)


def _steps(published: list[Passes]) -> set[str]:
    return {kind for member in published for kind in member.cpu_s}


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
