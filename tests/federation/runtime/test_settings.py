from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError
from pydantic_settings import SettingsConfigDict

from federation.errors import ConfigurationError
from federation.runtime.settings import HomeSettings, Name, parse_settings, read_settings


class Caps(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    run: PositiveFloat = 1.0
    year: PositiveFloat = 3.0


class Example(HomeSettings):
    model_config = SettingsConfigDict(env_prefix="FEDSCORE_EXAMPLE_")
    name: Name
    caps: Caps = Caps()


def test_a_file_is_read_once_and_frozen(tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text('name = "bank-a"\n[caps]\nrun = 0.5\n')
    settings = read_settings(Example, file)
    assert (settings.name, settings.caps.run, settings.caps.year) == ("bank-a", 0.5, 3.0)
    with pytest.raises(ValidationError, match="frozen"):
        settings.name = "bank-b"


def test_the_environment_wins_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSCORE_EXAMPLE_CAPS__RUN", "2")
    settings = parse_settings(Example, 'name = "bank-a"\n[caps]\nyear = 4\n', where="x")
    assert (settings.caps.run, settings.caps.year) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("text", "where", "got", "expected"),
    [
        ('name = "bank-a"\n[cap]\nrun = 1\n', "cap", "{'run': 1}", "no such key"),
        ('name = "bank-a"\n[caps]\nrunn = 1\n', "caps.runn", "1", "no such key"),
        ('name = "bank-a"\n[caps]\nrun = -1\n', "caps.run", "-1", "above 0"),
        ('name = "Bank A"\n', "name", "'Bank A'", "1 to 40 of a-z, 0-9 and inner hyphens"),
        ("", "name", "nothing", "this key"),
    ],
)
def test_what_is_wrong_is_named_in_an_operator_s_words(text: str, where: str, got: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(Example, text, where="example.toml")
    assert (caught.value.where, caught.value.got, caught.value.expected) == (f"example.toml: {where}", got, expected)


def test_broken_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected TOML"):
        parse_settings(Example, "name = ", where="example.toml")
    with pytest.raises(ConfigurationError, match="got no such file, expected a home"):
        read_settings(Example, tmp_path / "absent.toml")
