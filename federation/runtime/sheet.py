"""Tables for people at any width: no word is broken, nothing is cut off.

>>> from rich.console import Console
>>> sheet = Sheet("plan", "members", title="Plans")
>>> sheet.add("8d8ed2041fb2", "aurora, borealis")
>>> sheet.show(Console(width=28, color_system=None, _environ={}))
Plans
┏━━━━━━━━━━━━━━┳━━━━━━━━━━━┓
┃ plan         ┃ members   ┃
┡━━━━━━━━━━━━━━╇━━━━━━━━━━━┩
│ 8d8ed2041fb2 │ aurora,   │
│              │ borealis  │
└──────────────┴───────────┘
>>> sheet.show(Console(width=20, color_system=None, _environ={}))
Plans
plan: 8d8ed2041fb2
members: aurora, borealis
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_PADDING, _BORDER = 3, 1  # characters a column takes beside its words, and the table beside its columns


class Sheet:
    """Rows under headings. Where even the longest words do not fit side by side, each row is lines of its own.

    Cells are Rich markup: what comes from elsewhere is escaped by whoever adds it. `right`: headings of columns that
    are set to the right.
    """

    def __init__(self, *headings: str, title: str = "", right: Collection[str] = ()) -> None:
        self.headings, self.title, self.right = headings, title, right
        self._rows: list[tuple[tuple[Text, ...], str]] = []

    def add(self, *cells: str, style: str = "") -> None:
        """One row, a cell for each heading; a line break in a cell is kept."""
        if len(cells) != len(self.headings):
            raise ValueError(f"{len(cells)} cells under {len(self.headings)} headings")
        self._rows.append((tuple(map(Text.from_markup, cells)), style))

    def show(self, console: Console) -> None:
        """Print it, as wide as `console` is."""
        if self.title:
            console.print(Text(self.title, style="bold"), soft_wrap=True)
        widths = self._widths(console)
        if widths is None:
            self._lines(console)
        else:
            console.print(self._table(widths))

    def _widths(self, console: Console) -> list[int] | None:
        """Of the columns: each has its longest word, and of the space that is left what it would wrap without."""
        spans = [self._span(console, place) for place in range(len(self.headings))]
        spare = console.width - _BORDER - sum(_PADDING + span.minimum for span in spans)
        if spare < 0:
            return None
        wanted = sum(span.span for span in spans)
        return [span.minimum + (span.span if wanted <= spare else spare * span.span // wanted) for span in spans]

    def _span(self, console: Console, place: int) -> Measurement:
        """From the longest word of a column to its longest line."""
        texts = [Text(self.headings[place]), *(cells[place] for cells, _ in self._rows)]
        measured = [text.__rich_measure__(console, console.options) for text in texts]
        return Measurement(max(each.minimum for each in measured), max(each.maximum for each in measured))

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table()
        for heading, width in zip(self.headings, widths, strict=True):
            table.add_column(Text(heading), width=width, justify="right" if heading in self.right else "left")
        for cells, style in self._rows:
            table.add_row(*cells, style=style)
        return table

    def _lines(self, console: Console) -> None:
        for place, (cells, style) in enumerate(self._rows):
            if place:
                console.print()
            for heading, cell in zip(self.headings, cells, strict=True):
                if cell.plain:
                    line = Text(f"{heading}: " if heading else "").append_text(cell)
                    console.print(line, style=style, soft_wrap=True)
