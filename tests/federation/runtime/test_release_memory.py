"""What a process has freed goes back to the kernel when it asks, even below something it still holds."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import os, pathlib
import numpy as np
from federation.runtime.processes import release_memory

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

held = [np.ones(2**16, dtype=np.uint8) for _ in range(1000)]
held = held[-1:]  # the last one keeps the heap from shrinking by itself
before = resident()
release_memory()
print(before - resident(), held[0].sum())
"""


def test_freed_memory_goes_back_and_what_is_held_stays() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True)
    given_back, total = map(int, done.stdout.split())
    assert given_back > 40 * 2**20
    assert total == 2**16
