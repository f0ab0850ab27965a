"""Which rows of a table are a person's: cheap where there are millions, and decided by the scheme alone.

filed = table.filter(rows_of("36 574 261 809", table["tax_id"], scheme("de-steuer-id")))
"""

from __future__ import annotations

import re

import polars as pl

from federation.lookup.identifiers import SEPARATORS, IdentifierError, Scheme


def rows_of(subject: str, filed: pl.Series, how: Scheme) -> pl.Series:
    """Of each text in `filed` whether it is `subject`, however both are written. Raises IdentifierError for a `subject`
    that is no identifier of the scheme.

    1. Rows that cannot be hers are left out. Of text in ASCII the scheme drops separators and makes capitals, or, where
       any text is an identifier, drops white space at both ends: a canonical form is equal, or a part of the text.
    2. Every row that is left, and all text beyond ASCII, is hers if the scheme writes it as it writes `subject`.
    """
    wanted = how.canonical(subject)
    if how.layouts:
        alike = filed.str.replace_all(f"[{re.escape(SEPARATORS)}]", "").str.to_uppercase() == wanted
    else:
        alike = filed.str.contains(wanted, literal=True)
    maybe = (alike | (filed.str.len_bytes() != filed.str.len_chars())).fill_null(False)
    hers = [place for place in maybe.arg_true().to_list() if _is(filed[place], wanted, how)]
    return pl.repeat(False, len(filed), eager=True).scatter(hers, True)


def _is(text: str, wanted: str, how: Scheme) -> bool:
    try:
        return how.canonical(text) == wanted
    except IdentifierError:
        return False
