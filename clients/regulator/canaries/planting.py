"""Which canary is planted where, and what its record must contribute: files, and the published model.

plant(rows, ["bank-a", "bank-b", "bank-c"], each=2, folder=folder, shuffle=SystemRandom().shuffle, now=now)
expected(folder, model, catalogue, settings, how)      # {subject: {member: steps}}, for `federation.lookup.canaries`
planted(folder)                                        # since when: no question of before is about one of them
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.lookup.canaries import Steps
from federation.lookup.identifiers import Scheme
from federation.lookup.record import contributions, quantise
from federation.lookup.settings import ScoringSettings
from federation.models import PublishedModel
from federation.records import load_records
from federation.runtime.private_files import private_directory, read_private, write_private
from federation.scorecard import Scorer

_PLANTED = "planted"
FIRST = 1  # of the record's coefficients: the check before it is zero


def plant(
    rows: Path, members: Sequence[str], *, each: int, folder: Path, shuffle: Callable[[list[Any]], None], now: float
) -> dict[str, int]:
    """Write FOLDER/MEMBER.csv for every member: each row of `rows` for `each` of them; how many rows each has. And
    FOLDER/planted: `now`, Unix s.

    Every group of members holds as many canaries as any other, in an order that `shuffle` decides. Raises
    ConfigurationError for a file without rows, or fewer rows than there are groups: then no member could be cleared.
    """
    try:
        with rows.open(newline="", encoding="utf-8-sig") as file:
            header, *records = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(str(rows), got=type(error).__name__, expected="a CSV file") from error
    names = sorted(set(members))
    if not 0 < each < len(names):
        raise ConfigurationError("--each", got=each, expected=f"1 to {len(names) - 1}: one member left to ask")
    groups: list[Any] = list(combinations(names, each))
    if len(records) < len(groups):
        raise ConfigurationError(str(rows), got=f"{len(records)} rows", expected=f"{len(groups)} or more")
    shuffle(groups)
    shuffle(records)
    parts: dict[str, list[list[str]]] = {name: [] for name in names}
    for number, record in enumerate(records):
        for name in groups[number % len(groups)]:
            parts[name].append(record)
    private_directory(folder)
    write_private(folder / _PLANTED, b"%d" % now)
    for name, part in parts.items():
        write_private(folder / f"{name}.csv", _text([header, *part]).encode())
    return {name: len(part) for name, part in parts.items()}


def planted(folder: Path) -> int:
    """When the set was planted, Unix s. Raises ConfigurationError."""
    file = folder / _PLANTED
    try:
        return int(read_private(file))
    except ValueError as error:
        raise ConfigurationError(str(file), got="no number", expected="when the set was planted, Unix s") from error


def expected(
    folder: Path, model: PublishedModel, catalogue: Catalogue, settings: ScoringSettings, how: Scheme
) -> dict[str, dict[str, Steps]]:
    """What every planted record contributes under the epoch's model, as its member's own node computes it.

    Raises ConfigurationError for a file of no member of the model's plan, or a record that no member would take.
    """
    scorer = Scorer(model, catalogue, settings.scaling)
    features = {member.institution: member.features for member in model.plan.members}
    found: dict[str, dict[str, Steps]] = {}
    for file in sorted(folder.glob("*.csv")):
        if file.stem not in features:
            raise ConfigurationError(str(file), got=file.stem, expected=f"a member: {', '.join(sorted(features))}")
        records, report = load_records(file, catalogue, coverage=features[file.stem], require_target=False)
        if records.subjects is None or report.rows_quarantined:
            raise ConfigurationError(str(file), got="records with errors", expected="records that a member would take")
        values = quantise(*contributions(scorer, records))
        for subject, row in zip(records.subjects, values, strict=True):
            planted = found.setdefault(how.normalise(str(subject)).hex(), {})
            planted[file.stem] = tuple(int(value) for value in row[FIRST:])
    return found


def _text(rows: Sequence[Sequence[str]]) -> str:
    from io import StringIO

    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
