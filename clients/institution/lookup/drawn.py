"""Which of this institution's inquiries the regulator has drawn: found out from the log, and believed from nobody.

    draws = LoggedDraws.read(log, home, time.time(), overseers)
    draws.valid, draws.refused                     # draws whose seeds are revealed; those that break a rule, and why
    draws.own(draws.valid[0])                      # its drawn leaves of this institution

1. The draw is signed by the regulator and the ombudsman that institution.toml names; where it names no regulator, by
   the log's. Who that is, is the coordinator's word: it could name itself, and be shown what it likes.
2. It stands in the tree at its own size, 16 entries or more before it: nobody knew that root when it was committed to.
   No other draw on the same leaves was open then; it counts where it stands first.
3. The seeds are those committed to, and were said after the log had that size.
4. An inquiry is drawn if it is this institution's, lies in the tree, and its coin falls, where it stands first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from clients.institution.home import InstitutionHome
from clients.institution.oversight.proved import Log, Proved, prove, read_proved, tree_at
from federation.oversight.inquiries import DRAW, OMBUDSMAN, REGULATOR, SeedsStatement, read_draw
from protocols.canonical import canonical
from protocols.consent.draw import MARGIN, Draw, SignedDraw, check_alone, check_place, drawn, joint_seed
from protocols.errors import ProofError, ProtocolError, SignatureError, StageError
from protocols.lookup.leaf import KIND as LEAF
from protocols.lookup.leaf import LABEL, SignedLeaf
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, VerifierKey, inclusion_path, read_entry


@dataclass(frozen=True)
class RevealedDraw:
    """A draw that holds. coins: the key of its coins; root: of the log at its size."""

    hash: bytes
    signed: SignedDraw
    seeds: SeedsStatement
    coins: bytes
    root: bytes

    def draws(self, index: int) -> bool:
        """Whether the entry at this place of the log is to be opened."""
        draw = self.signed.draw
        return draw.first <= index < draw.size and drawn(self.coins, self.root, index, draw.rate)


@dataclass(frozen=True)
class OwnLeaf:
    """An inquiry of this institution at its place in the log."""

    index: int
    signed: SignedLeaf


@dataclass(frozen=True)
class LoggedDraws:
    """`refused`: why, by the leaf hash (hex) that the seeds name. `regulator`: whose draws these are."""

    home: InstitutionHome
    log: Log
    seen: Proved
    valid: tuple[RevealedDraw, ...]
    refused: dict[str, str]
    regulator: VerifyingKey

    @classmethod
    def read(cls, log: Log, home: InstitutionHome, now: float, overseers: tuple[str, ...] = ()) -> LoggedDraws:
        """Raises what `read_proved` raises, and StageError where no regulator has joined."""
        key = VerifierKey.of(home.log_key)
        seen = read_proved(log, (DRAW, SeedsStatement.kind), key, home.coordinator_key, now, overseers)
        if seen.roster.regulator is None:
            raise StageError("regulator", got="none in the log", expected="one that draws")
        regulator = VerifyingKey.from_hex(home.settings.lookup.regulator or seen.roster.regulator.key)
        holders = {REGULATOR: regulator}
        if home.settings.lookup.ombudsman:
            holders[OMBUDSMAN] = VerifyingKey.from_hex(home.settings.lookup.ombudsman)
        rules = _Rules(log, seen, regulator, holders)
        said = [*seen.entries[DRAW], *seen.entries[SeedsStatement.kind]]
        for at, entry in sorted(said, key=lambda each: each[0]):
            if entry.kind == DRAW:
                rules.commit(at, entry)
            else:
                rules.reveal(at, entry)
        return cls(home, log, seen, tuple(rules.valid.values()), rules.refused, regulator)

    def leaves(self, start: int, wanted: Callable[[OwnLeaf], bool]) -> tuple[OwnLeaf, ...]:
        """This institution's inquiries from `start` on that are `wanted`, each proved to be where it is.

        A copy of one counts for nothing: who keeps the log would copy what it likes to have opened.
        """
        own, found, said = self.home.signing_key.public, [], []
        first: dict[bytes, tuple[int, bytes]] = {}
        named = b'"querier":%b' % canonical(self.home.name)
        for at, data in self.log.entries(LEAF, 0):
            if named not in data or at >= self.seen.checkpoint.size:  # most are others': not even read
                continue
            leaf = OwnLeaf(at, SignedLeaf.decode(read_entry(data).body))
            if leaf.signed.leaf.querier != self.home.name:
                continue
            before = first.setdefault(leaf.signed.hash, (at, data))
            if at < start or not wanted(leaf):
                continue
            with suppress(SignatureError):  # in this institution's name, and not its own: it has nothing to show for it
                own.verify(LABEL, leaf.signed.leaf.signed_bytes, leaf.signed.signature)
                said.append(before)  # that there is one before it is not believed either
                if before[0] == at:
                    found.append(leaf)
        prove(self.log, self.seen.checkpoint, said)
        return tuple(found)

    def drawn(self) -> list[tuple[OwnLeaf, RevealedDraw]]:
        """What this institution is to open, by any draw: draw after draw, the log read once."""
        found = self.leaves(0, lambda leaf: any(draw.draws(leaf.index) for draw in self.valid))
        return [(leaf, draw) for draw in self.valid for leaf in found if draw.draws(leaf.index)]

    def own(self, draw: RevealedDraw) -> tuple[OwnLeaf, ...]:
        """What this institution is to open."""
        return self.leaves(draw.signed.draw.first, lambda leaf: draw.draws(leaf.index))


class _Rules:
    """Draws and their seeds in log order. `valid`, `refused`: by the leaf hash (hex) of the draw."""

    def __init__(self, log: Log, seen: Proved, regulator: VerifyingKey, holders: Mapping[str, VerifyingKey]) -> None:
        self._log, self._seen, self._regulator, self._holders = log, seen, regulator, holders
        self._draws: dict[str, tuple[int, SignedDraw] | ProtocolError] = {}
        self._open: dict[str, Draw] = {}
        self.valid: dict[str, RevealedDraw] = {}
        self.refused: dict[str, str] = {}

    def commit(self, at: int, entry: Entry) -> None:
        name = entry.hash.hex()
        if name in self._draws:
            return
        try:
            signed = read_draw(entry, self._holders)
            if at + MARGIN < signed.draw.size:  # what lies behind is refused for its place
                check_alone(signed.draw, self._open.values())
                self._open[name] = signed.draw
            self._draws[name] = at, signed
        except ProtocolError as error:
            self._draws[name] = error

    def reveal(self, at: int, entry: Entry) -> None:
        try:
            said = SeedsStatement.read(entry, self._regulator)
        except ProtocolError:
            return  # not this regulator's
        try:
            revealed = self._revealed(at, said)
        except ProtocolError as error:
            self.refused[said.draw] = str(error)
            return
        self.valid.setdefault(said.draw, revealed)
        self._open.pop(said.draw, None)

    def _revealed(self, at: int, said: SeedsStatement) -> RevealedDraw:
        """Raises SignatureError, MessageError or ProofError for what nobody has to answer."""
        found = self._draws.get(said.draw)
        if found is None:
            raise ProofError("consent-seeds.draw", got=f"{said.draw[:16]}, not in the log", expected="one before it")
        if isinstance(found, ProtocolError):
            raise found
        index, signed = found
        size = signed.draw.size
        if at < size:
            raise ProofError("seeds", got=f"said at entry {at}", expected=f"nothing before the log has {size}")
        node, root = tree_at(self._log, self._seen.checkpoint, size)
        path = inclusion_path(node, index, size) if index < size else []
        check_place(signed, index, path, root)
        return RevealedDraw(signed.hash, signed, said, joint_seed(signed.draw, said.revealed), root)
