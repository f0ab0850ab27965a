"""Tasks for members who dial out: who has what to do, and who waits for it.

    with duties.round(tasks, deadline) as answers:          # one task for each member; waits for all of them
        ...
    tasks = duties.poll("bank-a", session, finished, wait)  # a member hands in and takes

In memory: a ticket under way when the relay dies is asked for again by its querier, with the same bytes. Bounded: a
member holds so many unfinished tasks and no more, whatever it does; what nobody waits for any more is dropped. A
member has one call open at a time, a second one ends the first; a process that started anew (another session) is
given all unfinished tasks again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from federation.errors import Refused
from protocols.wire import lookup_pb2 as wire
from server.lookup.epochs import Code

MAX_TASKS = 256  # unfinished, of one member
MAX_ANSWERS = 64  # in one Finished
MAX_BYTES = 2 * 2**20  # of tasks in one reply; a single task may be larger


@dataclass
class _Member:
    """One member's unfinished tasks: `waiting` to be taken, `taken` by the session."""

    session: bytes = b""
    call: int = 0
    waiting: dict[bytes, wire.Task] = field(default_factory=dict)
    taken: dict[bytes, wire.Task] = field(default_factory=dict)
    last_seen: float = float("-inf")

    def give(self) -> list[wire.Task]:
        """Tasks to take now, at least one and no more than fit in a message."""
        given: list[wire.Task] = []
        size = 0
        for name, task in list(self.waiting.items()):
            size += task.ByteSize()
            if given and size > MAX_BYTES:
                break
            given.append(task)
            self.taken[name] = self.waiting.pop(name)
        return given

    def drop(self, task: bytes) -> None:
        self.waiting.pop(task, None)
        self.taken.pop(task, None)


@dataclass
class _Round:
    """Tasks that somebody waits for, and what came."""

    task_of: Mapping[str, bytes]
    answers: dict[str, Sequence[wire.Answered]] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        return sorted(self.task_of.keys() - self.answers.keys())


class Duties:
    """`clock` is monotonic, in seconds; `now_ms` is Unix time; `random` names tasks."""

    def __init__(
        self, *, clock: Callable[[], float], now_ms: Callable[[], int], random: Callable[[int], bytes]
    ) -> None:
        self._clock, self._now_ms, self._random = clock, now_ms, random
        self._members: dict[str, _Member] = {}
        self._rounds: dict[bytes, tuple[_Round, str]] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def ask(
        self, tasks: Mapping[str, wire.Task], seconds: float, *, wanted: Callable[[], bool] = lambda: True
    ) -> dict[str, Sequence[wire.Answered]]:
        """Give each member its task and wait for all answers, at most `seconds` and while `wanted`.

        Raises Refused: `busy` for a member that has too much to do already, `unreachable` naming who did not answer.
        """
        end = self._clock() + seconds
        gathering = self._begin(tasks, int(seconds * 1000))
        try:
            with self._changed:
                while missing := gathering.missing:
                    left = end - self._clock()
                    if left <= 0 or self._stopped or not wanted():
                        raise Refused(
                            Code.UNREACHABLE, missing[0], got=f"no answer of {', '.join(missing)}", expected="all"
                        )
                    self._changed.wait(min(left, 0.5))
            return gathering.answers
        finally:
            self._end(gathering)

    def poll(self, institution: str, session: bytes, finished: Sequence[wire.Finished], wait: float) -> list[wire.Task]:
        """Take what `institution` finished, give it what there is to do; waits up to `wait` seconds for something."""
        end = self._clock() + wait
        with self._changed:
            member = self._members.setdefault(institution, _Member())
            for done in finished:
                self._take_answer(institution, member, done)
            if member.session != session:
                member.session = session
                member.waiting = {**member.taken, **member.waiting}
                member.taken = {}
            member.call += 1
            mine = member.call
            self._changed.notify_all()
            while not member.waiting and member.call == mine and not self._stopped:
                member.last_seen = self._clock()
                left = end - self._clock()
                if left <= 0:
                    break
                self._changed.wait(left)
            if member.call != mine:
                return []
            member.last_seen = self._clock()
            return member.give()

    def unfinished(self) -> dict[str, float]:
        """Tasks that each member has not finished."""
        with self._changed:
            return {name: float(len(one.waiting) + len(one.taken)) for name, one in self._members.items()}

    def seen(self, institution: str, within: float) -> bool:
        """Whether `institution` asked for work in the last `within` seconds."""
        with self._changed:
            member = self._members.get(institution)
            return member is not None and self._clock() - member.last_seen <= within

    def stop(self) -> None:
        """Let go of everybody who waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _begin(self, tasks: Mapping[str, wire.Task], milliseconds: int) -> _Round:
        with self._changed:
            for name in tasks:
                member = self._members.setdefault(name, _Member())
                if len(member.waiting) + len(member.taken) >= MAX_TASKS:
                    raise Refused(Code.BUSY, name, got=f"{MAX_TASKS} unfinished tasks", expected="fewer; ask again")
            gathering = _Round({name: self._random(16) for name in tasks})
            for name, task in tasks.items():
                given = wire.Task(id=gathering.task_of[name], deadline_ms=self._now_ms() + milliseconds)
                given.MergeFrom(task)
                self._members[name].waiting[given.id] = given
                self._rounds[given.id] = (gathering, name)
            self._changed.notify_all()
            return gathering

    def _end(self, gathering: _Round) -> None:
        with self._changed:
            for name, task in gathering.task_of.items():
                self._members[name].drop(task)
                self._rounds.pop(task, None)

    def _take_answer(self, institution: str, member: _Member, done: wire.Finished) -> None:
        """An answer to a task of this member that somebody waits for; any other is ignored, it is late or not its."""
        gathering, of = self._rounds.get(done.task, (None, ""))
        member.drop(done.task)
        if gathering is None or of != institution or institution in gathering.answers:
            return
        gathering.answers[institution] = list(done.answers[:MAX_ANSWERS])
