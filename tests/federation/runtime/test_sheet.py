"""Tables for people: whole words at any width, and nothing cut off."""

import doctest
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from federation.runtime import sheet
from federation.runtime.sheet import Sheet

BORDERS = str.maketrans("", "", "┃│┏┓┗┛┡┩┳┻╇┴└┘━─")
WORDS = st.text("abcdef0123456789", min_size=1, max_size=70)
CELLS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


def printed(shown: Sheet, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    shown.show(console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_its_example_holds() -> None:
    result = doctest.testmod(sheet)
    assert (result.failed, result.attempted) == (0, 5)


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), width=st.integers(20, 240))
def test_every_word_is_whole_at_every_width(rows: list[tuple[str, str, str]], width: int) -> None:
    shown = Sheet("first", "second one", "third", title="Title", right=("third",))
    for row in rows:
        shown.add(*row)
    text = printed(shown, width)
    words = {word for row in rows for cell in row for word in cell.split()}
    assert set(text.translate(BORDERS).replace(":", " ").split()) >= words
    if "┏" in text:
        assert max(map(len, text.splitlines())) <= width


def test_a_table_too_wide_is_lines_and_empty_cells_are_left_out() -> None:
    shown = Sheet("file", "", "records")
    shown.add("/" + "a" * 99, "read", "1,000")
    shown.add("/b", "", "")
    assert printed(shown, 80) == f"file: /{'a' * 99}\nread\nrecords: 1,000\n\nfile: /b\n"


def test_headings_are_no_markup_and_a_cell_may_be() -> None:
    shown = Sheet("[red]x", title="[bold]t")
    shown.add("[red]fails[/]")
    assert [line.strip(" ┃│") for line in printed(shown, 40).splitlines() if line[0] in "[┃│"] == [
        "[bold]t",
        "[red]x",
        "fails",
    ]


def test_a_row_has_a_cell_for_each_heading() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 headings"):
        Sheet("a", "b").add("c")
