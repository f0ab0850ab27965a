"""Processor time and memory of other processes, to the nanosecond and without their help.

clocks = Clocks({"pool": pid, "bank-1": pid})
before = clocks.seconds()
...
spent = clocks.since(before)            # by name, with the children that live
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

Seconds = dict[str, float]


def cpu_of(pid: int) -> float:
    """CPU seconds of all threads of one process (the clock of clock_getcpuclockid(3)); 0 once it is gone."""
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


class Clocks:
    """Processes by name; each counts with the children that are alive when `Clocks` is made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = {
            name: [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
            for name, pid in pids.items()
        }

    def seconds(self) -> Seconds:
        return {name: sum(map(cpu_of, pids)) for name, pids in self._pids.items()}

    def since(self, before: Seconds) -> Seconds:
        return {name: now - before[name] for name, now in self.seconds().items()}

    def memory(self, name: str) -> tuple[int, int]:
        """(resident now, most that was ever resident) of a process and its children, in bytes.

        Both are sums: pages of libraries that two of them share count twice, and peaks as if they came together.
        """
        pids = self._pids[name]
        return sum(map(resident_memory, pids)), sum(map(peak_memory, pids))


def resident_memory(pid: int) -> int:
    """Bytes that are resident, pages of shared libraries included; 0 once it is gone."""
    return _status(pid, "VmRSS")


def peak_memory(pid: int) -> int:
    """Most bytes that were ever resident since the process' exec; 0 once it is gone.

    Not getrusage(2): its maximum is handed on at exec, so that a small child of a large parent looks large.
    """
    return _status(pid, "VmHWM")


def own_cpu() -> float:
    """CPU seconds of this process and of those it started and saw the end of."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def whole_cpu(pid: int) -> float:
    """As `own_cpu`, of another process, to 10 ms; children that still run count too. 0 once it is gone."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        ended = process.cpu_times()
        running = sum(cpu_of(child.pid) for child in process.children(recursive=True))
        return cpu_of(pid) + ended.children_user + ended.children_system + running
    return 0.0


def _status(pid: int, field: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0
