"""Two bodies make the oversight key at their terminals: what they type, what they are told, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clients.ombudsman.cli import app
from federation.errors import ConfigurationError
from protocols.consent.holders import OversightKey
from protocols.signing import SigningKey

LOG, COORDINATOR, AUTHORITY = (SigningKey.generate().public.hex for _ in range(3))
NAMES = ("ombudsman", "press-council")


def say(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def asked(home: Path) -> dict[str, Any]:
    return dict(json.loads(say("status", "--home", home, "--json")))


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    for number, name in enumerate(NAMES):
        keys = ("--log-key", LOG, "--coordinator-key", COORDINATOR, "--authority", f"e-id={AUTHORITY}")
        said = say("init", "--home", tmp_path / name, "--name", name, *keys, "--port", 9490 + number)
        assert "To the other holder" in said
    one, other = (tmp_path / name for name in NAMES)
    return one, other


def test_both_join_by_the_keys_that_were_read_out_and_have_one_document(homes: tuple[Path, Path]) -> None:
    facts = {home: asked(home) for home in homes}
    assert not any(said["joined"] for said in facts.values())
    for home, other in (homes, homes[::-1]):
        said = say("join", other / "holder.json", "--home", home, "--key", facts[other]["key"])
        assert "oversight key, for the roster" in said
    one, other = ((home / "oversight.json").read_bytes() for home in homes)
    assert one == other
    key = OversightKey.decode(one)
    for home in homes:
        told = asked(home)
        assert (told["joined"], told["holders"]) == (True, list(NAMES))
        assert (told["oversight"], told["fingerprint"]) == (key.public.hex(), key.fingerprint)
        assert told["share"] == facts[home]["share"] == key.shares[told["name"]].hex()
        assert key.fingerprint in say("status", "--home", home)


def test_another_key_than_was_read_out_makes_no_document(homes: tuple[Path, Path]) -> None:
    one, other = homes
    with pytest.raises(ConfigurationError, match="key of press-council"):
        say("join", other / "holder.json", "--home", one, "--key", asked(one)["key"])
    with pytest.raises(ConfigurationError, match=r"holder\.json"):
        say("join", other / "nothing.json", "--home", one, "--key", "1")
    assert not asked(one)["joined"]


def test_an_authority_needs_a_name_and_a_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--authority"):
        say("init", "--home", tmp_path / "x", "--log-key", LOG, "--coordinator-key", COORDINATOR, "--authority", "e-id")
    assert not (tmp_path / "x" / "holder.toml").exists()
