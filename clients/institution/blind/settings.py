"""HOME/blind/blind.toml: where blind scores are served, under which limits."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from federation.runtime.settings import HomeSettings, MetricsSetting
from protocols.blind import BlindModel, Quota

LARGEST_REQUEST = 4096


class BlindSettings(HomeSettings):
    """Limits count applicants; `lifetime` None: the most that keeps the weights undetermined."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_BLIND_")

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    names: tuple[str, ...] = Field(default=("127.0.0.1",), min_length=1)
    lifetime: PositiveInt | None = None
    per_lender: PositiveInt | None = None
    per_day: PositiveInt | None = None
    per_request: int = Field(default=LARGEST_REQUEST, ge=1, le=LARGEST_REQUEST)
    weights_may_be_extracted: bool = False
    at_once: int = Field(default=4, ge=1, le=64)
    at_once_each: int = Field(default=2, ge=1, le=64)
    calls_per_second: float = Field(default=5.0, gt=0, le=100_000)
    database_url: str | None = None
    metrics: MetricsSetting = "auto"

    @property
    def address(self) -> str:
        """Where to listen."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def quota(self, model: BlindModel) -> Quota:
        """Raises MessageError for limits that cannot hold: a lifetime with which the weights follow, unless
        `weights_may_be_extracted` says that this is meant.
        """
        lifetime = Quota.below(model).lifetime if self.lifetime is None else self.lifetime
        each = min(self.per_lender or lifetime, lifetime)
        day = None if self.per_day is None else min(self.per_day, each)
        quota = Quota(lifetime, each, self.weights_may_be_extracted, day)
        quota.check_model(model)
        return quota


def settings_text(*, port: int, host: str, names: tuple[str, ...], written: datetime) -> str:
    """The text of a new blind.toml."""
    return f"""# Blind scoring, {written:%Y-%m-%d}. The environment (FEDSCORE_BLIND_*) wins over it.
# Where to listen, and the names or addresses by which lenders reach this machine.
host = {json.dumps(host)}
port = {port}
names = {json.dumps(list(names))}

# Limits count applicants. Every applicant answered is one equation in the weights of each part, whoever asks, for ever.
# Unless set, lifetime is one less than the smallest part has weights: so many answers leave every part undetermined.
# lifetime = 20
# per_lender = 10
# per_day = 5
# per_request = 4096

# More answers than that let lenders solve for the weights of the model. Only this says that you accept it:
weights_may_be_extracted = false

# Calls served at once, in all and for each lender; calls a second of each. Who asks more is told to come back.
at_once = 4
at_once_each = 2
calls_per_second = 5.0
"""
