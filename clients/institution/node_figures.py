"""What a node shows of itself: its budget, its debt to the log, its health. Nothing that a record could change.

Epsilon follows from plans, entries from requests, promises from entries. How many records there are, were quarantined
or held out is shown nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.oversight.oversight import Oversight
from clients.institution.replay.draws import open_draws
from federation.ledger import Head, Ledger
from federation.ledger.budget import Scope
from federation.observability import metrics
from federation.observability.health import silence
from federation.observability.monitor import Monitor
from federation.runtime.pki import load_certificate

LOG_SILENCE_S = 45.0  # a call to the log waits for 15 s
RELAY_SILENCE_S = 60.0
DUE_S = 3 * 86_400.0
_LAST = 64  # entries that are searched for the last run


def observe(monitor: Monitor, home: InstitutionHome, ledger: Ledger, oversight: Oversight) -> None:
    """Have `monitor` show this node."""
    why, never = "the relay of private queries does not answer", "the relay of private queries was not heard yet"
    relay = silence("relay", RELAY_SILENCE_S, why, never=never)
    monitor.part("ledger", lambda: None if oversight.failed is None else "the ledger is behind the log", vital=True)
    monitor.part("log", silence("log", LOG_SILENCE_S, "the log does not answer", never="the log was not heard yet"))
    monitor.part("witness", lambda: "this witness has stopped" if oversight.folder.alarm.exists() else None)
    monitor.part("certificate", lambda: None if expiry(home) > time.time() else "the certificate has ended")
    monitor.part("lookup", lambda: relay() if (home.path / "lookup").is_dir() else None)
    monitor.part("replay", lambda: due_replays(home.path, time.time()))
    monitor.read("ledger", LedgerFigures(ledger).read)
    monitor.read("oversight", lambda: _oversight(ledger, oversight))
    monitor.read("certificate", _certificate(home))


def due_replays(home: Path, now: float) -> str | None:
    """Why a person has to hurry; None while drawn rounds have their time: that is work, and no fault of the node."""
    draws = open_draws(home)
    if any(each.draw.deadline < now for each in draws):
        return "a drawn round was not replayed in time"
    return "a drawn round is due within three days" if any(each.draw.deadline < now + DUE_S for each in draws) else None


class LedgerFigures:
    """The budget, worked out anew when the ledger has grown or the year has changed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: tuple[Head, int] | None = None

    def read(self) -> None:
        tip, year = self._ledger.tip, datetime.now(UTC).year
        metrics.put("fedscore_ledger_entries", tip.sequence)
        if self._known == (tip, year):
            return
        for scope in Scope:
            metrics.put("fedscore_epsilon_cap", self._ledger.caps.of(scope), scope=scope)
        for scope in (Scope.YEAR, Scope.LIFETIME):
            metrics.put("fedscore_epsilon_spent", self._ledger.claims(scope).capped, scope=scope)
        last = [
            amount for signed in self._ledger.entries(max(0, tip.sequence - _LAST)) for amount in signed.entry.amounts
        ]
        for amount in last:
            if amount.scope is Scope.RUN:
                metrics.put("fedscore_epsilon_spent", amount.capped, scope=Scope.RUN)
        self._known = (tip, year)


def _oversight(ledger: Ledger, oversight: Oversight) -> None:
    kept, folder = oversight.kept, oversight.folder
    made, proved = kept.counts()
    last = kept.last()
    entries = ledger.tip.sequence
    metrics.put("fedscore_ledger_unpromised_entries", entries - (0 if last is None else last.sequence))
    metrics.put("fedscore_ledger_unproved_entries", entries - proved)
    metrics.put("fedscore_promises_open", made - proved)
    metrics.put("fedscore_promises_overdue", len(kept.overdue(time.time())))
    found = [finding["code"] for finding in folder.findings()]
    metrics.put_all("fedscore_findings", "finding", {code: float(found.count(code)) for code in sorted(set(found))})
    metrics.put("fedscore_witness_alarm", float(folder.alarm.exists()))


def _certificate(home: InstitutionHome) -> Callable[[], None]:
    return lambda: metrics.put("fedscore_certificate_expires_timestamp_seconds", expiry(home))


def expiry(home: InstitutionHome) -> float:
    """When the member certificate ends (Unix time, s). Raises OSError where there is none."""
    return load_certificate((home.keys / "tls.crt").read_bytes()).not_valid_after_utc.timestamp()
