"""A release that dies on the way is paid for, leaves nothing, and is another one the next time."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_monitor_cli import Run, home, records, released, run

from clients.institution import monitoring
from clients.institution.home import InstitutionHome
from federation.ledger import Ledger
from federation.monitoring import MonitoringRelease

__all__ = ["home", "records", "run"]


class Cut(BaseException):
    """The process was told to end."""


def test_what_was_cut_off_is_charged_and_asked_again_has_other_noise(
    home: InstitutionHome, run: Run, tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[MonitoringRelease] = []
    made = monitoring._made

    def cut(*given: object, **named: object) -> MonitoringRelease:
        left.append(made(*given, **named))  # type: ignore[arg-type]
        raise Cut

    with monkeypatch.context() as dying:
        dying.setattr(monitoring, "_made", cut)
        with pytest.raises((AssertionError, Cut)):
            released(run, tmp_path, "2029", records, epsilon=0.5)
    assert not (tmp_path / "2029-0.json").exists()
    released(run, tmp_path, "2029", records, epsilon=0.5)
    found = MonitoringRelease.read((tmp_path / "2029-0.json").read_bytes())
    assert found.counts != left[0].counts
    ledger = Ledger.open(home.database_url, institution="bank-0", key=home.signing_key, caps=home.caps(), recover=False)
    kinds = [str(entry.entry.kind) for entry in ledger.entries()]
    assert kinds == ["reserve", "spend", "reserve", "spend"]
    assert ledger.claims("year").pld > 0.65  # two of 0.5
    ledger.close()
