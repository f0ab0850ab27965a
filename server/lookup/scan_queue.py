"""What waits for the scan: everybody has a share of its own, and everybody has turns.

    queue.put(job)            # Refused (`busy`) for a caller whose own share is full, whatever the others do
    jobs = queue.take()       # the next caller's job; without keys, with those behind it that have none either

Not safe for threads: the scanner holds its lock.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from federation.errors import Refused
from server.lookup.epochs import Code

SHARE_QUERIES = 128
"""Of one caller: two full calls, so that one is there when the other is answered."""
SHARE_BYTES = 16 * 2**20
MAX_BATCH = 64


@dataclass(eq=False)
class Job:
    """One call: whose, its queries, the file of its evaluation keys, and whether anybody still waits for it."""

    caller: str
    queries: tuple[bytes, ...]
    keys: Path | None
    keys_hash: bytes
    wanted: Callable[[], bool]
    tries: int = 0
    answers: list[bytes] | None = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def size(self) -> int:
        return sum(map(len, self.queries))

    def end(self, answers: list[bytes] | None, error: Exception | None = None) -> None:
        self.answers, self.error = answers, error
        self.done.set()


class ScanQueue:
    """Jobs by caller, the one whose turn it is first. Who asks much waits behind itself, never before another."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Queries that wait."""
        return sum(len(job.queries) for own in self._waiting.values() for job in own)

    def put(self, job: Job) -> None:
        """Raises Refused where the caller's own share is full."""
        own = deque(waiting for waiting in self._waiting.get(job.caller, ()) if waiting.wanted())
        queries, size = sum(len(other.queries) for other in own), sum(other.size for other in own)
        if queries + len(job.queries) > SHARE_QUERIES or size + job.size > SHARE_BYTES:
            raise Refused(Code.BUSY, "queries", got=f"{queries} of the caller's waiting", expected="fewer: ask again")
        own.append(job)
        self._waiting[job.caller] = own

    def put_back(self, job: Job) -> None:
        """It is its caller's turn again."""
        self._waiting.setdefault(job.caller, deque()).appendleft(job)
        self._waiting.move_to_end(job.caller, last=False)

    def take(self) -> list[Job]:
        """What one worker does next: [] where nobody waits for anything.

        A job with keys goes alone. Those without share a pass over the table, each caller's next one in turn.
        """
        jobs: list[Job] = []
        count = 0
        for job in self._turns():
            count += len(job.queries)
            if jobs and (job.keys is not None or count > MAX_BATCH):
                break
            jobs.append(self._waiting[job.caller].popleft())
            self._waiting.move_to_end(job.caller)
            if job.keys is not None:
                break
        return jobs

    def clear(self) -> list[Job]:
        """Everything that waits, which then waits no more."""
        jobs = [job for own in self._waiting.values() for job in own]
        self._waiting.clear()
        return jobs

    def _turns(self) -> Iterator[Job]:
        """The first job of whose turn it is, as long as there is one; what nobody waits for is dropped."""
        while self._waiting:
            caller, own = next(iter(self._waiting.items()))
            while own and not own[0].wanted():
                own.popleft()
            if own:
                yield own[0]
            else:
                del self._waiting[caller]
