"""What remains of a person after an erasure, and until when: said to the person, in words and figures.

Models that were published while the record was there cannot forget it: they have left. What they can tell about any one
record was bounded before it was used, and the ledger has the figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.ledger_cli import read_summary
from clients.institution.lookup.folders import LookupFolders
from clients.institution.person.inquiries import Inquiry
from federation.errors import LedgerError
from federation.jurisdiction import Profile, Retained
from federation.ledger.budget import Scope
from protocols.lookup.cadence import PastEpoch


@dataclass(frozen=True)
class Models:
    """What this institution's releases can tell about one record: epsilon of them all at delta, in so many runs.

    The largest of the ledger's figures. Of one run alone those of the run, which was fixed before its first release;
    of several those of the lifetime, which hold for plans chosen one after the other (docs/ledger.md). `others`: what
    was released outside of training, such as the histograms that watch a model in use.
    """

    epsilon: float
    delta: float
    runs: int
    others: int = 0

    @property
    def surest_guess(self) -> float:
        """The share of right guesses, from even odds, of who sees all that was released and asks if a record was in it.

        e^epsilon / (1 + e^epsilon), but for a probability of delta (Kairouz, Oh, Viswanath 2015, section 2).
        """
        return 1 / (1 + math.exp(-self.epsilon))

    @property
    def words(self) -> str:
        if not self.epsilon:
            return "No model was trained on this institution's records, so none retains anything of yours."
        runs = f"{self.runs} training run{'s' if self.runs > 1 else ''}" if self.runs else ""
        others = f"{self.others} other release{'s' if self.others > 1 else ''}" if self.others else ""
        used = " and ".join(filter(None, (runs, others))) or "Earlier releases"
        return (
            f"{used} {'has' if self.runs + self.others == 1 else 'have'} used this institution's records, yours "
            "perhaps among them, and what was published cannot be taken back. It was made with differential privacy: "
            f"all of it together tells of any one record at most epsilon {self.epsilon:.2f} (at delta "
            f"{self.delta:.0e}). Whoever sees all of it and guesses, from even odds, whether your record was used is "
            f"right at most {100 * self.surest_guess:.0f} times in 100. That bound does not shrink by the erasure; "
            "coming models are trained without your record. What other institutions hold is theirs to say."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "runs": self.runs,
            "others": self.others,
            "words": self.words,
        }


@dataclass(frozen=True)
class Kept:
    """Something that stays: what, why, until when (None: as long as the home)."""

    what: str
    why: str
    until: date | None

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "why": self.why, "until": None if self.until is None else self.until.isoformat()}


def models_of(home: InstitutionHome, now: datetime) -> Models:
    """From the ledger, verified. Raises LedgerError for one that does not verify."""
    try:
        summary = read_summary(
            home.database_url, institution=home.name, key=home.signing_key.public, caps=home.caps(), now=now
        )
    except LedgerError:
        if (home.path / "institution.db").exists() or home.settings.database_url is not None:
            raise
        return Models(0.0, home.caps().delta, 0)
    runs = {line.run_id for line in summary.runs}
    alone = len(runs) == 1 and summary.carried is None
    (amount,) = (each for each in summary.amounts if each.scope is (Scope.RUN if alone else Scope.LIFETIME))
    figures = [figure for figure in (amount.pld, amount.prv, amount.rdp) if math.isfinite(figure)]
    trained = {line.run_id for line in summary.runs if line.phase == "train"}
    return Models(max(figures, default=math.inf), amount.delta, len(trained), len(runs - trained))


def open_epochs(home: InstitutionHome) -> tuple[PastEpoch, ...]:
    """The epochs in which a snapshot of the records still stands."""
    folders = LookupFolders(home)
    return tuple(epoch for epoch in folders.past() if not epoch.erased) if folders.exists else ()


def kept_after_erasure(
    home: InstitutionHome, profile: Profile, inquiries: tuple[Inquiry, ...], today: date
) -> tuple[Kept, ...]:
    """What an erasure that is decided `today` leaves here."""
    kept = [
        Kept(
            f"the snapshot of epoch {epoch.counter}, padded and masked at the coordinator",
            "all members signed it; nobody may change an open epoch",
            datetime.fromtimestamp(epoch.closes_at, UTC).date(),
        )
        for epoch in open_epochs(home)
    ]
    if inquiries:
        rule = profile.kept(Retained.INQUIRIES)
        until = rule.until(max(each.day for each in inquiries))
        kept.append(Kept(f"{len(inquiries)} inquiries of this institution about you", rule.source, until))
    rule = profile.kept(Retained.CASES)
    kept.append(Kept("the file of this case", rule.source, rule.until(today)))
    why = "so that no later file brings the record back; it says nothing without this institution's key"
    kept.append(Kept("a keyed pseudonym of your identifier", why, None))
    kept.append(
        Kept("the institution's own systems and backups", "this program reads their file, and is not them", None)
    )
    return tuple(kept)
