"""A bank that has another key by now still opens what it asked under the one it had: else it would be blamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oversight_world import key_of, member
from spot_check_world import HostedLog, InquiryWorld, Person, home_of, inquiring
from typer.testing import CliRunner

import clients.institution.lookup.open_cli as open_cli
import clients.regulator.inquiries.cli as cli


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InquiryWorld]:
    """bank-a asks, is drawn, and then leaves and comes back with another key. The log is read without the wire."""
    with inquiring(tmp_path) as made:
        made.ask("bank-a", Person(b"anna"))
        made.sampled("all", 1.0)
        again = member("bank-a", key=key_of("bank-a again").public.hex)
        made.log.grow(member("bank-a", standing="revoked"), again)
        made.turn()

        @contextmanager
        def log(home: object) -> Iterator[HostedLog]:
            yield HostedLog(made.log.host)

        monkeypatch.setattr(open_cli, "LogClient", log)
        yield made


def opened(home: Path, *words: object, code: int = 0) -> dict[str, Any]:
    line = ["--drawn", "--json", "--home", str(home), *map(str, words)]
    told = CliRunner().invoke(open_cli.app, line)
    assert told.exit_code == code, (told.output, told.exception)
    return dict(json.loads(told.output)) if code == 0 else {"error": str(told.exception)}


def test_what_was_asked_under_the_former_key_is_opened_from_the_home_of_then(
    world: InquiryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 36."""
    new, former = home_of(tmp_path / "new", "bank-a", "bank-a again").path, world.homes["bank-a"].path
    assert opened(new)["inquiries"] == []  # with the new home alone there is nothing to show
    (told,) = opened(new, "--former", former, "--out", tmp_path / "out")["inquiries"]
    assert told["why"] == ""
    monkeypatch.setattr(cli.time, "time", lambda: told["deadline"] + 1.0)
    (blamed,) = world.fsr("check", "--draw", "all", "--keep", code=1)["queriers"]
    assert [each["rule"] for each in blamed["broken"]] == ["not_opened"]
    (held,) = world.fsr("check", told["file"], "--draw", "all", "--keep")["queriers"]
    assert (held["hard"], held["broken"]) == (1, [])


def test_another_institutions_home_is_not_ones_former(world: InquiryWorld) -> None:
    refused = opened(world.homes["bank-b"].path, "--former", world.homes["bank-a"].path, code=1)
    assert "--former" in refused["error"]
