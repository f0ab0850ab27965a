"""The rows of a person are those whose tag is hers, whatever they are spelled like, and found without tagging all."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.institution.person.finding import rows_of
from clients.institution.person.pseudonym import SubjectTags
from federation.lookup.identifiers import SCHEMES, SEPARATORS, IdentifierError, scheme

# One sound identifier of each scheme.
SOUND = {
    "opaque": "Straße ı Ⅷ 7",
    "br-cpf": "52998224725",
    "de-steuer-id": "36574261809",
    "ee-isikukood": "37605030299",
    "es-dni": "12345678Z",
    "fr-nir": "255081416802538",
    "in-aadhaar": "234123412346",
    "in-pan": "ABCPE1234F",
    "it-codice-fiscale": "RSSMRA85T10A562S",
    "pl-pesel": "44051401359",
    "us-tin": "123456789",
}
FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
EDGES = ("", " ", "\t", "\n", "\x0b", "\x1c", "\x1f", "\u00a0", "\u2003", "\u200b", "\ufeff")


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """`text` in another way, which may still be the same identifier."""
    pieces = [piece + draw(st.sampled_from(("", *SEPARATORS, "\u2010", "\u00ad"))) for piece in text]
    changed = "".join(pieces) if draw(st.booleans()) else text
    change = draw(st.sampled_from((str, str.lower, str.upper, str.swapcase, str.title)))
    changed = change(changed)
    if draw(st.booleans()):
        changed = changed.translate(FULL_WIDTH)
    return draw(st.sampled_from(EDGES)) + changed + draw(st.sampled_from(EDGES))


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[str | None]]:
    name = draw(st.sampled_from(sorted(SCHEMES)))
    sound = SOUND[name]
    near = st.builds(lambda at, c: sound[:at] + c + sound[at + 1 :], st.integers(0, len(sound) - 1), st.characters())
    rows = draw(
        st.lists(st.one_of(st.none(), spelled(sound), near, near.flatmap(spelled), st.text(max_size=20)), max_size=12)
    )
    return name, draw(st.one_of(st.just(sound), spelled(sound))), rows


@settings(max_examples=500)
@given(tables())
def test_the_rows_are_those_with_the_tag(drawn: tuple[str, str, list[str | None]]) -> None:
    name, subject, rows = drawn
    tags = SubjectTags(b"k" * 32, scheme(name))
    filed = pl.Series("id", rows, dtype=pl.String)
    try:
        tag = tags.tag(subject)
    except IdentifierError:
        with pytest.raises(IdentifierError):
            rows_of(subject, filed, tags.how)
        return
    assert rows_of(subject, filed, tags.how).to_list() == [each == tag for each in tags.tags(rows)]


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_finds_its_own(name: str) -> None:
    """So the property above is not about texts that are all refused."""
    sound = SOUND[name]
    filed = pl.Series("id", [None, "", sound, sound[:-1], f" {sound.translate(FULL_WIDTH)}\n", sound[::-1]])
    found = rows_of(sound, filed, scheme(name)).to_list()
    assert found == [False, False, True, False, True, sound[::-1] == sound]


@pytest.mark.parametrize("name", sorted(set(SCHEMES) - {"opaque"}))
@pytest.mark.parametrize("write", [str.lower, "-".join, " / ".join, lambda text: f"\t{text}\r\n"])
def test_capitals_and_separators_in_ascii_make_no_difference(name: str, write: Callable[[str], str]) -> None:
    sound = SOUND[name]
    assert rows_of(sound, pl.Series("id", ["x", write(sound)]), scheme(name)).to_list() == [False, True]
    assert rows_of(write(sound), pl.Series("id", ["x", sound]), scheme(name)).to_list() == [False, True]


def test_white_space_at_the_ends_of_any_text_makes_no_difference_and_more_text_does() -> None:
    filed = pl.Series("id", ["ann 7", "\x1cann 7\x0b", "ann 77", "Ann 7", "ann  7", "ann\u00a07"])
    assert rows_of(" ann 7", filed, scheme("opaque")).to_list() == [True, True, False, False, False, True]


def test_no_row_is_found_in_an_empty_table() -> None:
    assert rows_of("p1", pl.Series("id", [], dtype=pl.String), scheme("opaque")).to_list() == []
