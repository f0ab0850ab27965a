"""Identifiers as every member writes them: the same person, the same bytes.

>>> scheme("de-steuer-id").normalise("36 574 261 809")
b'fedscore/v1/identifier\\x00de-steuer-id\\x0036574261809'
>>> scheme("de-steuer-id").normalise("36 574 261 80")
Traceback (most recent call last):
federation.lookup.identifiers.IdentifierError: identifier (de-steuer-id): got 10 characters, expected 11

A member that writes an identifier in another way looks for somebody who does not exist, so the rules are part of what
members agree on: one scheme a federation. Text is brought to Unicode NFKC, decimal digits of any
script to 0-9, separators and invisible characters are dropped, letters made capitals. Then every character must be of
the kind its place asks for, and the check digits must hold.

Errors say what is wrong and where, never what the identifier is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from federation.errors import ConfigurationError, FederationError
from federation.lookup import check_digits

_LABEL = b"fedscore/v1/identifier"
_LONGEST = 256

Layout: TypeAlias = tuple[str, ...]  # for each place, the characters it admits

_DIGIT = "0123456789"
_LETTER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEPARATORS = " \t\r\n-./"  # dropped where a scheme has layouts
_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)
_BIRTH_MONTH = "ABCDEHLMPRST"
_OMOCODIA = _DIGIT + "LMNPQRSTUV"  # Italy: letters stand for digits where two people would have the same code


class IdentifierError(FederationError):
    """Text that is no identifier of its scheme. What the text is stays out of the error."""


@dataclass(frozen=True)
class Scheme:
    """How one kind of identifier is written.

    `layouts`: the forms it can have; none means any text, kept as it is but for NFKC and surrounding white space.
    `valid`: whether text of a layout can have been issued.
    """

    name: str
    title: str
    layouts: tuple[Layout, ...] = ()
    valid: Callable[[str], bool] = check_digits.none

    def normalise(self, text: str) -> bytes:
        """What is hashed for the identifier: label, name of the scheme, canonical text. Raises IdentifierError."""
        return b"\x00".join((_LABEL, self.name.encode(), self.canonical(text).encode()))

    def canonical(self, text: str) -> str:
        """The one way to write the identifier `text`. Raises IdentifierError."""
        if len(text) > _LONGEST:
            raise self._error(f"{len(text)} characters", f"at most {_LONGEST}")
        if not self.layouts:
            return self._opaque(text)
        bare = _bare(text)
        layouts = [layout for layout in self.layouts if len(layout) == len(bare)]
        if not layouts:
            raise self._error(
                f"{len(bare)} characters", " or ".join(str(n) for n in sorted(set(map(len, self.layouts))))
            )
        place = max(_first_misfit(bare, layout) for layout in layouts)
        if place < len(bare):
            raise self._error(f"another kind of character at place {place + 1}", self.title)
        if not self.valid(bare):
            raise self._error("check digits or dates that do not hold", self.title)
        return bare

    def _opaque(self, text: str) -> str:
        text = unicodedata.normalize("NFKC", text).strip()
        if not text:
            raise self._error("no characters", "at least 1")
        for place, character in enumerate(text, start=1):
            if not character.isprintable():
                raise self._error(f"an invisible character at place {place}", "printable text")
        return text

    def _error(self, got: str, expected: str) -> IdentifierError:
        return IdentifierError(f"identifier ({self.name})", got=got, expected=expected)


def scheme(name: str) -> Scheme:
    """The scheme of that name. Raises ConfigurationError for an unknown one."""
    try:
        return SCHEMES[name]
    except KeyError:
        raise ConfigurationError("identifier scheme", got=name, expected=f"one of {', '.join(SCHEMES)}") from None


def _bare(text: str) -> str:
    """Digits as 0-9, ASCII letters as capitals, no separators. What else there is stays: the layout refuses it."""
    if not text.isascii():
        text = "".join(map(_ascii_or_itself, unicodedata.normalize("NFKC", text)))
    bare = text.translate(_NO_SEPARATORS)
    return bare.upper() if bare.isascii() else bare  # capitals of other letters may be ASCII: a dotless i, a sharp s


def _ascii_or_itself(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zs", "Pd", "Cf"):
        return ""
    return str(unicodedata.decimal(character)) if category == "Nd" else character


def _first_misfit(text: str, layout: Layout) -> int:
    for place, (character, admitted) in enumerate(zip(text, layout, strict=True)):
        if character not in admitted:
            return place
    return len(text)


_ALL = (
    Scheme("opaque", "any text that members agree on, such as the identifiers of the synthetic population"),
    Scheme("br-cpf", "Cadastro de Pessoas Fisicas, 11 digits", ((_DIGIT,) * 11,), check_digits.cpf),
    Scheme(
        "de-steuer-id",
        "Steuerliche Identifikationsnummer, 11 digits, the first not 0",
        (("123456789", *(_DIGIT,) * 10),),
        check_digits.steuer_id,
    ),
    Scheme("ee-isikukood", "isikukood, 11 digits", (("12345678", *(_DIGIT,) * 10),), check_digits.isikukood),
    Scheme(
        "es-dni",
        "DNI, 8 digits and a letter, or NIE, X, Y or Z, 7 digits and a letter",
        ((*(_DIGIT,) * 8, _LETTER), ("XYZ", *(_DIGIT,) * 7, _LETTER)),
        check_digits.dni_or_nie,
    ),
    Scheme(
        "fr-nir",
        "numero de securite sociale with its key, 15 characters",
        (("123478", *(_DIGIT,) * 5, _DIGIT + "AB", *(_DIGIT,) * 8),),
        check_digits.nir,
    ),
    Scheme(
        "in-aadhaar",
        "Aadhaar, 12 digits, the first 2 to 9",
        (("23456789", *(_DIGIT,) * 11),),
        check_digits.verhoeff,
    ),
    Scheme(
        "in-pan",
        "Permanent Account Number, AAAAA9999A, the fourth letter a kind of holder",
        ((*(_LETTER,) * 3, "ABCFGHJLPT", _LETTER, *(_DIGIT,) * 4, _LETTER),),
    ),
    Scheme(
        "it-codice-fiscale",
        "codice fiscale, 16 characters",
        ((*(_LETTER,) * 6, *(_OMOCODIA,) * 2, _BIRTH_MONTH, *(_OMOCODIA,) * 2, _LETTER, *(_OMOCODIA,) * 3, _LETTER),),
        check_digits.codice_fiscale,
    ),
    Scheme("pl-pesel", "PESEL, 11 digits", ((_DIGIT,) * 11,), check_digits.pesel),
    Scheme("us-tin", "SSN or ITIN, 9 digits", ((_DIGIT,) * 9,), check_digits.ssn_or_itin),
)

SCHEMES: Mapping[str, Scheme] = MappingProxyType({one.name: one for one in _ALL})
