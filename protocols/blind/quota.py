"""How many answers a model gives in its life: fewer than it has parameters.

An applicant is one linear equation in the weights of each part, whatever is encrypted in it; a packed request is as
many applicants as slots. As many equations as weights solve for them, so the smallest part sets the limit; a lower one
where weights take so few values that an equation tells of several (`BlindModel.solved_by`). Requesters may pool what
they learn: the limit is the model's, over all of them. And it holds for one division into parts, for ever: the same
weights added up in other parts are other equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocols.blind.messages import Terms
from protocols.blind.model import BlindModel
from protocols.blind.ring import DEGREE
from protocols.errors import StageError
from protocols.lookup.fields import integer

MASK_BITS = 2640
"""What a request may be told of one u (`scorer`): at log2(3) bits a coefficient that leaves 2,430 of them unknown, in
which 64 bits of modulus still have 128-bit security (the standard's table: 54 bits in degree 2,048, 109 in 4,096)."""


class QuotaError(StageError):
    """Answers that would pass a quota; nothing was scored, nothing was charged."""


@dataclass(frozen=True)
class Spent:
    """Applicants answered: by the model in all, to one requester in all, and to that requester today."""

    model: int
    requester: int
    today: int = 0


@dataclass(frozen=True)
class Quota:
    """Applicants in the model's `lifetime`, and of these to each requester. Raises MessageError.

    lifetime       applicants over all requesters and for ever
    per_requester  applicants to one requester, at most `lifetime`
    may_extract    the owner accepts that requesters can solve for the weights (a packed batch of thousands)
    per_day        applicants to one requester on one day (UTC); None: as many as are left
    """

    lifetime: int
    per_requester: int
    may_extract: bool = False
    per_day: int | None = None

    def __post_init__(self) -> None:
        integer(self.lifetime, "quota.lifetime", 1)
        integer(self.per_requester, "quota.per_requester", 1, self.lifetime)
        if self.per_day is not None:
            integer(self.per_day, "quota.per_day", 1, self.per_requester)

    @classmethod
    def below(cls, model: BlindModel) -> Quota:
        """The largest that keeps every part of the model under-determined. Raises MessageError where none does."""
        lifetime = integer(model.solved_by - 1, "quota.lifetime", 1)
        return cls(lifetime, lifetime)

    @classmethod
    def extractable(cls, lifetime: int) -> Quota:
        """No protection of the weights: for lenders that the owner trusts with them."""
        return cls(lifetime, lifetime, may_extract=True)

    def check_model(self, model: BlindModel) -> None:
        """Raises MessageError if so many answers solve for the weights of a part and the owner has not accepted it."""
        if not self.may_extract:
            integer(self.lifetime, "quota.lifetime", 1, model.solved_by - 1)

    def most_in_request(self, terms: Terms) -> int:
        """Applicants that one request may hold: each is a value under the same u."""
        return DEGREE if self.may_extract else min(DEGREE, MASK_BITS // terms.bits)

    def check_request(self, applicants: int, terms: Terms) -> None:
        """Raises QuotaError for a request of more applicants than that."""
        if applicants > self.most_in_request(terms):
            raise QuotaError("quota.request", got=applicants, expected=f"at most {self.most_in_request(terms)}")

    def after(self, spent: Spent, applicants: int) -> Spent:
        """What is spent after `applicants` more. Raises QuotaError if that passes a limit."""
        later = Spent(spent.model + applicants, spent.requester + applicants, spent.today + applicants)
        limits = (
            ("quota.lifetime", later.model, self.lifetime),
            ("quota.requester", later.requester, self.per_requester),
            ("quota.day", later.today, self.per_day),
        )
        for name, count, limit in limits:
            if limit is not None and count > limit:
                raise QuotaError(name, got=count, expected=f"at most {limit} applicants")
        return later


def check_parts(before: bytes | None, now: bytes) -> None:
    """Raises QuotaError where answers were given in other parts than these."""
    if before not in (None, now):
        raise QuotaError("quota.parts", got="answers about these weights in other parts", expected="the same parts")


class AnswerCount(Protocol):
    """Where the owner counts; must outlive the process."""

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota, parts: bytes = b"") -> None:
        """In one transaction: read what is spent, apply `quota.after`, write it durably. Raises QuotaError, also where
        answers about `model` were given in other parts.

        `model` is `BlindModel.counted_as`, `parts` is `BlindModel.divided_as`; the day is the count's own.
        """


class MemoryCount:
    """Counts that end with the process, on one endless day: for tests and trials."""

    def __init__(self) -> None:
        self._spent: dict[tuple[bytes, str], int] = {}
        self._parts: dict[bytes, bytes] = {}

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota, parts: bytes = b"") -> None:
        """As `AnswerCount.charge`; for one thread."""
        check_parts(self._parts.get(model), parts)
        total = sum(count for (of, _), count in self._spent.items() if of == model)
        mine = self._spent.get((model, requester), 0)
        self._spent[model, requester] = quota.after(Spent(total, mine, mine), applicants).requester
        self._parts[model] = parts
