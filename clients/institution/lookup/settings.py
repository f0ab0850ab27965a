"""The table [lookup] of institution.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from federation.lookup.identifiers import SCHEMES

LOOKUP_TEXT = """
# For the private score query: how people are identified, as the roster has it ("opaque": as written in the data; or a
# scheme with check digits, docs/oprf.md), and the published model under which records are contributed; a path relative
# to the home.
# [lookup]
# identifiers = "opaque"
# model = "model.json"
# regulator = "..."     # its public key, as it reads it out: openings go to nobody else, whomever the log names
# open_drawn = true     # the node hands what that regulator has drawn of this institution's inquiries to it, nightly
"""


class LookupSettings(BaseModel):
    """What the private score query needs to know of this institution: how it writes identifiers, and the model.

    ombudsman   public key (hex) of the second holder of the seeds of spot checks: without its signature no draw is
                answered; empty: the regulator draws alone
    regulator   public key (hex) of the regulator, from itself: draws by any other key are not answered; empty: by the
                one that the log names, which is the coordinator's word, and then openings leave as files only
    open_drawn  whether the node itself opens what was drawn, once a day, as `institution open --drawn --deliver` does
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifiers: str = "opaque"
    model: Path | None = None
    ombudsman: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    regulator: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    open_drawn: bool = False

    @field_validator("identifiers")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SCHEMES:
            raise ValueError(f"one of {', '.join(SCHEMES)}")
        return name

    @model_validator(mode="after")
    def _opens_to_somebody(self) -> Self:
        if self.open_drawn and not self.regulator:
            raise ValueError("open_drawn: only to the regulator whose key is entered beside it (regulator)")
        return self
