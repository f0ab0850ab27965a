"""A table against a catalogue. Bad rows go to quarantine with their reasons, good rows go on, nothing vanishes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Role
from federation.errors import RecordsError
from federation.records.columns import (
    RULE_DUPLICATE,
    RULE_REQUIRED,
    RULE_TARGET,
    Checked,
    Mask,
    as_stored,
    check_column,
    one_of,
)
from federation.records.ragged import AS_READ, FIELDS
from federation.records.report import Finding, Validated, ValidationReport

EXAMPLES_PER_RULE = 5
Broken = dict[tuple[str, str], Mask]


def validate(
    frame: pl.DataFrame, catalogue: Catalogue, *, require_target: bool = True, coverage: Collection[str] | None = None
) -> Validated:
    """Checks `frame` (rows as read) against `catalogue`.

    coverage        names of the features this institution holds; None: all of them.
    require_target  False for records to be scored: an outcome in the file is then not read.

    Raises RecordsError where the whole file cannot be used: a prohibited column, or a needed column that is absent.
    """
    refuse_prohibited(frame.columns, catalogue)
    names = _columns_to_read(frame.columns, catalogue, held_features(catalogue, coverage), require_target)
    checked = {name: check_column(name, frame[name], catalogue.columns[name]) for name in names}
    broken = _with_ragged(frame, _broken(checked, catalogue, require_target))
    bad = _any(broken.values(), frame.height)
    _add_duplicates(broken, bad, checked, catalogue)
    good = pl.DataFrame([item.values.alias(name) for name, item in checked.items()])
    good = good.filter(~bad) if bad.any() else good
    report = ValidationReport(
        catalogue=f"{catalogue.name} {catalogue.version}",
        rows_read=frame.height,
        rows_good=good.height,
        rows_quarantined=int(bad.sum()),
        broken={key: int(mask.sum()) for key, mask in broken.items()},
        examples=_examples(frame, broken),
        missing={name: n for name in names if (n := good[name].null_count())},
        special=_special_counts(good, catalogue),
        ignored=tuple(n for n in frame.columns if n not in catalogue.columns and n not in (FIELDS, AS_READ)),
        not_held=_not_held(catalogue, coverage),
    )
    return Validated(good, _quarantine(frame, broken, bad), report)


def held_features(catalogue: Catalogue, coverage: Collection[str] | None) -> frozenset[str]:
    """The names in `coverage`, or all features for None. Raises RecordsError for a name that is no feature."""
    if coverage is None:
        return frozenset(catalogue.feature_names)
    for name in coverage:
        if name not in catalogue.feature_names:
            raise RecordsError("coverage", got=repr(name), expected=f"a feature of catalogue {catalogue.name}")
    return frozenset(coverage)


def _not_held(catalogue: Catalogue, coverage: Collection[str] | None) -> tuple[str, ...]:
    held = held_features(catalogue, coverage)
    return tuple(name for name in catalogue.feature_names if name not in held)


# ------------------------------------------------------------------------------------------------------------- columns
def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def refuse_prohibited(columns: Collection[str], catalogue: Catalogue) -> None:
    """Raises RecordsError if a prohibited column is there, however it is spaced or capitalised."""
    prohibited = {_folded(name): name for name in catalogue.prohibited}
    for name in columns:
        rule = prohibited.get(_folded(name))
        if rule is not None and name not in _usable(catalogue):
            category = catalogue.columns[rule].category
            raise RecordsError(
                f"column {name}", got=f"a prohibited attribute ({category})", expected="a file without this column"
            )


MOST_RULES = 5


def refuse_empty(report: ValidationReport, where: str) -> None:
    """Raises RecordsError where no row of the file is good: how many there are, and the rules that most break."""
    if report.rows_good:
        return
    worst = sorted(report.broken.items(), key=lambda item: -item[1])[:MOST_RULES]
    reasons = "; ".join(f"{column}: {rule}: {rows:,}" for (column, rule), rows in worst)
    got = f"no good row of {report.rows_read:,}" if report.rows_read else "a header and no rows"
    raise RecordsError(where, got=f"{got} ({reasons})" if reasons else got, expected="at least one good row")


def _usable(catalogue: Catalogue) -> set[str]:
    return set(catalogue.columns) - set(catalogue.prohibited)


def _columns_to_read(
    columns: Collection[str], catalogue: Catalogue, held: frozenset[str], require_target: bool
) -> list[str]:
    needed = {c for f in catalogue.features if f.name in held for c in catalogue.inputs(f.source)}
    if catalogue.subject is not None:
        needed.add(catalogue.subject)
    if require_target:
        needed.add(catalogue.target.column)
    present = set(columns)
    for name in catalogue.columns:
        if name in needed and name not in present:
            raise RecordsError(f"column {name}", got=_absent(name, columns), expected=_why(name, catalogue, held))
    optional = {*catalogue.columns_of(Role.PROTECTED), *catalogue.columns_of(Role.RECORD)} - {catalogue.target.column}
    for feature in (*catalogue.features, *catalogue.pair_features):
        optional.update(catalogue.inputs(feature.source))
    return [name for name in catalogue.columns if name in needed or (name in optional and name in present)]


def _absent(name: str, columns: Collection[str]) -> str:
    """Says that a column is not there, with the commonest cause. A header is not quoted: it may be a record."""
    if any(";" in column for column in columns):
        return "no such column in the file (its header has semicolons; fields are separated by commas)"
    if name.casefold() in {column.casefold() for column in columns}:
        return "no such column in the file (one differs only in capitals; names are matched exactly)"
    return "no such column in the file"


def _why(name: str, catalogue: Catalogue, held: frozenset[str]) -> str:
    if name == catalogue.subject:
        return "the subject identifier"
    if name == catalogue.target.column:
        return "the outcome"
    users = [f.name for f in catalogue.features if f.name in held and name in catalogue.inputs(f.source)]
    return f"a column that {', '.join(users)} need(s), or a coverage without them"


# --------------------------------------------------------------------------------------------------------------- rules
def _broken(checked: Mapping[str, Checked], catalogue: Catalogue, require_target: bool) -> Broken:
    found = {(name, rule): mask for name, item in checked.items() for rule, mask in item.broken.items()}
    target = catalogue.target
    if require_target:
        values = checked[target.column].values
        outcome = values.is_in(
            [float(v) if values.dtype == pl.Float64 else str(v) for v in (*target.bad, *target.good)]
        )
        mask = (~outcome.fill_null(False)).to_numpy()
        if mask.any():
            found[(target.column, f"{RULE_TARGET}: expected {one_of((*target.bad, *target.good))}")] = mask
    if catalogue.subject is not None:
        mask = checked[catalogue.subject].values.is_null().to_numpy()
        if mask.any():
            found[(catalogue.subject, RULE_REQUIRED)] = mask
    return found


def _with_ragged(frame: pl.DataFrame, broken: Broken) -> Broken:
    """A row with another number of fields than the header breaks that rule alone: nothing of it could be read."""
    if frame.schema.get(FIELDS) != pl.Int64:
        return broken
    ragged = frame[FIELDS].is_not_null().to_numpy()
    read = {key: mask & ~ragged for key, mask in broken.items()}
    expected = frame.width - len((FIELDS, AS_READ))
    return {key: mask for key, mask in {(FIELDS, f"{expected} expected"): ragged, **read}.items() if mask.any()}


def _any(masks: Collection[Mask], height: int) -> Mask:
    bad = np.zeros(height, dtype=bool)
    for mask in masks:
        bad |= mask
    return bad


def _add_duplicates(broken: Broken, bad: Mask, checked: Mapping[str, Checked], catalogue: Catalogue) -> None:
    """Of the otherwise good rows of one subject the first stays. Updates `broken` and `bad`."""
    if catalogue.subject is None:
        return
    rows = np.flatnonzero(~bad)
    repeated = rows[~checked[catalogue.subject].values.gather(rows).is_first_distinct().to_numpy()]
    if len(repeated):
        mask = np.zeros(len(bad), dtype=bool)
        mask[repeated] = True
        broken[(catalogue.subject, RULE_DUPLICATE)] = mask
        bad |= mask


# -------------------------------------------------------------------------------------------------------------- report
def _special_counts(good: pl.DataFrame, catalogue: Catalogue) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name in good.columns:
        for item in catalogue.columns[name].special:
            (code,) = as_stored((item.code,), good[name])
            counts.setdefault(name, {})[item.name] = int((good[name] == code).sum())
    return counts


def _examples(frame: pl.DataFrame, broken: Broken) -> tuple[Finding, ...]:
    found = [
        Finding(int(row) + 1, column, _shown(frame[column][int(row)]), rule)
        for (column, rule), mask in broken.items()
        for row in np.flatnonzero(mask)[:EXAMPLES_PER_RULE]
    ]
    return tuple(sorted(found, key=lambda item: (item.row, item.column)))


def _shown(value: object) -> str | None:
    return None if value is None else str(value)[:80]


def _quarantine(frame: pl.DataFrame, broken: Broken, bad: Mask) -> pl.DataFrame:
    rows: NDArray[np.int64] = np.flatnonzero(bad)
    taken = {"row", "reasons"} & set(frame.columns)
    raw = frame[rows].rename({name: f"{name}_in_file" for name in taken})
    head = pl.DataFrame(
        {"row": rows + 1, "reasons": _reasons(broken, rows)}, schema={"row": pl.Int64, "reasons": pl.String}
    )
    return pl.concat([head, raw], how="horizontal")


def _reasons(broken: Broken, rows: NDArray[np.int64]) -> pl.Series:
    """One text per bad row: every rule that it breaks."""
    texts = pl.Series("reasons", [""] * len(rows), dtype=pl.String)
    for (column, rule), mask in broken.items():
        texts = texts + pl.Series(mask[rows]).replace_strict([True, False], [f"; {column}: {rule}", ""])
    return texts.str.strip_prefix("; ").alias("reasons")
