"""What nobody chose agrees: an institution's caps, a plan and a regulator's new policy."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.institution.home import CapSettings, InstitutionSettings, settings_text
from clients.regulator.policy_template import template
from federation.delta import MAX_DELTA, RECORDS_PER_DELTA, default_delta
from federation.privacy import check_delta
from federation.runtime.settings import parse_settings

SIZES = (1, 500, 10_000, 10_001, 3_000_000)


@pytest.mark.parametrize("size", SIZES)
def test_a_new_policy_allows_what_plans_and_caps_take_by_themselves(size: int) -> None:
    caps = tomllib.loads(template())["caps"]
    assert default_delta([size, 500]) <= min(caps["delta"], 1 / (caps["records_per_delta"] * size))
    assert (caps["delta"], caps["records_per_delta"]) == (MAX_DELTA, RECORDS_PER_DELTA)
    check_delta(default_delta([size]), [size])


def test_an_institution_that_names_no_delta_allows_that_of_every_plan(tmp_path: Path) -> None:
    text = settings_text(
        name="bank-a",
        catalogue="synthetic",
        data=tmp_path / "d.csv",
        nominal_records=500,
        caps=CapSettings(),
        written=datetime.now(UTC),
    )
    assert parse_settings(InstitutionSettings, text, where="test").caps.delta == MAX_DELTA >= default_delta([500])
