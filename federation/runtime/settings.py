"""Settings: one frozen object per home, read once from HOME/*.toml, then from the environment.

A role derives its settings from `HomeSettings` and names its own prefix, e.g. FEDSCORE_INSTITUTION_. A nested key is
reached with two underscores: FEDSCORE_INSTITUTION_CAPS__RUN=2. The environment wins over the file; a key that nobody
declared is an error, because a misspelt cap would otherwise be no cap.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from federation.errors import ConfigurationError
from federation.runtime.wording import NAME_PATTERN, complaint

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A party's name: 1 to 40 lower-case letters, digits and inner hyphens; fits files, certificates and logs."""

HexDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""


MetricsSetting = Literal["auto", "off"] | Annotated[int, Field(ge=1024, le=65528)]
"""Where the processes of a home show metrics and health, always on loopback: on ports that the system chooses and
HOME/run names, nowhere, or on consecutive ports from this one on."""


class HomeSettings(BaseSettings):
    """Base of every role's settings: frozen, no unknown keys, environment over file."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_nested_delimiter="__", nested_model_default_partial_update=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


S = TypeVar("S", bound=HomeSettings)


def read_settings(settings: type[S], file: Path) -> S:
    """The settings in `file` and the environment. Raises ConfigurationError: file, key, got, expected."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigurationError(str(file), got="no such file", expected="a home, which has one: see --home") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            str(file), got="bytes that are not UTF-8", expected="a readable settings file"
        ) from error
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a readable settings file") from error
    return parse_settings(settings, text, where=str(file))


def parse_settings(settings: type[S], text: str, *, where: str) -> S:
    """As `read_settings`, from the text of a TOML file; `where` names it in errors."""
    try:
        return settings(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(where, got=str(error), expected="TOML") from error
    except ValidationError as error:
        raise complaint(ConfigurationError, f"{where}: ", error) from error
