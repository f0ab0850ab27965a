"""The table [person] of institution.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

PERSON_TEXT = """
# What people may ask, and by when they are answered: a shipped profile ("us-fcra", "eu", "cn") or a .toml file, whose
# path is relative to the home. A configuration, not legal advice.
# [person]
# jurisdiction = "eu"
"""


class PersonSettings(BaseModel):
    """Which jurisdiction profile cases are held to; None: none was chosen, and no case can be opened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jurisdiction: str | None = None
