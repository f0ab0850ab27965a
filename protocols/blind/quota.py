"""How many answers a model gives in its life: fewer than it has parameters.

An applicant is one linear equation in the weights of each part, whatever is encrypted in it; a packed request is as
many applicants as slots. As many equations as weights solve for them, so the smallest part sets the limit. Requesters
may pool what they learn: the limit is the model's, over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocols.blind.model import BlindModel
from protocols.errors import StageError
from protocols.lookup.fields import integer


class QuotaError(StageError):
    """Answers that would pass a quota; nothing was scored, nothing was charged."""


@dataclass(frozen=True)
class Spent:
    """Applicants answered: by the model in all, and to one requester."""

    model: int
    requester: int


@dataclass(frozen=True)
class Quota:
    """Applicants in the model's `lifetime`, and of these to each requester. Raises MessageError.

    lifetime       applicants over all requesters and for ever
    per_requester  applicants to one requester, at most `lifetime`
    may_extract    the owner accepts that requesters can solve for the weights (a packed batch of thousands)
    """

    lifetime: int
    per_requester: int
    may_extract: bool = False

    def __post_init__(self) -> None:
        integer(self.lifetime, "quota.lifetime", 1)
        integer(self.per_requester, "quota.per_requester", 1, self.lifetime)

    @classmethod
    def below(cls, model: BlindModel) -> Quota:
        """The largest that keeps every part of the model under-determined. Raises MessageError where none does."""
        lifetime = integer(model.smallest_part - 1, "quota.lifetime", 1)
        return cls(lifetime, lifetime)

    @classmethod
    def extractable(cls, lifetime: int) -> Quota:
        """No protection of the weights: for lenders that the owner trusts with them."""
        return cls(lifetime, lifetime, may_extract=True)

    def check_model(self, model: BlindModel) -> None:
        """Raises MessageError if so many answers solve for the weights of a part and the owner has not accepted it."""
        if not self.may_extract:
            integer(self.lifetime, "quota.lifetime", 1, model.smallest_part - 1)

    def after(self, spent: Spent, applicants: int) -> Spent:
        """What is spent after `applicants` more. Raises QuotaError if that passes a limit."""
        later = Spent(spent.model + applicants, spent.requester + applicants)
        if later.model > self.lifetime:
            raise QuotaError("quota.lifetime", got=later.model, expected=f"at most {self.lifetime} applicants")
        if later.requester > self.per_requester:
            raise QuotaError(
                "quota.requester", got=later.requester, expected=f"at most {self.per_requester} applicants"
            )
        return later


class AnswerCount(Protocol):
    """Where the owner counts; must outlive the process."""

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota) -> None:
        """In one transaction: read what is spent, apply `quota.after`, write it durably. Raises QuotaError."""


class MemoryCount:
    """Counts that end with the process: for tests and trials."""

    def __init__(self) -> None:
        self._spent: dict[tuple[bytes, str], int] = {}

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota) -> None:
        """As `AnswerCount.charge`; for one thread."""
        total = sum(count for (of, _), count in self._spent.items() if of == model)
        after = quota.after(Spent(total, self._spent.get((model, requester), 0)), applicants)
        self._spent[model, requester] = after.requester
