"""One dispute of the demonstration, by `fedscore` commands: opened, corrected, inquirers told, closed.

What is wrong with her record is chosen here, in the person's place: the one value, of those that other records of the
institution have, that moves her score most. In a deployment the person says it, and staff look at what she shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from clients.institution.home import InstitutionHome
from clients.institution.person.desk import Desk
from clients.institution.scoring import open_scorer
from federation.catalogue import Catalogue
from federation.records import encode, read_table, validate
from federation.scorecard import Outcome, Scaling, Scorer
from workbench.demo.calls import call, once
from workbench.demo.cast import Homes, command
from workbench.demo.inquirers import Inquired

JURISDICTION = "eu"
_DONORS = 64  # records whose values are tried
_MOVES = 1.0  # points
_LETTERS_S = 300.0


@dataclass(frozen=True)
class Correction:
    """A column of the record and what it should say."""

    column: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Disputed:
    """What the desk of one institution said, step by step, about one person's case."""

    institution: str
    correction: Correction
    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)
    corrected: Mapping[str, Any]
    closed: Mapping[str, Any]
    letters: Mapping[str, int]
    read: Mapping[str, int]
    delivered: Mapping[str, bool]
    expected: frozenset[str]

    @property
    def holds(self) -> bool:
        """Whether the record reads as corrected and scores otherwise, and those who inquired read so, nobody else."""
        now = {item["column"]: item["value"] for item in self.after["record"]["items"] if item.get("corrected")}
        moved = _score(self.before) != _score(self.after)
        told = {name for name, count in self.letters.items() if count} == self.expected == set(self.read)
        notified = told and all(self.read.values()) and all(self.delivered.values())
        done = (self.corrected["result"], self.closed["state"]) == ("corrected", "closed")
        return now == {self.correction.column: self.correction.value} and moved and notified and done


def correction(home: InstitutionHome, model: Path, subject: str) -> Correction | None:
    """What moves her score here most, within the catalogue's rules; None where nothing does."""
    desk, scorer = Desk.open(home), open_scorer(home, model, None, Scaling())
    row, donors = desk.rows(subject)[1].head(1), read_table(home.data).head(_DONORS)
    if not row.height:
        return None
    changes = list(_changes(row, donors, desk.catalogue))
    tried = [row, *(row.with_columns(pl.lit(value, row[name].dtype).alias(name)) for name, value in changes)]
    scores = _scores(home, scorer, pl.concat(tried))
    best = max(scores, key=scores.__getitem__, default=0)
    if 0 not in scores or scores[best] < scores[0] + _MOVES:
        return None
    name, value = changes[best - 1]
    return Correction(name, str(value))


def _changes(row: pl.DataFrame, donors: pl.DataFrame, catalogue: Catalogue) -> Iterator[tuple[str, Any]]:
    """(column, value) of what the model reads: each value that a donor has and this row has not."""
    read = (name for feature in catalogue.features for name in catalogue.inputs(feature.source))
    for name in dict.fromkeys(name for name in read if name in row.columns):
        values = donors[name].drop_nulls().unique().sort()
        yield from ((name, value) for value in values.to_list() if value != row[name][0])


def _scores(home: InstitutionHome, scorer: Scorer, rows: pl.DataFrame) -> dict[int, float]:
    """Scores by place, of the rows that keep the rules and are known enough."""
    catalogue, held = scorer.catalogue, home.settings.features
    named = rows.with_columns(pl.int_range(pl.len()).cast(pl.String).alias(str(catalogue.subject)))
    checked = validate(named, catalogue, require_target=catalogue.target.column in rows.columns, coverage=held)
    records = encode(checked.good, catalogue, coverage=held)
    scores = scorer.score(records)
    places = () if records.subjects is None else map(int, records.subjects)
    found = zip(places, scores.unclamped.tolist(), scores.outcome.tolist(), strict=True)
    return {place: score for place, score, outcome in found if outcome == Outcome.SCORED}


def dispute(homes: Homes, institution: str, subject: str, correct: Correction, inquired: Inquired) -> Disputed:
    """Her case at one institution, from the statement to its close. Raises DemoFailed."""
    home, model = homes.institution(institution), homes.run / "model.json"

    def desk(word: str, *words: str, **options: object) -> Any:
        return call([*command("institution", "subject", word, home=home, **options), "--json", "--", *words])

    before = desk("show", subject, model=model)
    case = desk("dispute", subject, about=correct.column, statement="This is not what I owe and earn.")["case"]
    value, why = f"{correct.column}={correct.value}", "the documents that she showed"
    corrected = desk("correct", subject, case=case, set=value, why=why)
    after = desk("show", subject, model=model)
    sent = desk("notify", subject, case=case, inquirers=inquired.file)
    letters = {each["recipient"]: len(each["leaves"]) for each in sent}
    told = [name for name, count in letters.items() if count]
    read = {name: once(partial(_notices, homes, name, institution), bool, seconds=_LETTERS_S) for name in told}
    delivered = once(partial(desk, "delivery", case), lambda found: all(found.values()), seconds=_LETTERS_S)
    expected = frozenset(inquired.expected) - {institution}
    closed = desk("told", case)
    return Disputed(institution, correct, before, after, corrected, closed, letters, read, delivered, expected)


def summary(found: Disputed) -> dict[str, Any]:
    """`dispute` of `summary.json`. The values of her record are not in it."""
    return {
        "holds": found.holds,
        "institution": found.institution,
        "jurisdiction": JURISDICTION,
        "about": found.correction.column,
        "score_before": _score(found.before),
        "score_after": _score(found.after),
        "result": found.corrected["result"],
        "due": found.corrected["due"],
        "state": found.closed["state"],
        "steps": [step["event"] for step in found.closed["steps"]],
        "notices": dict(found.letters),
        "read": dict(found.read),
        "delivered": dict(found.delivered),
        "after_epoch": found.corrected["after_epoch"],
    }


def _notices(homes: Homes, name: str, sender: str) -> int:
    """How many of one institution's inquiries `sender` has written about, by its own command."""
    told = call([*command("institution", "notices", home=homes.institution(name)), "--json"])
    return sum((each["sender"], each["change"]) == (sender, "corrected") for each in told)


def _score(shown: Mapping[str, Any]) -> float | None:
    score: float | None = shown["score"]["score"]
    return score
