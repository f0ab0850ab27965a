"""Identifiers: published samples, typing errors, spellings of one identifier, and errors that keep it to themselves."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.lookup.identifiers import SCHEMES, IdentifierError, scheme

# Specimens of the authorities where they publish some, otherwise the samples that implementations agree on.
PUBLISHED = {
    "br-cpf": ["390.533.447-05", "529.982.247-25", "111.444.777-35"],
    "de-steuer-id": [  # Bundeszentralamt fuer Steuern, test numbers; the last: Wikipedia
        "86095742719",
        "47036892816",
        "65929970489",
        "57549285017",
        "25768131411",
        "36 574 261 809",
    ],
    "ee-isikukood": ["47101010033", "38001085718", "37605030299", "36805280109", "60001019906"],  # specimen cards
    "es-dni": ["12345678Z", "54362315-K", "X1234567L", "x-2482300w", "Z1234567R"],
    "fr-nir": ["2 55 08 14 168 025 38", "2 95 10 99 126 111 93", "2 53 07 2B 073 004 70", "253072A07300443"],
    "in-aadhaar": ["9999 4105 7058", "9999 7165 8847", "9999 3311 9405", "2341 2341 2346"],  # UIDAI, test numbers
    "in-pan": ["ACUPA7085R"],
    "it-codice-fiscale": ["RSSMRA80A01H501U", "MRTMTT25D09F205Z", "RCCMNL83S18D969H"],
    "pl-pesel": ["44051401359", "02070803628"],
    "us-tin": ["123-45-6789", "912-90-3456"],
}
REFUSED = {
    "br-cpf": ["231.002.999-00", "111.111.111-11", "390533447"],
    "de-steuer-id": ["36574261890", "36554266806", "06574261809", "36 574 261 80", "11111111111"],
    "ee-isikukood": ["36805280108", "37602300299", "97605030299"],
    "es-dni": ["54362315Z", "X2482300A", "00000000T", "1234567L", "12345678ZZ"],
    "fr-nir": ["295109912611199", "253072C07300443", "9551099126111 93", "2551099126111"],
    "in-aadhaar": ["234123412347", "0123 4567 8901", "1234 1234 1238", "23412341234"],
    "in-pan": ["ACUXA7085R", "ACUPA70855", "ACUPA7085"],
    "it-codice-fiscale": ["RCCMNL83S18D969", "RCCMNL83S18D969I", "RCCMNL83Z18D969H", "RCCMNL83X18D969H"],
    "pl-pesel": ["44051401358", "44051401", "00000000000", "44953201359"],
    "us-tin": ["666-45-6789", "000-45-6789", "123-00-6789", "123-45-0000", "900-10-3456", "078-05-1120", "12345678"],
}
CASES = [(name, text) for name, texts in PUBLISHED.items() for text in texts]
BAD_CASES = [(name, text) for name, texts in REFUSED.items() for text in texts]

digits = st.integers(0, 9)
dates = st.dates(datetime.date(1800, 1, 1), datetime.date(2199, 12, 31))


def texts(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=size)


def numbers(size: int) -> st.SearchStrategy[str]:
    return texts("0123456789", size)


def polish(born: datetime.date, serial: str) -> str:
    month = born.month + {18: 80, 19: 0, 20: 20, 21: 40}[born.year // 100]
    return f"{born.year % 100:02}{month:02}{born.day:02}{serial}"


def estonian(born: datetime.date, serial: str) -> str:
    return f"{1 + 2 * (born.year // 100 - 18)}{born:%y%m%d}{serial}"


def german(order: list[int], twice: int) -> str:
    body = [*order[:9], order[twice]]
    return "".join(map(str, body))


# How to draw a valid identifier: what comes before the check characters, and those (alphabet, number).
STARTS: dict[str, tuple[st.SearchStrategy[str], str, int]] = {
    "de-steuer-id": (
        st.builds(german, st.permutations(range(10)).filter(lambda o: o[0] != 0), st.integers(0, 8)),
        "0123456789",
        1,
    ),
    "es-dni": (numbers(8) | st.tuples(st.sampled_from("XYZ"), numbers(7)).map("".join), "TRWAGMYFPDXBNJZSQVHLCKE", 1),
    "fr-nir": (
        st.tuples(st.sampled_from("12"), numbers(4), st.sampled_from(["2A", "2B", "75"]), numbers(6)).map("".join),
        "0123456789",
        2,
    ),
    "in-aadhaar": (st.tuples(st.sampled_from("23456789"), numbers(10)).map("".join), "0123456789", 1),
    "it-codice-fiscale": (
        st.tuples(texts("ABCXYZ", 6), numbers(2), texts("ABT", 1), numbers(2), texts("FH", 1), numbers(3)).map("".join),
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        1,
    ),
    "pl-pesel": (st.builds(polish, dates, numbers(4)), "0123456789", 1),
    "ee-isikukood": (st.builds(estonian, dates, numbers(3)), "0123456789", 1),
    "br-cpf": (numbers(9), "0123456789", 2),
}
CATCH_EVERY_SINGLE_ERROR = ["de-steuer-id", "es-dni", "fr-nir", "in-aadhaar", "it-codice-fiscale", "pl-pesel"]


def accepted(name: str, text: str) -> bool:
    try:
        scheme(name).normalise(text)
    except IdentifierError:
        return False
    return True


def valid(name: str, data: st.DataObject) -> str:
    start, alphabet, size = STARTS[name]
    prefix = data.draw(start)
    endings = ["".join(e) for e in itertools.product(alphabet, repeat=size) if accepted(name, prefix + "".join(e))]
    assume(endings)
    assert len(endings) == 1, "check characters are a function of what they check"
    return prefix + endings[0]


@pytest.mark.parametrize(("name", "text"), CASES)
def test_published_samples_are_accepted(name: str, text: str) -> None:
    bare = "".join(c for c in text if c.isalnum()).upper()
    assert scheme(name).canonical(text) == bare
    assert scheme(name).normalise(text) == b"fedscore/v1/identifier\x00" + name.encode() + b"\x00" + bare.encode()


@pytest.mark.parametrize(("name", "text"), BAD_CASES)
def test_what_cannot_have_been_issued_is_refused(name: str, text: str) -> None:
    assert not accepted(name, text)


def test_every_national_scheme_has_samples_of_both_kinds() -> None:
    assert set(PUBLISHED) == set(REFUSED) == set(SCHEMES) - {"opaque"}


@pytest.mark.parametrize("name", CATCH_EVERY_SINGLE_ERROR)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_single_wrong_character_is_caught(name: str, data: st.DataObject) -> None:
    text = valid(name, data)
    place = data.draw(st.integers(0, len(text) - 1))
    kind = "0123456789" if text[place].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for other in set(kind) - {text[place]}:
        assert not accepted(name, text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("name", ["in-aadhaar", "fr-nir", "es-dni"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_neighbours_that_changed_places_are_caught(name: str, data: st.DataObject) -> None:
    text = valid(name, data)
    for place in range(len(text) - 1):
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        assert swapped == text or not accepted(name, swapped)


@pytest.mark.parametrize("name", ["ee-isikukood", "br-cpf"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_check_digits_follow_from_the_rest(name: str, data: st.DataObject) -> None:
    valid(name, data)


@pytest.mark.parametrize("name", STARTS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_spelling_makes_no_difference(name: str, data: st.DataObject) -> None:
    text = valid(name, data)
    separators = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2013", "\u200b", "\t"])
    spelled = "".join(data.draw(separators) + character for character in text)
    fullwidth = "".join(chr(ord(c) + 0xFEE0) for c in text)
    expected = scheme(name).normalise(text)
    for spelling in (spelled, text.lower(), fullwidth, f"\ufeff{text}\r\n"):
        assert scheme(name).normalise(spelling) == expected


def test_digits_of_other_scripts_are_digits() -> None:
    devanagari = "2341 2341 2346".translate({ord("0") + n: 0x0966 + n for n in range(10)})
    assert scheme("in-aadhaar").canonical(devanagari) == "234123412346"


@pytest.mark.parametrize("text", ["RSSMRA80A01H501\u0421", "RSSMRA80A0\u0131H501U", "\u00df23456789Z"])
def test_letters_that_only_look_alike_are_refused(text: str) -> None:
    assert not accepted("it-codice-fiscale", text)
    assert not accepted("es-dni", text)


def test_a_text_under_two_schemes_is_two_identifiers() -> None:
    text = "12345678Z"
    assert scheme("opaque").normalise(text) != scheme("es-dni").normalise(text)


def test_opaque_text_is_kept_but_for_its_unicode_form() -> None:
    opaque = scheme("opaque")
    assert opaque.canonical(" e\u0301-17 a\n") == "\u00e9-17 a"
    assert opaque.normalise("ab") != opaque.normalise("AB") != opaque.normalise("A-B")
    for text in ("", " ", "a\x00b", "a\u200bb", "x" * 257):
        with pytest.raises(IdentifierError):
            opaque.canonical(text)


ERRORS: list[tuple[str, str, Callable[[str], bool]]] = [
    ("de-steuer-id", "3657426180", lambda m: "got 10 characters, expected 11" in m),
    ("es-dni", "1234567", lambda m: "got 7 characters, expected 9" in m),
    ("de-steuer-id", "3657426x809", lambda m: "place 8" in m),
    ("es-dni", "X123A567L", lambda m: "place 5" in m),
    ("pl-pesel", "44051401358", lambda m: "check digits or dates" in m),
]


@pytest.mark.parametrize(("name", "text", "says"), ERRORS)
def test_errors_say_what_is_wrong_and_not_whom_it_concerns(name: str, text: str, says: Callable[[str], bool]) -> None:
    with pytest.raises(IdentifierError) as caught:
        scheme(name).normalise(text)
    message = str(caught.value)
    assert says(message)
    assert name in message
    assert all(text[start : start + 3].upper() not in message.upper() for start in range(len(text) - 2))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCHEMES)), st.text(max_size=20))
def test_any_text_is_accepted_or_refused_and_nothing_else(name: str, text: str) -> None:
    if accepted(name, text):
        canonical = scheme(name).canonical(text)
        assert scheme(name).canonical(canonical) == canonical


def test_an_unknown_scheme_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"identifier scheme: got xx-id, expected one of opaque, br-cpf"):
        scheme("xx-id")
