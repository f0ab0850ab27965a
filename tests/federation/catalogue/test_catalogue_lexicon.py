"""Whole words only: what is caught, and what must not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.catalogue import Category
from federation.catalogue.lexicon import disguise, find_sensitive, plain


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
        "capacity",
        "electricity_bill",
        "relative_debt",
        "social_security_deduction",
        "alternative_lending",
        "contactless_payments",
        "callable_bonds",
        "translation gains",
        "flat_fee",
        "mobile_money",
        "regional_share",
        "simplicity",
        "datetime",
        "statement_count",
        "recounts",
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


# fmt: off
EVASIONS = """religion_1 relig Kirchensteuer geohash lat lng browsing2 Facebook2024 socialcontacts whatsappcontacts imei
friends_cnt nightcalls telegram_groups snapchat youtube_minutes city region country street ip wifi prayer
halal_purchases hijab Muslim donor psych depression cancer sick_leave age_years Alter Geschlecht sexe LOCATION2
location7 GPS1 zipcode5 ethnic_origin surname phone_brand battery_level contact2 socialGraph sms2 SMSCount call-logs
Follower_Zahl emailcontent contactcount friendscount customerreligion homeaddress facebookfriends Religión salud
Staatsangehörigkeit minzu""".split()  # noqa: SIM905 (a list for the eye)
# fmt: on


@pytest.mark.parametrize("text", [*EVASIONS, "e-mail content", "family name", "contacts graph", "name origin"])
def test_words_that_once_passed_are_found(text: str) -> None:
    assert find_sensitive(text) is not None
    assert find_sensitive(text.upper()) is not None


@pytest.mark.parametrize(
    "text", ["s\u0435x", "re\u200bligion", "\uff52eligion", "reli\u00adgion", "\u0440\u0430rtei", "f\u0456rst name"]
)
def test_letters_that_look_alike_or_like_nothing_hide_no_word(text: str) -> None:
    assert find_sensitive(text) is not None
    assert disguise(text, name=True) is not None
    assert disguise(text, name=False) is not None


@pytest.mark.parametrize(
    "title", ["Épargne mensuelle", "月收入", "Μηνιαίο εισόδημα", "Ежемесячный доход", "Rückstände in Tagen"]
)
def test_titles_may_be_written_in_any_one_alphabet(title: str) -> None:
    assert disguise(title, name=False) is None
    assert disguise(title, name=True) == "a letter beyond ASCII"
    assert find_sensitive(title) is None


@given(st.text(max_size=40))
def test_plain_text_is_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)
