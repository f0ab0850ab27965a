"""The table [lookup] of institution.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

LOOKUP_TEXT = """
# For the private score query: how people are identified, the same at every member (a scheme's name, or "opaque": as
# written in the data), and the published model under which records are contributed; a path relative to the home.
# [lookup]
# identifiers = "opaque"
# model = "model.json"
# open_drawn = true    # the node hands what the regulator has drawn of this institution's inquiries over to it, nightly
"""


class LookupSettings(BaseModel):
    """What the private score query needs to know of this institution: how it writes identifiers, and the model.

    ombudsman   public key (hex) of the second holder of the seeds of spot checks: without its signature no draw is
                answered; empty: the regulator draws alone
    open_drawn  whether the node itself opens what was drawn, once a day, as `institution open --drawn --deliver` does
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifiers: str = "opaque"
    model: Path | None = None
    ombudsman: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    open_drawn: bool = False
