"""An institution's masks: the secrets of its secure aggregations, one private file for each run.

    masking = masking_of(home)
    advert = masking.advert(plan)                  # set-up: public keys, signed
    shares = masking.share(plan, adverts)          # set-up: everybody's adverts, verified; shares of this one's secrets
    masked = masking.mask(plan, number, words, model_hash)       # in memory: nothing has been said yet
    masking.sent(plan, number, masked)             # once the ledger keeps the reply that holds it, before it leaves
    reveal = masking.reveal(plan, unmasking)       # where members may drop

The state is on disk before what follows from it leaves. The masked vector itself is in the ledger's kept reply, which
is what a repeated question is answered with; a crash between the two is mended by `sent` when it is asked again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clients.institution.mask_book import MaskBook
from clients.institution.partners import partners
from federation.rounds.masking import masks_of
from federation.rounds.plan import TrainingPlan
from federation.runtime.private_files import draft_of, erase_private, private_directory, read_private, replace_private
from protocols.errors import ProtocolError, StageError
from protocols.secagg import Member, Unmasking, Words
from protocols.secagg.member import MAX_BYTES
from protocols.signing import SigningKey

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome


class MasksMissing(Exception):  # noqa: N818 (the finding's name)
    """The secrets of a run's masks were destroyed, or never made."""


class Files(Protocol):
    """Where states are kept, by run."""

    def runs(self) -> set[str]: ...

    def erase(self, run_id: str) -> None: ...

    def read(self, run_id: str) -> bytes | None: ...

    def write(self, run_id: str, state: bytes) -> None: ...


class MaskFiles:
    """One private file a run in `folder`; `book` knows which state is the newest, and `read` raises StageError else."""

    def __init__(self, folder: Path, book: MaskBook) -> None:
        self._folder, self._book = folder, book

    def runs(self) -> set[str]:
        return {path.name for path in self._folder.glob("[!.]*")} if self._folder.exists() else set()

    def erase(self, run_id: str) -> None:
        for path in (draft_of(self._folder / run_id), self._folder / run_id):
            erase_private(path)

    def read(self, run_id: str) -> bytes | None:
        path = self._folder / run_id
        found = read_private(path, most=MAX_BYTES) if path.exists() else None
        self._book.check(run_id, found)
        return found

    def write(self, run_id: str, state: bytes) -> None:
        self._book.announce(run_id, state)
        replace_private(private_directory(self._folder) / run_id, state)
        self._book.settle(run_id, state)


class MaskMemory:
    """Nothing outlives the process: for back-tests."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}

    def runs(self) -> set[str]:
        return set(self._states)

    def erase(self, run_id: str) -> None:
        del self._states[run_id]

    def read(self, run_id: str) -> bytes | None:
        return self._states.get(run_id)

    def write(self, run_id: str, state: bytes) -> None:
        self._states[run_id] = state


def masking_of(home: InstitutionHome) -> Masking:
    """The masks of a home, HOME/masks."""
    files = MaskFiles(home.path / "masks", MaskBook.open(home.database_url))
    return Masking(home.name, home.signing_key, files, os.urandom, lambda: partners(home.path))


class Masking:
    """`key`: the enrolled signing key; `random(n)`: n uniform bytes that nobody else can make again.

    `partners`: fingerprints of those that noise is shared with, as they are now; nobody unless somebody was accepted.
    """

    def __init__(
        self,
        institution: str,
        key: SigningKey,
        files: Files,
        random: Callable[[int], bytes],
        partners: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._name, self._key, self._files, self._random = institution, key, files, random
        self.partners = partners
        self._opened: tuple[str, bytes, Member] | None = None  # plan, file, what is in it: parsed once

    def advert(self, plan: TrainingPlan) -> bytes:
        """This institution's signed advert; the same whenever it is asked for."""
        if self._files.read(plan.run_id) is None:  # and there never was one
            started, advert = Member.start(masks_of(plan), self._name, self._key, self._random)
            self._keep(plan, started)
            return advert
        return self._member(plan).advert()

    def share(self, plan: TrainingPlan, adverts: Mapping[str, bytes]) -> bytes:
        """Signed shares, for the set-up that these adverts are. Raises Fault, MessageError, StageError."""
        state, shares = self._member(plan).share(adverts)
        self._keep(plan, state)
        return shares

    def ready(self, plan: TrainingPlan) -> None:
        """Raises StageError before the set-up is complete: nothing could be masked."""
        if self._member(plan).setup is None:
            raise StageError("secagg", got="a round", expected="the adverts of all members first")

    def mask(self, plan: TrainingPlan, number: int, words: Words, model_hash: bytes) -> Words:
        """`words` under masks that only vectors of the same model take off. Raises StageError before the set-up."""
        return self._member(plan).mask(number, words, model_hash)[1]

    def mask_again(self, plan: TrainingPlan, number: int, words: Words, model_hash: bytes) -> Words:
        """What `words` are under the masks of `number`, whatever was sent under them. Raises MasksMissing."""
        try:
            return self._member(plan).masked(number, words, model_hash)
        except ProtocolError as error:
            raise MasksMissing from error

    def forget(self, runs: AbstractSet[str]) -> None:
        """Destroy the secrets of all runs but these."""
        for run_id in sorted(self._files.runs() - runs):
            self._files.erase(run_id)
            self._opened = None

    def sent(self, plan: TrainingPlan, number: int, masked: Words) -> None:
        """The masked vector leaves, and is the one of its number. Raises StageError for a second one.

        Where nothing is replayed, secrets that no round needs any more are forgotten: those of this number where nobody
        may drop, of earlier ones where their sums are open. What is asked for again is what the ledger keeps.
        """
        before = self._member(plan)
        if before.over(number):
            return
        after = before.sent(number, masked)
        if not plan.replay:
            for past in range(1, number + (not after.plan.recoverable)):
                after = after if after.over(past) else after.finish(past)
        if after is not before:
            self._keep(plan, after)

    def reveal(self, plan: TrainingPlan, unmasking: bytes) -> bytes:
        """What opens the sum, for the survivors that `unmasking` lists, once and for all."""
        state, revealed = self._member(plan).reveal(Unmasking.decode(masks_of(plan), unmasking))
        self._keep(plan, state)
        return revealed

    def _member(self, plan: TrainingPlan) -> Member:
        """As it is on disk now: another process of this home may have said something since."""
        state = self._files.read(plan.run_id)
        if state is None:
            raise StageError("secagg", got="no advert of this run", expected="the set-up first")
        if self._opened is None or self._opened[:2] != (plan.hash, state):
            self._opened = (plan.hash, state, Member.from_bytes(masks_of(plan), self._key, state))
        return self._opened[2]

    def _keep(self, plan: TrainingPlan, member: Member) -> None:
        state = member.to_bytes()
        self._files.write(plan.run_id, state)
        self._opened = (plan.hash, state, member)
