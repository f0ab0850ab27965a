"""Periods of law over calendar days. Pure.

>>> Period(days=30).after(date(2026, 1, 31)), Period(months=1).after(date(2026, 1, 31))
(datetime.date(2026, 3, 2), datetime.date(2026, 2, 28))
>>> Period(business_days=5).after(date(2026, 5, 1))  # a Friday
datetime.date(2026, 5, 8)

A period in months ends on the day of the same number, or on the last day of a shorter month (Regulation (EEC, Euratom)
1182/71, article 3(2)(c)). Business days are Monday to Friday; no public holiday is known here, and no end of a period
that falls on one is put off: the day that is named is never later than the law's.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1, le=3650)]
_SATURDAY = 5


class Period(BaseModel):
    """Exactly one of `days`, `business_days`, `months` and `years`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    days: Count | None = None
    business_days: Count | None = None
    months: Count | None = None
    years: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.days, self.business_days, self.months, self.years].count(None) != 3:
            raise ValueError("exactly one of days, business_days, months and years")
        return self

    def after(self, day: date) -> date:
        """The last day of the period that begins when something happened on `day`."""
        if self.days is not None:
            return day + timedelta(days=self.days)
        if self.business_days is not None:
            return _after_business_days(day, self.business_days)
        return _moved(day, (self.months or 0) + 12 * (self.years or 0))

    def before(self, day: date) -> date:
        """The first day of the period that ends on `day`; not for business days."""
        if self.days is not None:
            return day - timedelta(days=self.days)
        return _moved(day, -((self.months or 0) + 12 * (self.years or 0)))

    def __str__(self) -> str:
        for name in ("days", "business_days", "months", "years"):
            count = getattr(self, name)
            if count is not None:
                words = name.replace("_", " ")
                return f"{count} {words if count > 1 else words[:-1]}"
        return ""


def _after_business_days(day: date, count: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < _SATURDAY
    return day


def _moved(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
