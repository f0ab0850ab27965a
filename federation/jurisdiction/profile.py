"""A profile as its TOML file says it: frozen models that accept no key they do not know."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import ConfigurationError
from federation.jurisdiction.period import Period

FORMAT = "fedscore/jurisdiction/v1"
DISCLAIMER = "not legal advice"
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Request(StrEnum):
    """What a person may ask for."""

    DISPUTE = "dispute"
    ACCESS = "access"
    ERASURE = "erasure"
    REVIEW = "review"


class Retained(StrEnum):
    """What is kept for a time: records of an ordinary and of an insolvent person, who inquired, and files of cases."""

    ADVERSE = "adverse"
    INSOLVENCY = "insolvency"
    INQUIRIES = "inquiries"
    CASES = "cases"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Source(_Frozen):
    """`[[sources]]`: where a rule is written, and what it says."""

    name: Text
    says: Text


class Answer(_Frozen):
    """`[requests.KIND]`: how long an answer may take, and how much longer where `longer_when` holds."""

    within: Period
    longer: Period | None = None
    longer_when: Text | None = None
    source: Text

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.longer is None) != (self.longer_when is None):
            raise ValueError("longer and longer_when together, or neither")
        return self


class Duty(_Frozen):
    """A notice that is owed within a period: `[result]` (the person)."""

    within: Period
    source: Text


class Furnisher(Duty):
    """`[furnisher]`: who gave the data is told of a dispute, unless it ends in a deletion `unless_gone_within`."""

    unless_gone_within: Period | None = None


class Inquirers(Duty):
    """`[inquirers]`: who asked in the `looking_back` period before a change (None: ever) is told of it."""

    looking_back: Period | None = None


class Retention(_Frozen):
    """`[[retention]]`: how long something is kept, counted from what; `by_law`: a law sets the figure."""

    what: Retained
    years: Annotated[int, Field(ge=1, le=30)]
    counted_from: Text
    by_law: bool
    source: Text

    def until(self, day: date) -> date:
        """The last day on which it is kept."""
        return Period(years=self.years).after(day)


class Profile(_Frozen):
    """The whole file. `deadline` and `longer` are what cases are held to."""

    format: Literal["fedscore/jurisdiction/v1"]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Text
    notice: Text
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    requests: dict[Request, Answer]
    result: Duty
    furnisher: Furnisher | None = None
    inquirers: Inquirers
    retention: tuple[Retention, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if DISCLAIMER not in self.notice.lower():
            raise ValueError(f"a notice that says: {DISCLAIMER}")
        if set(self.requests) != set(Request):
            raise ValueError(f"a table requests.KIND for each of {', '.join(Request)}")
        kinds = [each.what for each in self.retention]
        if sorted(kinds) != sorted(Retained):
            raise ValueError(f"one retention of each of {', '.join(Retained)}")
        return self

    def deadline(self, request: Request, received: date) -> date:
        """The day by which a request that was `received` must be answered."""
        return self.requests[request].within.after(received)

    def longer(self, request: Request, due: date) -> date:
        """The day by which it must be answered where more time is justified.

        Raises ConfigurationError where no time can be added.
        """
        more = self.requests[request].longer
        if more is None:
            raise ConfigurationError("more time", got=f"profile {self.name}, {request}", expected="a request with more")
        return more.after(due)

    def kept(self, what: Retained) -> Retention:
        """How long `what` is kept."""
        return next(each for each in self.retention if each.what is what)
