"""Profiles by name or file.

>>> str(load_profile("us-fcra").requests["dispute"].within)
'30 days'
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from federation.errors import ConfigurationError
from federation.jurisdiction.profile import Profile
from federation.runtime.wording import expected, got

_SHIPPED = "federation.jurisdiction.shipped"


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with fedscore."""
    names = (item.name for item in files(_SHIPPED).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_profile(name_or_path: str | Path) -> Profile:
    """The shipped profile of that name, or the one in that TOML file. Raises ConfigurationError naming the key."""
    if isinstance(name_or_path, str) and name_or_path in shipped_profiles():
        return _shipped(name_or_path)
    path = Path(name_or_path)
    try:
        return parse_profile(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped_profiles())
        raise ConfigurationError(str(path), got="no such profile", expected=f"a TOML file or one of {known}") from error


@cache
def _shipped(name: str) -> Profile:
    return parse_profile((files(_SHIPPED) / f"{name}.toml").read_text(encoding="utf-8"), source=f"{name}.toml")


def parse_profile(text: str, *, source: str) -> Profile:
    """The profile in TOML text; `source` is the name that errors carry."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(source, got=str(error), expected="TOML in UTF-8") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{source}: {where}", got=got(first), expected=expected(first)) from error
