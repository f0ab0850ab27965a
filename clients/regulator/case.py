"""What all steps look at: the export, the policy, the notes in it, and the tree as it grows entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from clients.regulator.account import Account
from clients.regulator.archive import Archive, ArchiveError
from clients.regulator.layout import CHECKPOINT, CHECKPOINTS, MAX_KEPT, PROMISES, read_note_line
from clients.regulator.line import Line, Where
from clients.regulator.policy import Policy
from federation.errors import FederationError
from federation.oversight import Roster
from protocols.errors import ProtocolError
from protocols.transparency import Checkpoint, Frontier, Promise, Quorum, open_checkpoint

Error = ProtocolError | FederationError
_MAX_NOTE_BYTES = 2**16
_MAX_KEPT_BYTES = 2**26  # of all earlier notes, or all promises


@dataclass(frozen=True)
class Note:
    """A note of the export: its bytes, and the checkpoint in it where the policy's log signed one."""

    where: str
    data: bytes
    checkpoint: Checkpoint | None
    error: Error | None


@dataclass
class Case:
    """`roster` and `roots` are those before the line that is being judged, and complete when steps finish.

    roots   {size: root} of the tree over the entries in the export, at each size that some note or promise names
    broken  why the entries could not be read to their end
    signers {index: institution that signed the entry}, where the entry itself does not tell; empty: nobody did
    """

    archive: Archive
    policy: Policy
    newest: Note
    earlier: tuple[Note, ...]
    promises: tuple[Promise | Error, ...]
    unread: tuple[Error, ...]
    roster: Roster
    account: Account = field(default_factory=Account)
    tree: Frontier = field(default_factory=Frontier)
    roots: dict[int, bytes] = field(default_factory=dict)
    broken: ArchiveError | None = None
    signers: dict[int, str] = field(default_factory=dict)

    @classmethod
    def open(cls, archive: Archive, policy: Policy) -> Case:
        """Reads everything but the entries; what cannot be read is kept as an error for the step it concerns."""
        unread: list[Error] = []
        newest = _note(policy, CHECKPOINT, lambda: archive.read(CHECKPOINT, _MAX_NOTE_BYTES))
        earlier = tuple(
            _note(policy, f"{CHECKPOINTS}, line {number}", lambda line=line: read_note_line(line))  # type: ignore[misc]
            for number, line in enumerate(_lines(archive, CHECKPOINTS, unread), 1)
        )
        promises = tuple(_promise(line) for line in _lines(archive, PROMISES, unread))
        case = cls(archive, policy, newest, earlier, promises, tuple(unread), Roster(policy.coordinator))
        case._wanted = case._sizes()
        case._remember()
        return case

    @property
    def notes(self) -> tuple[Note, ...]:
        """Oldest first."""
        return (*self.earlier, self.newest)

    @property
    def quorum(self) -> Quorum:
        """The policy's, with whom its witnesses handed over to. Raises MessageError where it names two keys of one."""
        return self.policy.quorum.following(self.roster.successions)

    @property
    def witnessed(self) -> int | None:
        """A time (Unix s) at which an honest witness still saw no more than this checkpoint; None without a quorum."""
        try:
            times = self.quorum.check(self.newest.data, self.policy.log).times.values()
        except ProtocolError:
            return None
        return honest_time(times, self.policy.quorum.faults)

    @cached_property
    def quorate(self) -> tuple[tuple[int, int], ...]:
        """(size, time) of every note that a quorum cosigned, by size; the time is no liar's, as in `witnessed`."""
        found = []
        for note in self.notes:
            try:
                cosigned = self.quorum.check(note.data, self.policy.log)
            except ProtocolError:
                continue
            found.append((cosigned.checkpoint.size, honest_time(cosigned.times.values(), self.policy.quorum.faults)))
        return tuple(sorted(found))

    def is_over(self, deadline: int, answered: int | None) -> bool:
        """Whether what was due by `deadline` (Unix s) was not in the log then: some quorum saw the log without it."""
        return any(time > deadline for size, time in self.quorate if answered is None or size <= answered)

    @property
    def cosigned(self) -> int:
        """How many of the policy's witnesses cosigned the newest checkpoint, enough or not."""
        try:
            return len(self.quorum.times(self.newest.data, self.policy.log).times)
        except ProtocolError:
            return 0

    def answerable(self, line: Line | Where | None) -> str:
        """The institution whose doing it is if the entry does not hold; empty: it is the log's, or several parties'.

        Nobody is answerable for an entry that does not carry their signature, whatever it says.
        """
        return "" if line is None else self.signers.get(line.index, line.answerable)

    def grow(self, line: Line) -> None:
        """The tree with one more entry."""
        self.tree, _ = self.tree.append(line.leaf)
        self._remember()

    def follow(self, line: Line) -> None:
        """The roster after an entry; one that says nothing valid (step 2 names it) changes nothing."""
        if line.entry is not None:
            try:
                self.roster = self.roster.after(line.entry, line.index)
            except ProtocolError:
                return

    def _remember(self) -> None:
        if self.tree.size in self._wanted:
            self.roots[self.tree.size] = self.tree.root

    def _sizes(self) -> set[int]:
        named = {note.checkpoint.size for note in self.notes if note.checkpoint is not None}
        return named if self.policy.seen is None else named | {self.policy.seen.size}

    def __post_init__(self) -> None:
        self._wanted: set[int] = set()


def honest_time(times: Iterable[int], faults: int) -> int:
    """Of f + 1 witnesses one is honest: the (f + 1)th latest time is no liar's."""
    return sorted(times, reverse=True)[faults]


def _note(policy: Policy, where: str, read: Callable[[], bytes]) -> Note:
    data = b""
    try:
        data = read()
        return Note(where, data, open_checkpoint(data, policy.log), None)
    except (ProtocolError, FederationError) as error:
        return Note(where, data, None, _bare(error))


def _promise(line: bytes) -> Promise | Error:
    try:
        return Promise.decode(line)
    except ProtocolError as error:
        return _bare(error)


def _bare(error: Error) -> Error:
    """Without what led to it: the frames of thousands of errors are memory that whoever writes an export could fill."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _lines(archive: Archive, name: str, unread: list[Error]) -> list[bytes]:
    try:
        return archive.few_lines(name, MAX_KEPT, _MAX_KEPT_BYTES)
    except ArchiveError as error:
        unread.append(error)
        return []
