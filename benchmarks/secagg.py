"""One client's CPU in a round of secure aggregation, and bytes, against Flower's legacy SecAgg+.

Bar: five times less CPU than Flower's own client functions, driven here with the same number of members, width and
threshold, each sharing with all others, on numbers of the same precision: Flower quantises to 22 bits and adds modulo
2^32, so vectors here are numbers of 22 bits, whose bounds add up to words of 4 bytes. Sums that need words of 8 bytes,
as those of this project's recipes do, are measured next to it (`words_of_8_bytes`) and are under no bar.

Flower sets up anew in every round; one set-up here serves all rounds of a run, so its CPU and bytes are divided by
`--rounds`. Medians; the measured client's own work only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from benchmarks.secagg_flower import BITS, FlowerClient
from federation.rounds.vectors import MaskedForm
from protocols.secagg import Collector, Member, SecaggPlan, to_wire
from protocols.signing import SigningKey

BAR = 5.0
CASES = {10: 2, 50: 6}  # members: how many of them may drop
T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--widths", type=int, nargs="+", default=[10**4, 10**6])
    parser.add_argument("--members", type=int, nargs="+", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=23, help="rounds that one set-up serves")
    parser.add_argument("--repeats", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds and bytes of each case, and `ok` if the bar is met in all of them."""
    cases: dict[str, dict[str, Any]] = {}
    for members in args.members:
        client = Client(members, CASES.get(members, 0), args.rounds)
        for width in args.widths:
            theirs = FlowerClient(members, client.plan.threshold).measure(width, args.repeats)
            forms = client.form(width, BITS), client.form(width, BITS + 32)
            narrow, wide = (compared(client.measure(form, args.repeats), theirs) for form in forms)
            cases[f"members_{members}_width_{width}"] = {
                "droppers": client.plan.droppers,
                "threshold": client.plan.threshold,
                "flower": theirs,
                **narrow,
                "words_of_8_bytes": wide,
            }
    speedup = min(case["speedup_vs_flower"] for case in cases.values())
    wide_speedup = min(case["words_of_8_bytes"]["speedup_vs_flower"] for case in cases.values())
    return {
        "ok": speedup >= BAR,
        "speedup_vs_flower": speedup,
        "speedup_vs_flower_words_of_8_bytes": wide_speedup,
        "rounds": args.rounds,
        **cases,
    }


def compared(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, Any]:
    return {"client": ours, "speedup_vs_flower": theirs["round_cpu_s"] / ours["round_cpu_s"]}


class Client:
    """A set-up among `members`, of whom the first is measured."""

    def __init__(self, members: int, droppers: int, rounds: int) -> None:
        keys = {f"bank-{number:02d}": SigningKey.generate() for number in range(members)}
        publics = {name: key.public for name, key in keys.items()}
        self.plan = SecaggPlan.tolerating(droppers, context=os.urandom(32), members=publics, rounds=rounds)
        self._name = self.plan.names[0]
        self._collector = Collector(self.plan)
        states: dict[str, Member] = {}
        self._start_s = clock(lambda: Member.start(self.plan, self._name, keys[self._name], os.urandom))[0]
        for name in self.plan.names:
            states[name], advert = Member.start(self.plan, name, keys[name], os.urandom)
            self._collector.advert(name, advert)
        adverts = self._collector.adverts
        self._share_s = statistics.median(clock(lambda: states[self._name].share(adverts))[0] for _ in range(3))
        for name in self.plan.names:
            states[name], shares = states[name].share(adverts)
            self._collector.shares(name, shares)
            if name == self._name:
                self._sent = len(adverts[name]) + len(shares)
        self._received = sum(map(len, adverts.values()))
        self._states = states

    def form(self, width: int, bits: int) -> MaskedForm:
        """Of numbers below 2^`bits`: as in a run, their bounds decide which words they are masked in."""
        return MaskedForm(width, dict.fromkeys(self.plan.names, 2**bits))

    def measure(self, form: MaskedForm, repeats: int) -> dict[str, float]:
        """One round, with as many droppers as may be: the state is stored after each step, as a node does it."""
        fresh = self._states[self._name]
        drawn = np.random.default_rng(0).integers(0, form.bounds[self._name], (2, form.size))
        vector, other = (form.words(self._name, row) for row in drawn)
        total = self._collector.round(1, form.size, word_bytes=form.word_bytes)
        masks, reveals = [], []
        for name in self.plan.names[: self.plan.fewest]:  # who survives is all the list needs
            total.offer(name, other)
        unmasking = total.unmasking(self._name)
        for _ in range(repeats):
            mask_s, (state, masked) = clock(lambda: stored(fresh.mask(1, vector)))
            reveal_s, (_, revealed) = clock(lambda state=state: stored(state.reveal(unmasking)))  # type: ignore[misc]
            masks.append(mask_s)
            reveals.append(reveal_s)
        mask_s, reveal_s = statistics.median(masks), statistics.median(reveals)
        setup_s = self._start_s + self._share_s
        return {
            "word_bytes": form.word_bytes,
            "setup_cpu_s": setup_s,
            "mask_cpu_s": mask_s,
            "reveal_cpu_s": reveal_s,
            "round_cpu_s": setup_s / self.plan.rounds + mask_s + reveal_s,
            "setup_bytes_sent": self._sent,
            "setup_bytes_received": self._received,
            "round_bytes_sent": len(to_wire(masked)) + len(revealed),
            "round_bytes_received": len(unmasking.encode()),
        }


def stored(step: tuple[Member, T]) -> tuple[Member, T]:
    """The step, with the bytes that go to the private file made."""
    step[0].to_bytes()
    return step


def clock(act: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this process."""
    start = time.process_time()
    result = act()
    return time.process_time() - start, result
