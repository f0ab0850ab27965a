"""The node process of an institution, with the faults that HOME/faults.json lists: python faulty_node.py HOME.

silent        adds no noise in production; what audits get is the honest trainer, and all that is signed looks the same
die at STEP   ends itself (SIGKILL) when STEP is reached for the first time in this home's life
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from clients.institution import node_service
from clients.institution.replay.live import LiveReplays
from clients.institution.replay.randomness import SealedRandomness
from clients.institution.training import Computation
from federation.ledger import Ledger

# What is done last before the node dies.
STEPS: dict[str, tuple[type, str]] = {
    "committed": (SealedRandomness, "commit"),
    "said": (LiveReplays, "_say"),
    "learned": (SealedRandomness, "learn"),
    "reserved": (Ledger, "reserve"),
    "used": (SealedRandomness, "noise"),
    "computed": (Computation, "train"),
    "spent": (Ledger, "spend"),
}


def die_after(owner: type, name: str, mark: Path) -> None:
    work: Callable[..., Any] = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        done = work(*args, **kwargs)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, dying)


def fall_silent() -> None:
    train = Computation.train

    def silent(self: Computation, plan: Any, nominal: int, number: int, model: Any, noise: Any = None) -> Any:
        draw = noise.discrete_gaussian

        def nothing(size: int, sigma: Fraction) -> Any:
            draw(size, sigma)
            return np.zeros(size, dtype=np.int64)

        noise.discrete_gaussian = nothing
        return train(self, plan, nominal, number, model, noise)

    Computation.train = silent  # type: ignore[method-assign]


def main(home: Path) -> int:
    file = home / "faults.json"
    for fault in json.loads(file.read_text()) if file.exists() else []:
        if fault == "silent":
            fall_silent()
        else:
            die_after(*STEPS[fault], home / f"died-{fault}")
    return node_service.main([str(home)])


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
