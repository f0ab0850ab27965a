"""The table [person] of institution.toml."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, field_validator

PERSON_TEXT = """
# What people may ask, and by when they are answered: a shipped profile ("us-fcra", "eu", "cn") or a .toml file, whose
# path is relative to the home. A configuration, not legal advice.
# [person]
# Days are counted where the institution is: a request of the evening of 1 March in New York is of 2 March in UTC.
# [person]
# jurisdiction = "eu"
# time_zone = "Europe/Berlin"
"""


class PersonSettings(BaseModel):
    """Which jurisdiction profile cases are held to; None: none was chosen, and no case can be opened.

    time_zone  an IANA name: the day on which something happens is the day there
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    jurisdiction: str | None = None
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("a name of the IANA time zone database, such as Europe/Berlin") from error
        return name
