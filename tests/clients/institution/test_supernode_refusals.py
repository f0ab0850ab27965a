"""A bundle that the SuperNode refuses is recorded from its own process, beside a node that is at work."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.supernode import REFUSED, record_refusal
from federation.ledger import Kind, Ledger, Release
from federation.privacy.event import GaussianEvent

BUNDLE = "e" * 64
RECORD = """
import sys
from clients.institution.home import InstitutionHome
from clients.institution.supernode import record_refusal
record_refusal(InstitutionHome.open(sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    text = settings_text(
        name="bank-a",
        catalogue="taiwan",
        data=Path("records.csv"),
        nominal_records=10_000,
        caps=CapSettings(run=1.5, year=3, lifetime=10, delta=1e-5),
        written=datetime(2025, 1, 1, tzinfo=UTC),
    )
    return InstitutionHome.create(tmp_path / "bank-a", text)


def open_ledger(home: InstitutionHome) -> Ledger:
    return Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())


def release() -> Release:
    event = GaussianEvent(sampling_rate=1.0, noise_multiplier=20.0, steps=5)
    plan, catalogue, model = "a" * 64, "b" * 64, "c" * 64
    return Release("run-1", "train", 1, event, 1e-5, plan, catalogue, model, 10_000, "2025Q1", "additive")


def test_a_node_at_work_is_not_disturbed(home: InstitutionHome) -> None:
    node = open_ledger(home)
    reservation = node.reserve(release())
    for _ in range(2):  # a coordinator that offers it again
        subprocess.run([sys.executable, "-c", RECORD, str(home.path), BUNDLE], check=True, timeout=600)
    assert node.verify().open == 1
    node.spend(reservation, "d" * 64, b"reply")
    assert node.stored_reply("run-1", "train", 1, "c" * 64) == b"reply"
    kinds = [signed.entry.kind for signed in node.entries()]
    assert kinds == [Kind.RESERVE, Kind.REFUSE, Kind.SPEND]
    refusal = node.entries()[1].entry.refusal
    assert refusal is not None
    assert (refusal.code, refusal.where, refusal.got, refusal.request_hash) == (REFUSED, "bundle", BUNDLE, BUNDLE)
    node.close()


def test_what_cannot_be_recorded_stays_refused_and_is_logged(
    home: InstitutionHome, caplog: pytest.LogCaptureFixture
) -> None:
    open_ledger(home).close()
    (database,) = home.path.glob("*.db")
    database.write_bytes(os.urandom(4096))
    record_refusal(home, BUNDLE)
    assert "could not be recorded" in caplog.text
