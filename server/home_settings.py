"""HOME/coordinator.toml: its keys, and the text of a new one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from federation.oversight.members import RegulatorStatement
from federation.runtime.settings import HexDigest, HomeSettings, MetricsSetting, Name

AuthorityName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
_PORT = Field(ge=1, le=65535)


class RegulatorSettings(BaseModel):
    """Who oversees the federation: keys that it read out, and the last element of its SHA-256 hash chain (hex)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    key: HexDigest
    witness_key: HexDigest
    beacon_anchor: HexDigest
    chain_length: PositiveInt

    def statement(self) -> RegulatorStatement:
        """As the log says it."""
        return RegulatorStatement(**self.model_dump())


class CoordinatorSettings(HomeSettings):
    """HOME/coordinator.toml: where the coordinator is reached, and the standard its federation works to."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_COORDINATOR_")

    name: Name = "coordinator"
    catalogue: str
    host: str = Field(min_length=1, max_length=253)
    bind: str = ""
    extra_hosts: tuple[str, ...] = ()
    enrolment_port: int = _PORT
    member_port: int = _PORT
    fleet_port: int = _PORT
    control_port: int = _PORT
    pool_port: int | None = Field(default=None, ge=1, le=65535)
    log_port: int | None = Field(default=None, ge=1, le=65535)
    log_bind: str = "127.0.0.1"
    pool_workers: int = Field(default=1, ge=1, le=256)
    lookup_processes: int = Field(default=1, ge=1, le=1024)
    pending_limit: int = Field(default=64, ge=1, le=10_000)
    database_url: str | None = None
    metrics: MetricsSetting = "auto"
    regulator: RegulatorSettings | None = None
    authorities: dict[AuthorityName, HexDigest] = Field(default_factory=dict, max_length=32)

    @model_validator(mode="after")
    def _ports_differ(self) -> CoordinatorSettings:
        ports = {self.enrolment_port, self.member_port, self.fleet_port, self.control_port, self.pool, self.log}
        if len(ports) != 6:
            raise ValueError("enrolment, member, fleet, control, pool and log port must differ")
        return self

    @property
    def pool(self) -> int:
        """The port of private queries; homes made before there were any have the one after the last."""
        return self.pool_port or self.control_port + 1

    @property
    def log(self) -> int:
        """The port where the transparency log is read; homes made before it was have the second after control."""
        return self.log_port or self.control_port + 2


def settings_text(
    *,
    name: str,
    catalogue: str,
    host: str,
    port: int,
    bind: str = "",
    extra_hosts: tuple[str, ...] = (),
    written: datetime,
) -> str:
    """The text of a new coordinator.toml; six consecutive ports from `port`."""
    return f"""# Settings of {name}, {written:%Y-%m-%d}. The environment (FEDSCORE_COORDINATOR_*) wins over it.
name = {json.dumps(name)}

# The data standard every member signs up to: a shipped catalogue's name, or a .toml file.
catalogue = {json.dumps(catalogue)}

# Where institutions reach the coordinator; the name or address its certificate carries.
host = {json.dumps(host)}
extra_hosts = {json.dumps(list(extra_hosts))}

# The local address to listen on, where it differs from host ("" = host).
bind = {json.dumps(bind)}

# Open to institutions:
enrolment_port = {port}       # TLS: applications
member_port = {port + 1}          # mutual TLS: members
fleet_port = {port + 2}           # TLS and node keys: training
pool_port = {port + 4}            # mutual TLS: private queries
# Never open to anyone but this machine:
control_port = {port + 3}

# TLS: the transparency log's tiles, for the regulator. Whoever reaches it reads the whole trail, so it listens on this
# machine only; "" = where the other services listen.
log_port = {port + 5}
log_bind = "127.0.0.1"

# Applications that may wait for the operator at once.
pending_limit = 64

# Processes that answer private queries, each with the whole table; and those that compute an epoch's layout.
pool_workers = 1
lookup_processes = 1

# Who states whose key is whose: names and keys, as `fedscore identity init` prints them. Where one is named, every
# question under the next roster needs the person's consent; where none is, no question does.
# [authorities]
# e-id = "..."               # Ed25519, 64 hexadecimal digits

# Who oversees, once there is somebody, as it read out its keys: no checkpoint counts without its cosignature then.
# [regulator]
# name = "authority"
# key = "..."                # Ed25519, 64 hexadecimal digits, as the next two
# witness_key = "..."
# beacon_anchor = "..."
# chain_length = 100000
"""
