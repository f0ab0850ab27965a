"""Whole words only: what is caught, and what must not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.catalogue import Category
from federation.catalogue.lexicon import find_sensitive


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("religion", Category.RELIGION),
        ("customerReligion2", Category.RELIGION),
        ("POLITICAL_PARTY", Category.POLITICS),
        ("Party membership", Category.POLITICS),
        ("number of friends", Category.SOCIAL_CONTACTS),
        ("friend_count", Category.SOCIAL_CONTACTS),
        ("social-media activity", Category.SOCIAL_CONTACTS),
        ("GPS distance", Category.LOCATION),
        ("zip_code", Category.LOCATION),
        ("postcode", Category.LOCATION),
        ("search history", Category.BROWSING),
        ("apps installed", Category.BROWSING),
        ("Minutes of video games", Category.BROWSING),
        ("medical_collections", Category.HEALTH),
        ("Disability pension", Category.HEALTH),
        ("race", Category.ETHNICITY),
        ("mother_tongue", Category.ETHNICITY),
        ("social credit points", Category.CONDUCT),
        ("traffic violations", Category.CONDUCT),
        ("informer reports", Category.CONDUCT),
        ("faceMatch", Category.BIOMETRICS),
        ("sms_volume", Category.COMMUNICATIONS),
        ("gender", Category.SEX),
        ("marital_status", Category.MARITAL_STATUS),
        ("Citizenship", Category.NATIONALITY),
        ("date_of_birth", Category.AGE),
        ("age", Category.AGE),
        ("Age in years", Category.AGE),
        ("applicant_age_band", Category.AGE),
    ],
)
def test_sensitive_words_are_found(text: str, category: Category) -> None:
    found = find_sensitive(text)
    assert found is not None
    assert found[0] is category


@pytest.mark.parametrize(
    "text",
    [
        "allocation of limits",
        "credit trace",
        "age of the oldest account",
        "account_age_months",
        "average balance",
        "mortgage",
        "embraced",
        "Share of payments on time",
        "balance relative to limit",
        "interface",
        "face value of bonds",
        "financial health index",
        "account conduct",
        "Sussex branch",
        "customer loyalty years",
        "devoted reserves",
        "third party guarantee",
        "revolving",
        "",
    ],
)
def test_financial_words_pass(text: str) -> None:
    assert find_sensitive(text) is None


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    found = find_sensitive(text)
    assert found is None or isinstance(found[0], Category)


@given(st.sampled_from(["religion", "gps", "friend", "ethnicity"]), st.sampled_from(["_", " ", "-", "."]))
def test_separators_do_not_hide_a_word(word: str, separator: str) -> None:
    assert find_sensitive(f"months{separator}{word}{separator}count") is not None
    assert find_sensitive(f"months{word.capitalize()}Count") is not None
