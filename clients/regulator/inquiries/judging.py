"""Openings that were handed in, and what they give for each querier of a sample.

    bench = Bench(sampling, copied, catalogues)
    bench.take(data)                           # a file; raises ProtocolError for what is no opening of this sample
    bench.found(now)                           # by querier: what holds, what is broken, what is waited for

Whatever is handed in, nobody is blamed by what the querier did not sign for that very leaf. Openings are kept sealed,
as they came, so that the same verdict can be reached again; of several for one leaf a good one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from clients.regulator.inquiries.complaints import Complaints
from clients.regulator.inquiries.copied import CopiedLog
from clients.regulator.inquiries.draws import DrawSeen, Leaf
from clients.regulator.inquiries.sampling import Sampling
from clients.regulator.saying import say
from federation.catalogue.values import Catalogue
from federation.errors import ConfigurationError
from federation.oversight.inquiries import MAX_BROKEN, Broken, ConsentVerdict
from federation.runtime.private_files import private_directory, write_public
from protocols.consent.check import Revocations
from protocols.consent.opening import SignedOpening, Terms, Verdict, judge
from protocols.consent.receipt import Inquiry, Scope
from protocols.consent.refusal import Rule
from protocols.consent.sealed import SealedOpening
from protocols.errors import MessageError, ProtocolError
from protocols.lookup.context import EpochContext
from protocols.lookup.leaf import SignedLeaf
from protocols.signing import VerifyingKey

MAX_KEPT = 8  # openings of one leaf that break a rule: a querier may correct itself, and not fill the disk
_SUFFIX = ".opening"


@dataclass(frozen=True)
class Found:
    """What is known of one querier's part of a sample.

    waiting    places that are not opened, and not yet due
    undecided  places that hold, of whose receipts a person showed a revocation that nobody acknowledged
    """

    querier: str
    drawn: int
    hard: int
    soft: int
    broken: tuple[Broken, ...]
    waiting: tuple[int, ...]
    undecided: tuple[int, ...] = ()

    def news(self, draw: str, before: ConsentVerdict | None) -> ConsentVerdict | None:
        """What is to be logged after the verdict `before`; None while something is waited for, or nothing is new."""
        if self.waiting:
            return None
        listed = self.broken[:MAX_BROKEN]
        counts = {"drawn": self.drawn, "hard": self.hard, "soft": self.soft}
        number = 0 if before is None else before.number
        unlisted = len(self.broken) - len(listed)
        said = ConsentVerdict(draw, self.querier, max(1, number), broken=listed, unlisted=unlisted, **counts)
        return None if said == before else replace(said, number=number + 1)

    def to_json(self) -> dict[str, Any]:
        broken = [{"index": each.index, "leaf": each.leaf, "rule": str(each.rule)} for each in self.broken]
        counts = {"drawn": self.drawn, "hard": self.hard, "soft": self.soft}
        return {"querier": self.querier, **counts, "broken": broken} | {
            "waiting": list(self.waiting),
            "undecided": list(self.undecided),
        }


class Bench:
    """`catalogues`: those that inquiries may be under; a name is believed under the hash of the catalogue itself."""

    def __init__(self, sampling: Sampling, copied: CopiedLog, catalogues: Iterable[Catalogue]) -> None:
        self._copied, self._key = copied, sampling.key
        self.seen: DrawSeen = sampling.sampled(copied)
        self.draw = self.seen.signed.hash.hex()
        self._names = {bytes.fromhex(each.hash): each.name for each in catalogues}
        self._places = {leaf.hash: index for index, leaf in self.seen.sample.items()}
        self._folder = private_directory(sampling.home.inquiries / sampling.name)
        self._complaints = Complaints.read(sampling.home.complaints, copied.taken)
        self._answers: dict[int, list[SignedOpening]] = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            index, answer = self._read(path.read_bytes())
            self._answers.setdefault(index, []).append(answer)

    def take(self, data: bytes) -> bool:
        """Judge it, and keep it. True: an opening of this leaf by its querier is on disk, this one or one that holds.

        False for one of too many that break a rule. Raises MessageError, SignatureError or EncodingError for what is of
        no use, and then says nothing about anybody.
        """
        index, answer = self._read(data)
        answers = self._answers.setdefault(index, [])
        if answer in answers or (answers and self._holds(index)):
            return True
        answers.append(answer)
        if self._holds(index) is False and len(answers) > MAX_KEPT:
            answers.pop()
            return False
        name = f"{self.seen.sample[index].hash.hex()}-{sha256(data).hexdigest()[:16]}{_SUFFIX}"
        write_public(self._folder / name, data, mode=0o600)
        return True

    def _holds(self, index: int) -> bool | None:
        """Whether an opening of the leaf holds; None: its catalogue is not known here."""
        try:
            return self._verdict(index).rule is None
        except ConfigurationError:
            return None

    def found(self, now: float, *, complete: bool = True) -> tuple[Found, ...]:
        """Every querier of the sample, by name. Raises ConfigurationError for a catalogue that is not known here.

        complete: whether all that was handed over has been taken; if not, nothing is said to be missing.
        """
        assert self.seen.revealed is not None  # noqa: S101 (there is a sample)
        over = complete and now > self.seen.revealed.deadline
        queriers = sorted({leaf.querier for leaf in self.seen.sample.values()})
        return tuple(self._of(querier, self.seen.of(querier), over=over) for querier in queriers)

    def _of(self, querier: str, part: Mapping[int, Leaf], *, over: bool) -> Found:
        verdicts = {index: self._verdict(index) for index in part if over or index in self._answers}
        broken = [
            Broken(index, verdict.leaf_hash.hex(), verdict.rule)
            for index, verdict in sorted(verdicts.items())
            if verdict.rule is not None
        ]
        kinds = [verdict.inquiry for verdict in verdicts.values() if verdict.rule is None]
        hard, soft = kinds.count(Inquiry.HARD), kinds.count(Inquiry.SOFT)
        undecided = tuple(at for at, verdict in sorted(verdicts.items()) if verdict.rule is None and self._open(at))
        waiting = tuple(sorted(part.keys() - verdicts.keys()))
        return Found(querier, len(part), hard, soft, tuple(broken), waiting, undecided)

    def _open(self, index: int) -> bool:
        """Whether the inquiry would be a breach if its querier had had what it did not acknowledge."""
        revoked = self._complaints.undecided(self._copied.leaf(index))
        return bool(revoked.delivered) and self._verdict(index, revoked).rule is Rule.REVOKED

    def _verdict(self, index: int, revoked: Revocations | None = None) -> Verdict:
        """The best that the openings of this leaf give; without one, that there is none.

        `revoked`: instead of what the complaints decide.
        """
        leaf = self._copied.leaf(index)
        key, context = self._querier(leaf), self._copied.context(leaf)
        terms = self._terms(context, self._complaints.forbidding(leaf, index) if revoked is None else revoked)
        verdicts = [judge(leaf, key, answer, terms) for answer in self._answers.get(index, ())]
        if not verdicts:
            return judge(leaf, key, None, terms)
        return next((verdict for verdict in verdicts if verdict.rule is None), verdicts[0])

    def _terms(self, context: EpochContext, revoked: Revocations) -> Terms:
        catalogue = context.signed.layout.catalogue
        if catalogue not in self._names:
            got = f"{catalogue.hex()[:16]}, of which no catalogue is known here"
            raise ConfigurationError("catalogue of the epoch", got=got, expected="its file, as --catalogue")
        scope = Scope(self._names[catalogue], catalogue)
        return Terms(scope, context.oversight, context.roster.authorities, revoked)

    def _read(self, data: bytes) -> tuple[int, SignedOpening]:
        """The place of the leaf that `data` opens, and the answer, verified to be its querier's."""
        sealed = SealedOpening.decode(data)
        if sealed.draw.hex() != self.draw:
            raise MessageError("opening.draw", got=sealed.draw.hex()[:16], expected=f"{self.draw[:16]}, this draw")
        index = self._places.get(sealed.leaf_hash)
        if index is None:
            raise MessageError("opening.leaf_hash", got=sealed.leaf_hash.hex()[:16], expected="a leaf that was drawn")
        answer = sealed.open(self._key)
        answer.verify(self._querier(self._copied.leaf(index)))
        return index, answer

    def _querier(self, leaf: SignedLeaf) -> VerifyingKey:
        """As it was when the leaf was made: all members of its epoch have signed whose keys are whose."""
        return self._copied.context(leaf).roster.member(leaf.leaf.querier).key


def take_all(bench: Bench, files: Iterable[Path]) -> tuple[tuple[Path, str], ...]:
    """Take every file; those that are of no use, and why."""
    refused = []
    for file in files:
        try:
            bench.take(file.read_bytes())
        except OSError as error:
            refused.append((file, str(error.strerror)))
        except ProtocolError as error:
            refused.append((file, str(error)))
    return tuple(refused)


def log_verdicts(sampling: Sampling, bench: Bench, found: Iterable[Found]) -> dict[str, str]:
    """Have the log hold what is decided and was not said before; leaf hashes of the verdicts, by querier."""
    home, store = sampling.home, sampling.store
    said = {querier: (verdict, "") for querier, verdict in bench.seen.verdicts.items()}
    for kept in store.said(ConsentVerdict.kind):
        verdict = ConsentVerdict.read(kept.entry, home.signing_key.public)
        known = said.get(verdict.querier)
        if verdict.draw == bench.draw and (known is None or verdict.number >= known[0].number):
            said[verdict.querier] = (verdict, kept.leaf)
    for each in found:
        before, _ = said.get(each.querier, (None, ""))
        news = each.news(bench.draw, before)
        if news is not None:
            slot = f"{ConsentVerdict.kind}/{sampling.name}/{each.querier}/{news.number}"
            said[each.querier] = (news, say(home, store, slot, news.entry(home.signing_key)).hash.hex())
    return {querier: leaf for querier, (_, leaf) in said.items()}
