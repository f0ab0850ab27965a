"""Words that give a mislabelled attribute away.

A category is a claim by whoever wrote the catalogue. This check reads names and titles of everything that would enter
the model and refuses what is about a person's beliefs, body, whereabouts, contacts or conduct, or about a protected
attribute. Words are matched whole: "allocation" is not "location", "account age" is not a person's age. Words written
together are taken apart where all of their parts are known: "socialcontacts" is found, "capacity" is not.

>>> find_sensitive("customer_religion")
(<Category.RELIGION: 'religion'>, 'religion')
>>> find_sensitive("Age of the oldest account") is None
True

It is a net for mistakes and no rule. The rule is the closed list of categories, and every member signs the catalogue:
whoever wants to mislabel an attribute will find a word that is not in here. It reads English, and of German, French,
Spanish and pinyin the commonest words; members must still look at a catalogue before they sign it.
"""

from __future__ import annotations

import re
import unicodedata

from federation.catalogue.categories import Category

_TERMS: dict[Category, str] = {
    Category.RELIGION: "religion, religious, religiosity, church, mosque, synagogue, faith, creed, baptism, worship,"
    " muslim, islam, islamic, christian, catholic, protestant, jewish, jew, hindu, buddhist, sikh, atheist, prayer,"
    " pray, hijab, halal, kosher, ramadan, zakat, tithe, bible, koran, quran, priest, imam, rabbi,"
    " konfession, kirche, kirchensteuer, gebet, eglise, priere, iglesia, oracion, zongjiao, xinyang",
    Category.ETHNICITY: "ethnicity, ethnic, race, racial, caste, tribe, tribal, skin colour, skin color, mother tongue,"
    " native language, ancestry, surname, family name, last name, first name, given name, name origin,"
    " herkunft, hautfarbe, nachname, vorname, ethnie, etnia, raza, apellido, minzu, xingming",
    Category.POLITICS: "politics, political, politician, vote, voter, voting, party member, party membership, protest,"
    " protester, petition, ideology, ideological, trade union, union member, union membership, activist, activism,"
    " dissent, dissident, patriotism, loyalty to government,"
    " politik, partei, parteimitglied, gewerkschaft, politique, syndicat, politica, sindicato, zhengzhi, dangyuan",
    Category.HEALTH: "health, medical, medication, medicine, disease, diagnosis, diagnoses, disability, disabled,"
    " illness, hospital, pregnancy, pregnant, genetic, genome, dna, hiv, prescription, mental, therapy, bmi,"
    " depression, cancer, diabetes, insulin, autism, addiction, obesity, allergy, surgery, vaccine, vaccination,"
    " psych, psychiatric, psychiatry, psychological, sickness, sick, sick leave, body weight,"
    " krankheit, krank, gesundheit, behinderung, schwanger, sante, maladie, handicap, salud, enfermedad, embarazo,"
    " jiankang, jibing",
    Category.SEXUALITY: "sexuality, sexual, sexual orientation, gay, lesbian, lgbt, lgbtq",
    Category.LOCATION: "location, geolocation, geo, gps, latitude, longitude, lat, lng, lat lon, geohash, postcode,"
    " post code, postal code, zip, zip code, zipcode, neighbourhood, neighborhood, whereabouts, home address, address,"
    " ip address, ip, wifi, wi fi, travel history, cell tower, movement tracking, district, city, town, village,"
    " street, region, country, county, province, wohnort, stadt, strasse, adresse, plz, postleitzahl, ville, quartier,"
    " ciudad, direccion, calle, codigo postal, dizhi, chengshi, weizhi",
    Category.SOCIAL_CONTACTS: "social contact, social network, social media, social graph, social tie, friend,"
    " friendship, follower, acquaintance, contact list, contact, phone book, phonebook, facebook, twitter, wechat,"
    " whatsapp, linkedin, instagram, tiktok, weibo, telegram, snapchat, signal group, discord, peer score,"
    " close relative, number of relatives, kinship, kontakt, freund, ami, contacto, amigo, pengyou, lianxiren",
    Category.COMMUNICATIONS: "sms, text message, message content, email, e mail, email content, mail content, chat,"
    " call log, call record, call history, call count, phone call, night call, conversation, nachricht, anruf,"
    " courriel, mensaje, llamada, duanxin",
    Category.BROWSING: "browsing, browser, search history, search query, clickstream, click, cookie, web history,"
    " website visit, app usage, installed app, app installed, screen time, device fingerprint, gaming, video game,"
    " online activity, online behaviour, online behavior, shopping habit, shopping history, purchase history,"
    " youtube, netflix, imei, imsi, mac address, phone brand, phone model, device model, battery, operating system",
    Category.BIOMETRICS: "biometric, biometrics, fingerprint, face, facial, iris, retina, voiceprint, gait, video,"
    " camera, cctv, selfie, photo, keystroke, fingerabdruck, huella, zhiwen",
    Category.CONDUCT: "social credit, social score, citizen score, civic, trustworthy, trustworthiness, untrustworthy,"
    " blacklist, jaywalking, traffic offence, traffic violation, informer, informant, denunciation, surveillance,"
    " police, criminal, crime, arrest, personality, psychometric, lifestyle, hobby, hobbies, alcohol, tobacco, smoker,"
    " volunteering, donation, donor, charity, moral, morality, good deed, conduct, reputation,"
    " straftat, vorstrafe, polizei, casier judiciaire, antecedentes penales, shixin",
    Category.SEX: "sex, gender, male, female, maiden, geschlecht, sexe, sexo, xingbie",
    Category.MARITAL_STATUS: "marital, marriage, married, spouse, divorced, widowed, widow, familienstand, verheiratet,"
    " etat civil, estado civil, hunyin",
    Category.NATIONALITY: "nationality, national origin, citizenship, citizen, foreigner, immigrant, immigration,"
    " country of birth, birthplace, staatsangehorigkeit, auslander, nationalite, nacionalidad, guoji",
    Category.AGE: "date of birth, birth date, birthdate, birthday, birth year, year of birth, dob, elderly,"
    " alter, geburtsdatum, geburtstag, geburtsjahr, edad, nianling",
}
# Found inside longer words too: no word of finance contains them.
_STEMS: dict[Category, str] = {
    Category.RELIGION: "relig",
    Category.ETHNICITY: "ethnic",
    Category.HEALTH: "pregnan, disabilit, medizin",
    Category.LOCATION: "geoloc, geohash",
    Category.SOCIAL_CONTACTS: "facebook, whatsapp, instagram, linkedin, tiktok, telegram, snapchat, wechat, weibo",
    Category.BROWSING: "youtube, clickstream",
    Category.BIOMETRICS: "biometri, fingerprint",
    Category.NATIONALITY: "nationalit, citizenship",
}
# What may stand beside such a word in one that is written together, as in "contactcount".
_BESIDE = (
    "account, amount, amt, average, avg, behaviour, bin, brand, change, class, client, cnt, code, count, current,"
    " customer, data, day, device, distance, feature, field, flag, group, history, home, hour, index, info, level,"
    " list, log, max, mean, median, min, minute, month, name, night, num, number, percent, person, rate, ratio, score,"
    " share, size, status, sum, time, total, type, usage, user, value, volume, week, year"
)
_NEVER_BESIDE = frozenset({"alter"})  # it is in "alternative"
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
_ALIKE = str.maketrans("абвгеікмнопрстухѕјԁһԛԝαβεικνορτυχ", "a6breikmhonpctyxsjdhqwabeiknoptux")
_SHORTEST, _LONGEST = 3, 64  # letters of a part of a compound, and of a word that is taken apart


def plain(text: str) -> str:
    """`text` as it looks to a reader: one form of each letter, no accents, nothing invisible, Latin for look-alikes.

    >>> plain("Ｒé\u200bligion")
    'Religion'
    """
    parts = unicodedata.normalize("NFKD", text)
    seen = "".join(c for c in parts if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc") or c.isspace())
    mixed = any(c.isascii() and c.isalpha() for c in seen)
    return seen.translate(_ALIKE) if mixed else seen


def disguise(text: str, *, name: bool) -> str | None:
    """What `text` has that a reader does not see, None if nothing: for a `name` every letter beyond ASCII counts, in a
    title invisible characters and words of several alphabets.

    >>> disguise("r\u0435ligion", name=False), disguise("Épargne", name=False), disguise("Épargne", name=True)
    ('letters of several alphabets in one word', None, 'a letter beyond ASCII')
    """
    if any(unicodedata.category(c) in ("Cf", "Cc", "Co", "Cn", "Cs") for c in text):
        return "an invisible character"
    if name and not text.isascii():
        return "a letter beyond ASCII"
    if any(len({_alphabet(c) for c in word}) > 1 for word in re.findall(r"[^\W\d_]+", text)):
        return "letters of several alphabets in one word"
    return None


def _alphabet(letter: str) -> str:
    """The first word of its name in Unicode, for the alphabets that look like ours; one name for all others.

    Full-width letters have names of their own.
    """
    first = unicodedata.name(letter, "?").partition(" ")[0]
    return first if first in ("LATIN", "CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL", "CHEROKEE") else "other"


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _words(text: str) -> tuple[str, ...]:
    return tuple(_singular(word.lower()) for word in _WORD.findall(plain(text)))


def _phrases(listed: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(phrase) for phrase in listed.split(","))


_LEXICON = {category: _phrases(listed) for category, listed in _TERMS.items()}
_INSIDE = [(stem, category) for category, listed in _STEMS.items() for stem in listed.split(", ")]
_EXCEPTIONS = _phrases(_HARMLESS)
_PARTS = frozenset(
    word
    for phrases in (*_LEXICON.values(), _phrases(_BESIDE))
    for phrase in phrases
    for word in phrase
    if len(word) >= _SHORTEST and word not in _NEVER_BESIDE
)


def _apart(word: str) -> tuple[str, ...] | None:
    """`word` cut into known words, the longest first; None if that leaves a rest: "capacity" is no compound of city.

    >>> _apart("socialcontacts"), _apart("capacity")
    (('social', 'contact'), None)
    """
    if not word:
        return ()
    for size in range(len(word), _SHORTEST - 1, -1):
        if (part := _singular(word[:size])) in _PARTS and (rest := _apart(word[size:])) is not None:
            return part, *rest
    return None


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
    taken_apart = tuple(part for word in words for part in _apart(word[:_LONGEST]) or (word,))
    for category, phrases in _LEXICON.items():
        for phrase in phrases:
            if _find(words, phrase) >= 0 or _find(taken_apart, phrase) >= 0:
                return category, " ".join(phrase)
    return next(((category, stem) for stem, category in _INSIDE if any(stem in word for word in words)), None)
