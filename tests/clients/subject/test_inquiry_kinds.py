"""What her wallet says of an inquiry that was found: hard, soft, or that she permitted none such."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from wallets import DAY_S, PURPOSE, Persons

from clients.subject.inquiries import Span, inquirers
from clients.subject.inquiries_cli import _show
from federation.inquiries.log_leaves import LoggedLeaf
from federation.inquiries.showing import Evidence, Shown
from protocols.consent.question import ProvenTag
from protocols.consent.tag_match import TagMatch
from protocols.transparency import Checkpoint

MARY, TAG = "P-0017", ProvenTag(bytes(64), bytes(64), bytes(32))
NONE = Evidence(b"", b"", (), TagMatch(bytes(32), ()))


def test_a_receipt_stands_for_one_inquiry_that_it_covers_and_for_no_other(tmp_path: Path) -> None:
    """A bank logs her receipt's number again and again, or when it is over: she did not permit that."""
    persons = Persons.under(tmp_path)
    given = persons.consent(MARY, "bank-a").receipt.receipt
    first = LoggedLeaf(3, bytes(32), "bank-a", PURPOSE, given.serial, given.issued + 5, 1, TAG, b"")
    told = {
        3: (first, "hard"),
        4: (replace(first, index=4), "unknown"),
        1: (replace(first, index=1, issued_at=given.expires), "unknown"),
        2: (replace(first, index=2, issued_at=given.issued - DAY_S), "unknown"),
        5: (replace(first, index=5, querier="bank-b"), "unknown"),
        6: (replace(first, index=6, serial="ab" * 16), "unknown"),
    }
    found = inquirers(
        persons.wallet(MARY),
        {},
        Checkpoint("log", 9, bytes(32)),
        Span(),
        [Shown(leaf, NONE) for leaf, _ in told.values()],
    )
    assert {each.index: each.inquiry for each in found.inquiries} == {index: kind for index, (_, kind) in told.items()}


@pytest.mark.parametrize("purpose", ["portfolio-review", PURPOSE])
def test_for_another_purpose_it_says_nothing(tmp_path: Path, purpose: str) -> None:
    persons = Persons.under(tmp_path)
    given = persons.consent(MARY, "bank-a").receipt.receipt
    leaf = LoggedLeaf(0, bytes(32), "bank-a", purpose, given.serial, given.issued, 1, TAG, b"")
    (found,) = inquirers(
        persons.wallet(MARY), {}, Checkpoint("log", 9, bytes(32)), Span(), [Shown(leaf, NONE)]
    ).inquiries
    assert found.inquiry == ("hard" if purpose == PURPOSE else "unknown")


def test_a_terminal_of_80_columns_cuts_off_no_request_and_no_purpose(tmp_path: Path) -> None:
    persons = Persons.under(tmp_path)
    given = persons.consent(MARY, "bank-a").receipt.receipt
    leaf = LoggedLeaf(0, bytes(range(32)), "bank-a", PURPOSE, given.serial, given.issued, 1, TAG, b"")
    told = inquirers(persons.wallet(MARY), {}, Checkpoint("log", 9, bytes(32)), Span(), [Shown(leaf, NONE)])
    console = Console(record=True, width=80, file=io.StringIO())
    _show(told, 1, (), (), console)
    shown = console.export_text()
    assert "…" not in shown
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]
    assert "".join(row[2] for row in cells) == PURPOSE
    assert leaf.hash.hex()[:16] in (row[0] for row in cells)
