"""Homes of coordinator and institution: certificates, places, ports, public sizes, pins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from membership_world import BUNDLE, make_coordinator

from clients.institution.cli import public_size
from clients.institution.home import CoordinatorIdentity
from federation.errors import ConfigurationError
from server.home import CoordinatorHome, address


@pytest.fixture
def coordinator(tmp_path: Path) -> CoordinatorHome:
    return make_coordinator(tmp_path / "c")


def test_a_server_certificate_is_renewed_in_its_last_third(coordinator: CoordinatorHome) -> None:
    before = (coordinator.keys / "tls.crt").read_bytes()
    assert not coordinator.renew_certificate(datetime.now(UTC) + timedelta(days=59))
    assert coordinator.renew_certificate(datetime.now(UTC) + timedelta(days=61))
    assert (coordinator.keys / "tls.crt").read_bytes() != before


@pytest.mark.parametrize("run", ["../x", "", ".hidden", "a/b", "x" * 65])
def test_a_run_stays_in_its_folder(coordinator: CoordinatorHome, run: str) -> None:
    with pytest.raises(ConfigurationError):
        coordinator.run(run)


def test_ports_must_differ(coordinator: CoordinatorHome) -> None:
    file = coordinator.path / "coordinator.toml"
    text = file.read_text()
    file.write_text(
        text.replace(f"member_port = {coordinator.settings.member_port}", "member_port = 1").replace(
            f"fleet_port = {coordinator.settings.fleet_port}", "fleet_port = 1"
        )
    )
    with pytest.raises(ConfigurationError, match="must differ"):
        CoordinatorHome.open(coordinator.path)


def test_addresses_of_both_kinds() -> None:
    assert address("::1", 9) == "[::1]:9"
    assert address("coordinator.example", 9) == "coordinator.example:9"


@pytest.mark.parametrize("records", [0.1, 3.4, 99.6, 149.0, 940.0, 1234.0, 10**7 + 1.0])
def test_a_public_size_has_two_digits_and_is_never_finer_than_100(records: float) -> None:
    size = public_size(records)
    assert size >= 100
    assert size % 100 == 0
    assert str(size).strip("0") == str(size).strip("0")[:2]
    assert abs(size - records) <= max(100.0, 0.05 * records)


def test_a_small_institution_publishes_no_count() -> None:
    """Below 1,000 records two digits would say the count to 10, below 100 exactly."""
    assert {public_size(count) for count in range(1, 150)} == {100}
    assert {public_size(count) for count in range(1000)} == {100 * step for step in range(1, 11)}


def test_a_coordinator_is_pinned_once(tmp_path: Path) -> None:
    from membership_world import make_institution

    home = make_institution(tmp_path / "a", "bank-a")
    first = CoordinatorIdentity(
        name="coordinator",
        key="aa" * 32,
        authority="bb" * 32,
        enrolment_address="h:1",
        member_address="h:2",
        fleet_address="h:3",
        bundle_hash=BUNDLE,
    )
    home.save_coordinator(first)
    home.save_coordinator(first.model_copy(update={"fleet_address": "h:9"}))
    assert home.coordinator().fleet_address == "h:9"
    with pytest.raises(ConfigurationError, match="another coordinator"):
        home.save_coordinator(first.model_copy(update={"key": "cc" * 32}))


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    from membership_world import make_institution

    short = make_institution(tmp_path / "a", "bank-a")
    long = make_institution(tmp_path / ("x" * 90), "bank-b")
    assert short.socket == short.path / "node.sock"
    assert len(str(long.socket)) < 100
    assert long.socket.parent.stat().st_mode & 0o077 == 0
