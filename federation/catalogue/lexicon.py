"""Words that give a mislabelled attribute away.

A category is a claim by whoever wrote the catalogue. This check reads names and titles of everything that would enter
the model and refuses what is about a person's beliefs, body, whereabouts, contacts or conduct, or about a protected
attribute. Words are matched whole: "allocation" is not "location", "account age" is not a person's age.

>>> find_sensitive("customer_religion")
(<Category.RELIGION: 'religion'>, 'religion')
>>> find_sensitive("Age of the oldest account") is None
True

It reads English and cannot read minds: members must still look at a catalogue before they sign it.
"""

from __future__ import annotations

import re

from federation.catalogue.categories import Category

_TERMS: dict[Category, str] = {
    Category.RELIGION: "religion, religious, religiosity, church, mosque, synagogue, faith, creed, baptism, worship",
    Category.ETHNICITY: "ethnicity, ethnic, race, racial, caste, tribe, tribal, skin colour, skin color, mother tongue,"
    " native language, ancestry",
    Category.POLITICS: "politics, political, politician, vote, voter, voting, party member, party membership, protest,"
    " protester, petition, ideology, ideological, trade union, union member, union membership, activist, activism,"
    " dissent, dissident, patriotism, loyalty to government",
    Category.HEALTH: "health, medical, medication, medicine, disease, diagnosis, diagnoses, disability, disabled,"
    " illness, hospital, pregnancy, pregnant, genetic, genome, dna, hiv, prescription, mental, therapy, bmi",
    Category.SEXUALITY: "sexuality, sexual, sexual orientation, gay, lesbian, lgbt, lgbtq",
    Category.LOCATION: "location, geolocation, gps, latitude, longitude, lat lon, postcode, post code, postal code,"
    " zip, zip code, zipcode, neighbourhood, neighborhood, whereabouts, home address, ip address, travel history,"
    " cell tower, movement tracking, district",
    Category.SOCIAL_CONTACTS: "social contact, social network, social media, social graph, social tie, friend,"
    " friendship, follower, acquaintance, contact list, contact, phone book, phonebook, facebook, twitter, wechat,"
    " whatsapp, linkedin, instagram, tiktok, weibo, peer score, close relative, number of relatives, kinship",
    Category.COMMUNICATIONS: "sms, text message, message content, email content, chat, call log, call record,"
    " call history, phone call, conversation",
    Category.BROWSING: "browsing, browser, search history, search query, clickstream, click, cookie, web history,"
    " website visit, app usage, installed app, app installed, screen time, device fingerprint, gaming, video game,"
    " online activity, online behaviour, online behavior, shopping habit, shopping history, purchase history",
    Category.BIOMETRICS: "biometric, biometrics, fingerprint, face, facial, iris, retina, voiceprint, gait, video,"
    " camera, cctv, selfie, photo, keystroke",
    Category.CONDUCT: "social credit, social score, citizen score, civic, trustworthy, trustworthiness, untrustworthy,"
    " blacklist, jaywalking, traffic offence, traffic violation, informer, informant, denunciation, surveillance,"
    " police, criminal, crime, arrest, personality, psychometric, lifestyle, hobby, hobbies, alcohol, tobacco, smoker,"
    " volunteering, donation, charity, moral, morality, good deed, conduct, reputation",
    Category.SEX: "sex, gender, male, female, maiden",
    Category.MARITAL_STATUS: "marital, marriage, married, spouse, divorced, widowed, widow",
    Category.NATIONALITY: "nationality, national origin, citizenship, citizen, foreigner, immigrant, immigration,"
    " country of birth, birthplace",
    Category.AGE: "date of birth, birth date, birthdate, birthday, birth year, year of birth, dob, elderly",
}
_HARMLESS = "financial health, face value, face amount, account conduct, conduct of account, conduct of the account"
# Left alone with "age", these words still say how old the person is.
_AGE_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "a in of the at on year yr month current group band bracket bin range class category applicant borrower client"
        " customer person subject holder cardholder debtor individual consumer log squared",
    )
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _words(text: str) -> tuple[str, ...]:
    return tuple(_singular(word.lower()) for word in _WORD.findall(text))


def _phrases(listed: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(phrase) for phrase in listed.split(","))


_LEXICON = {category: _phrases(listed) for category, listed in _TERMS.items()}
_EXCEPTIONS = _phrases(_HARMLESS)


def _find(words: tuple[str, ...], phrase: tuple[str, ...]) -> int:
    size = len(phrase)
    return next((i for i in range(len(words) - size + 1) if words[i : i + size] == phrase), -1)


def _without_exceptions(words: tuple[str, ...]) -> tuple[str, ...]:
    for phrase in _EXCEPTIONS:
        while (at := _find(words, phrase)) >= 0:
            words = (*words[:at], "-", *words[at + len(phrase) :])
    return words


def find_sensitive(text: str) -> tuple[Category, str] | None:
    """The sensitive category that `text` names and the words that name it; None where it names none."""
    words = _without_exceptions(_words(text))
    if "age" in words and not set(words) - _AGE_FILLERS - {"age"}:
        return Category.AGE, "age"
    for category, phrases in _LEXICON.items():
        for phrase in phrases:
            if _find(words, phrase) >= 0:
                return category, " ".join(phrase)
    return None
