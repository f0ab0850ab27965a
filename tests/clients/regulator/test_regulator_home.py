"""The regulator's home: secrets for their owner alone, never made anew; settings that say what is wrong with them."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.regulator.home import POLICY_FILE, SETTINGS_FILE, RegulatorHome
from clients.regulator.settings import settings_text
from federation.errors import ConfigurationError
from protocols.errors import SignatureError
from protocols.signing import SigningKey

SECRETS = ("signing.pem", "witness.pem", "beacon.seed", "draw.key", "inquiry.key", "access.token")
LOG, COORDINATOR = SigningKey.from_seed(bytes(32)).public, SigningKey.from_seed(bytes(31) + b"\1").public


def text() -> str:
    written = datetime(2030, 1, 1, tzinfo=UTC)
    made = settings_text(name="authority", log_url="https://log.example:9", log_authority="", port=0, written=written)
    return made.replace("chain_length = 100000", "chain_length = 10")


def create(path: Path, settings: str = "") -> RegulatorHome:
    return RegulatorHome.create(path, settings or text(), log=LOG, coordinator=COORDINATOR)


@pytest.fixture
def home(tmp_path: Path) -> RegulatorHome:
    return create(tmp_path / "home")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything(home: RegulatorHome) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.path.rglob("*") if path.is_file()}


def test_nobody_else_may_read_what_is_in_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home = create(tmp_path / "home")
    finally:
        os.umask(before)
    assert {mode(folder) for folder in (home.path, *home.path.iterdir()) if folder.is_dir()} == {0o700}
    assert {path.name for path in (home.path / "keys").iterdir()} == set(SECRETS)
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert {path.name: mode(path) for path in files} == dict.fromkeys((*SECRETS, SETTINGS_FILE, POLICY_FILE), 0o600)


def test_no_two_secrets_are_the_same_and_none_is_another_homes(home: RegulatorHome, tmp_path: Path) -> None:
    other = create(tmp_path / "other")
    found = [(made.path / "keys" / name).read_bytes() for made in (home, other) for name in SECRETS]
    assert len(set(found)) == 2 * len(SECRETS)
    assert len(home.access_token) >= 43  # 32 bytes


def test_a_home_is_never_made_over_another(home: RegulatorHome) -> None:
    before = everything(home)
    with pytest.raises(ConfigurationError, match=r"regulator\.toml: got an existing home, expected none"):
        create(home.path)
    assert everything(home) == before


def test_an_interrupted_creation_goes_on_with_the_same_keys(home: RegulatorHome) -> None:
    keys = {path: data for path, data in everything(home).items() if "/keys/" in path}
    (home.path / SETTINGS_FILE).unlink()
    assert create(home.path).registration == home.registration
    assert {path: data for path, data in everything(home).items() if "/keys/" in path} == keys


def test_invalid_settings_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"draw\.rate"):
        create(tmp_path / "home", text().replace("rate = 0.05", "rate = 1.5"))
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660])
def test_a_secret_that_others_could_read_is_refused_by_name(home: RegulatorHome, name: str, bits: int) -> None:
    (home.path / "keys" / name).chmod(bits)
    with pytest.raises(ConfigurationError, match=name.replace(".", r"\.")):
        use(home.path)


@pytest.mark.parametrize("folder", [".", "keys", "documents", "logs"])
def test_a_folder_that_others_may_enter_is_refused(home: RegulatorHome, folder: str) -> None:
    (home.path / folder).chmod(0o750)
    with pytest.raises(ConfigurationError, match=str(home.path / folder)):
        RegulatorHome.open(home.path)


def test_a_database_that_others_may_read_is_refused(home: RegulatorHome) -> None:
    (home.path / "regulator.db").touch(0o644)
    (home.path / "regulator.db").chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"regulator\.db"):
        RegulatorHome.open(home.path)


def test_a_secret_that_is_a_link_is_refused(home: RegulatorHome, tmp_path: Path) -> None:
    token = home.path / "keys" / "access.token"
    token.rename(tmp_path / "elsewhere")
    token.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=r"access\.token"):
        use(home.path)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named_and_not_made_anew(home: RegulatorHome, name: str) -> None:
    (home.path / "keys" / name).unlink()
    with pytest.raises(ConfigurationError, match=name.replace(".", r"\.")):
        use(home.path)
    assert not (home.path / "keys" / name).exists()


@pytest.mark.parametrize("name", ["beacon.seed", "draw.key"])
@pytest.mark.parametrize("content", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "zz" * 32])
def test_a_seed_of_another_form_is_refused_and_not_quoted(home: RegulatorHome, name: str, content: str) -> None:
    (home.path / "keys" / name).write_text(content)
    with pytest.raises(ConfigurationError, match=f"keys/{name}: got another form") as error:
        use(home.path)
    assert not content.strip() or content.strip() not in str(error.value)


@pytest.mark.parametrize("name", ["signing.pem", "witness.pem"])
def test_a_key_that_is_no_key_is_refused(home: RegulatorHome, name: str) -> None:
    (home.path / "keys" / name).write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SignatureError, match="private key"):
        use(home.path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("[watch]", "[watch]\nsurprise = 1"), r"watch\.surprise"),
        (("wait_s = 30.0", "wait_s = 3600.0"), r"watch\.wait_s"),
        (("rate = 0.05", 'rate = "often"'), r"draw\.rate"),
        (("window_days = 14", "window_days = 0"), r"draw\.window_days"),
        (("chain_length = 10", "chain_length = 0"), "chain_length"),
        (('log_url = "https://log.example:9"', 'log_url = "log.example"'), "log_url"),
        (('name = "authority"', 'name = "no name"'), "name"),
        (("session_hours = 8.0", "session_hours = 0.0"), r"pages\.session_hours"),
        (("[pages]", "[pages"), r"regulator\.toml"),
    ],
)
def test_settings_that_were_spoilt_are_named(home: RegulatorHome, change: tuple[str, str], named: str) -> None:
    file = home.path / SETTINGS_FILE
    spoilt = file.read_text().replace(*change)
    assert spoilt != file.read_text()
    file.write_text(spoilt)
    with pytest.raises(ConfigurationError, match=named):
        RegulatorHome.open(home.path)


def test_settings_that_are_missing_or_no_text_are_named(home: RegulatorHome) -> None:
    (home.path / SETTINGS_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"regulator\.toml"):
        RegulatorHome.open(home.path)
    (home.path / SETTINGS_FILE).unlink()
    with pytest.raises(ConfigurationError, match=r"regulator\.toml"):
        RegulatorHome.open(home.path)


def test_a_policy_that_names_another_regulator_is_refused(home: RegulatorHome) -> None:
    assert home.policy.keys.regulator == home.registration.key
    assert (home.policy.keys.log, home.policy.keys.coordinator) == (LOG.hex, COORDINATOR.hex)
    file = home.path / POLICY_FILE
    file.write_text(file.read_text().replace(home.registration.key, LOG.hex, 1))
    with pytest.raises(ConfigurationError, match=r"policy\.toml: keys\.regulator"):
        use(home.path)


def test_nothing_secret_is_printed(home: RegulatorHome) -> None:
    shown = f"{home!r} {home.registration!r} {home.policy!r}"
    assert home.access_token not in shown
    for name in ("beacon.seed", "draw.key"):
        assert (home.path / "keys" / name).read_text() not in shown


def use(path: Path) -> None:
    """Open a home, and use all of it."""
    home = RegulatorHome.open(path)
    assert home.registration
    assert home.draw_key
    assert home.inquiry_key
    assert home.access_token
    assert home.policy
