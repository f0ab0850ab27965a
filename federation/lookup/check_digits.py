"""The check digits of national identifiers: text in the layout of its scheme -> whether it can have been issued.

>>> iso_7064_mod_11_10("36574261809"), verhoeff("234123412346")
(True, True)

A check digit tells typing errors from people. It does not tell whether a number was ever issued.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_CODICE_FISCALE_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ITIN_GROUPS = {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)}
_PRINTED_IN_ADVERTISEMENTS = {
    "078051120",
    "219099999",
}  # and therefore used by thousands (Social Security Administration)

# The permutation whose powers Verhoeff applies by position (Error Detecting Decimal Codes, 1969).
_VERHOEFF_STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def iso_7064_mod_11_10(text: str) -> bool:
    """ISO 7064, hybrid system MOD 11,10."""
    product = 10
    for digit in _digits(text[:-1]):
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(text[-1])


def steuer_id(text: str) -> bool:
    """Germany, section 139b AO: of the first ten digits exactly one comes twice or three times; MOD 11,10."""
    repeated = [count for count in Counter(text[:10]).values() if count > 1]
    return len(repeated) == 1 and repeated[0] <= 3 and iso_7064_mod_11_10(text)


def nir(text: str) -> bool:
    """France, numero d'inscription au repertoire: key 97 - (number mod 97); 2A and 2B (Corsica) count as 19 and 18."""
    department = {"2A": "19", "2B": "18"}.get(text[5:7], text[5:7])
    if not department.isdigit():
        return False
    return 97 - int(text[:5] + department + text[7:13]) % 97 == int(text[13:])


def codice_fiscale(text: str) -> bool:
    """Italy, decree of 12 March 1974: odd places through a table, even places as they are, modulo 26."""
    values = [int(c) if c.isdigit() else _ALPHABET.index(c) for c in text[:-1]]
    total = sum(_CODICE_FISCALE_ODD[v] for v in values[::2]) + sum(values[1::2])
    return _ALPHABET[total % 26] == text[-1]


def dni_or_nie(text: str) -> bool:
    """Spain: the letter of the number modulo 23; X, Y, Z of a foreigner's number count as 0, 1, 2."""
    number = int(text[:-1].translate(str.maketrans("XYZ", "012")))
    return (number > 0 or text[0] in "XYZ") and _DNI_LETTERS[number % 23] == text[-1]


def pesel(text: str) -> bool:
    """Poland: a date of birth whose month tells the century, and a weighted sum that ends in 0."""
    century, month = divmod(int(text[2:4]), 20)
    year = (1900, 2000, 2100, 2200, 1800)[century] + int(text[:2])
    return _is_date(year, month, int(text[4:6])) and _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def verhoeff(text: str) -> bool:
    """India, Aadhaar: Verhoeff's check digit over the dihedral group of order 10."""
    check = 0
    for place, digit in enumerate(reversed(_digits(text))):
        for _ in range(place % 8):
            digit = _VERHOEFF_STEP[digit]
        check = _dihedral(check, digit)
    return check == 0


def cpf(text: str) -> bool:
    """Brazil: two digits modulo 11. Eleven equal digits satisfy both and are never issued."""
    first = _weighted(text[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(text[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(text)) > 1 and text[9:] == f"{first}{second}"


def ssn_or_itin(text: str) -> bool:
    """United States: no check digit; areas, groups and serials that are never issued, and the ranges of ITINs."""
    area, group, serial = int(text[:3]), int(text[3:5]), int(text[5:])
    if area >= 900:
        return group in _ITIN_GROUPS
    return area not in (0, 666) and group > 0 and serial > 0 and text not in _PRINTED_IN_ADVERTISEMENTS


def isikukood(text: str) -> bool:
    """Estonia, EVS 585: sex and century, a date of birth, and two rows of weights modulo 11."""
    century, _ = divmod(int(text[0]) - 1, 2)
    if not _is_date(1800 + 100 * century + int(text[1:3]), int(text[3:5]), int(text[5:7])):
        return False
    check = _weighted(text[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = _weighted(text[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(text[10])


def none(text: str) -> bool:
    """For a scheme whose check digits are not published, or that has none."""
    return True


def _digits(text: str) -> list[int]:
    return [int(character) for character in text]


def _weighted(text: str, weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(_digits(text), weights, strict=True))


def _dihedral(left: int, right: int) -> int:
    """The product in the dihedral group of order 10: 0 to 4 rotate a pentagon, 5 to 9 reflect it."""
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return True
