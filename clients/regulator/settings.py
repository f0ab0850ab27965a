"""HOME/regulator.toml: its keys, and the text of a new one."""

from __future__ import annotations

import ipaddress
import json
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import SettingsConfigDict

from federation.runtime.settings import HomeSettings, MetricsSetting, Name
from protocols.replay.beacon import MAX_CHAIN

HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchSettings(_Part):
    """wait_s: how long a question waits at the log for news; verify_every_s: between two complete verifications.

    unreachable_after_s, stale_after_s: alerts once the log has not answered, or no quorum has met, for so long.
    """

    wait_s: float = Field(default=30.0, ge=0, le=60)
    verify_every_s: PositiveFloat = 3600.0
    unreachable_after_s: PositiveFloat = 900.0
    stale_after_s: PositiveFloat = 86_400.0


class DrawSettings(_Part):
    """rate: the share of logged updates whose round is drawn for replay; window_days: how long an answer may take."""

    rate: float = Field(default=0.05, ge=0, le=1)
    window_days: PositiveInt = 14


class PageSettings(_Part):
    """Where pages are served. `session_hours`: how long a login lasts. Key and certificate: files, PEM.

    hosts   names under which browsers open them, beside addresses and localhost
    """

    bind: str = "127.0.0.1"
    port: int = Field(default=9390, ge=0, le=65535)
    hosts: tuple[HostName, ...] = ()
    session_hours: PositiveFloat = 8.0
    tls_key: str = ""
    tls_certificate: str = ""

    @model_validator(mode="after")
    def _not_in_the_clear(self) -> PageSettings:
        if bool(self.tls_key) != bool(self.tls_certificate):
            raise ValueError("tls_key and tls_certificate: both or none")
        if not self.tls_key and not _is_loopback(self.bind):
            raise ValueError("beyond this machine only with tls_key and tls_certificate")
        return self


class RegulatorSettings(HomeSettings):
    """HOME/regulator.toml: which log is overseen, and how."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_REGULATOR_")

    name: Name = "regulator"
    log_url: str = Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")
    log_authority: str = ""
    database_url: str | None = None
    chain_length: int = Field(default=100_000, ge=1, le=MAX_CHAIN)
    watch: WatchSettings = WatchSettings()
    draw: DrawSettings = DrawSettings()
    pages: PageSettings = PageSettings()
    metrics: MetricsSetting = "auto"


def settings_text(*, name: str, log_url: str, log_authority: str, port: int, written: datetime) -> str:
    """The text of a new regulator.toml."""
    return f"""# Settings of {name}, {written:%Y-%m-%d}. The environment (FEDSCORE_REGULATOR_*) wins over it.
# What is demanded of the federation is in policy.toml beside it: keys, witnesses, caps.
name = {json.dumps(name)}

# The coordinator's log (HTTP, C2SP tlog-tiles), and the certificate (PEM) that its server's is signed with.
log_url = {json.dumps(log_url)}
log_authority = {json.dumps(log_authority)}

# The own copy of the log: SQLite in the home, or postgresql+psycopg://user@host/database.
# database_url = ""

# Links of the beacon's hash chain: one for each beacon that will ever be revealed. Fixed once it is published.
chain_length = 100000

[watch]
wait_s = 30.0              # how long a question waits at the log for news
verify_every_s = 3600.0    # between two complete verifications (ten steps)
# Alerts, once for so long:
unreachable_after_s = 900.0    # the log has not answered
stale_after_s = 86400.0        # no checkpoint got a quorum: longer than the federation's longest pause

# Which rounds must be computed again by the institution: this share of all updates, by a secret of this home.
[draw]
rate = 0.05
window_days = 14

# The pages: on this machine only, unless a key and a certificate (files, PEM) are named.
[pages]
bind = "127.0.0.1"
port = {port}
hosts = []                 # names they are opened by, beside addresses and localhost: ["oversight.example"]
session_hours = 8.0
tls_key = ""
tls_certificate = ""
"""
