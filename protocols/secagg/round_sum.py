"""The coordinator's side of one round: masked vectors in, their exact sum modulo 2^32 or 2^64 out.

    total.offer(name, masked)                     # as vectors come
    unmasking = total.unmasking(name)             # for every survivor; from here on the list is closed
    total.reveal(name, data)                      # until `total.open`
    words = total.total()

Vectors are added as they come and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from protocols.errors import MessageError, StageError
from protocols.lookup.fault import Fault
from protocols.secagg.advert import Setup
from protocols.secagg.keys import public_of, self_key
from protocols.secagg.masks import MAX_WIDTH, Words, check_size, check_words, with_masks
from protocols.secagg.messages import blame
from protocols.secagg.secrets import Kind, commit_to_seed
from protocols.secagg.shamir import combine, weights
from protocols.secagg.sharing import Place, Shares
from protocols.secagg.unmasking import Reveal, Unmasking, kind_of


class RoundSum:
    """Round `number` of a set-up: who has sent, who has revealed, and the sum. Made by `Collector.round`.

    `basis`: what every member was told to compute its vector from, as `Member.mask` has it. `word_bytes`: the size of a
    vector's words, 4 or 8.
    """

    def __init__(
        self,
        setup: Setup,
        dealt: Mapping[str, Shares],
        number: int,
        width: int,
        basis: bytes = b"",
        word_bytes: int = 8,
    ) -> None:
        setup.plan.check_round(number)
        check_size(word_bytes)
        if not 0 < width <= MAX_WIDTH:
            raise MessageError("secagg.width", got=width, expected=f"1 to {MAX_WIDTH}")
        self.number, self.width, self._basis, self._word_bytes = number, width, basis, word_bytes
        self._setup, self._dealt, self._plan = setup, dealt, setup.plan
        self._sum: Words = np.zeros(width, f"u{word_bytes}")
        self._sent: set[str] = set()
        self._closed = False
        self._reveals: dict[str, Reveal] = {}

    def offer(self, name: str, masked: Words) -> None:
        """Raises Fault for a vector of another form, StageError for a second one or one after the list was closed."""
        self._plan.place(name)
        if self._closed or name in self._sent:
            got = "a vector after the list was closed" if self._closed else "a second vector"
            raise StageError(f"{name} in round {self.number}", got=got, expected="one, in time")
        try:
            check_words(masked, self.width, self._word_bytes)
        except MessageError as error:
            raise blame(name, "masked vector", error) from error
        self._sum += masked
        self._sent.add(name)

    @property
    def survivors(self) -> tuple[str, ...]:
        """Whose vectors are in the sum, in order."""
        return tuple(name for name in self._plan.names if name in self._sent)

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(name for name in self._plan.names if name not in self._sent)

    def close(self) -> tuple[str, ...]:
        """The survivors, for good. Raises StageError where they are too few: the round is given up, nothing opens."""
        if len(self._sent) < self._plan.fewest:
            raise StageError(
                f"round {self.number}",
                got=f"{len(self._sent)} survivors, without {', '.join(self.dropped)}",
                expected=f"at least {self._plan.fewest}",
            )
        self._closed = True
        return self.survivors

    def unmasking(self, name: str) -> Unmasking:
        """What to ask `name`, a survivor. Closes the list; raises StageError where it is too short."""
        survivors = self.close()
        if not self._plan.recoverable or name not in survivors:
            raise StageError(f"{name} in round {self.number}", got="an unmasking", expected="none for it")
        cells = {
            dealer: self._dealt[dealer].cell(name, self.number, kind_of(dealer, survivors))
            for dealer in self._plan.names
        }
        return Unmasking(self._setup.id, self.number, survivors, cells)

    def reveal(self, name: str, data: bytes) -> None:
        """Raises Fault naming `name` for an answer to something else or a share that it was not dealt."""
        survivors = self.close()
        if name not in survivors:
            raise StageError(f"{name} in round {self.number}", got="a reveal", expected="none: it dropped")
        reveal = Reveal.open(self._setup, name, self.number, survivors, data)
        for dealer, share in reveal.shares.items():
            self._dealt[dealer].check(self._place(dealer, name), share)
        self._reveals[name] = reveal

    @property
    def open(self) -> bool:
        """Whether enough has come for `total`."""
        return self._closed and len(self._reveals) >= self._needed

    def total(self) -> Words:
        """uint32[width] or uint64[width]: the sum of the survivors' vectors modulo 2^32 or 2^64, exactly.

        Raises StageError before enough survivors have revealed, Fault naming a member that dealt shares of no secret.
        """
        survivors = self.close()
        if len(self._reveals) < self._needed:
            raise StageError(
                f"round {self.number}", got=f"{len(self._reveals)} reveals", expected=f"{self._needed} of them"
            )
        return self._unmasked(survivors) if self._needed else self._sum.copy()

    def _unmasked(self, survivors: tuple[str, ...]) -> Words:
        """Take off what survivors added of their own, and complete the pairs whose other half dropped."""
        answers = [self._reveals[name] for name in survivors if name in self._reveals][: self._needed]
        by_place = weights([self._plan.place(answer.member) for answer in answers])
        plus: list[bytes] = []
        minus: list[bytes] = []
        for name in self._plan.names:
            shares = {self._plan.place(answer.member): answer.shares[name] for answer in answers}
            secret = self._recover(name, kind_of(name, survivors), shares, by_place)
            if name in survivors:
                minus.append(self_key(secret, self._setup.id, self.number, name, self._word_bytes))
            else:
                about = (self._basis, self._word_bytes)
                more, less = self._setup.pair_keys(self.number, name, secret, survivors, *about)
                plus += more
                minus += less
        return with_masks(self._sum, plus, minus)

    def _recover(self, name: str, kind: Kind, shares: Mapping[int, bytes], by_place: Mapping[int, int]) -> bytes:
        """The secret behind shares that are those `name` dealt: if it does not fit the advert, `name` lied."""
        advert = self._setup.adverts[name]
        try:
            secret = combine(shares, by_place)
        except MessageError as error:
            raise blame(name, "shares", error) from error
        if kind is Kind.SEED:
            fits = commit_to_seed(secret) == advert.seeds[self.number - 1]
        else:
            fits = public_of(secret) == advert.masks[self.number - 1]
        if not fits:
            raise Fault(name, "shares", f"those of another {kind.name.lower()}", expected="those of the one advertised")
        return secret

    @property
    def _needed(self) -> int:
        return self._plan.threshold if self._plan.recoverable else 0

    def _place(self, dealer: str, receiver: str) -> Place:
        return Place(self._setup, self.number, kind_of(dealer, self.survivors), dealer, receiver)
