"""The closed lists of the data standard: dimensions, roles, purposes and what an attribute may be about.

Credit risk is judged from financial records. The list of financial categories is closed: what is not on it cannot be a
model input, and what is on the prohibited list cannot even be in the file.
"""

from __future__ import annotations

from enum import StrEnum

UNKNOWN_GROUP = "unknown"


class Dimension(StrEnum):
    """The five parts of a score; a fixed order, used wherever five parts are shown."""

    HISTORY = "history"
    UTILISATION = "utilisation"
    CAPACITY = "capacity"
    STABILITY = "stability"
    ENQUIRIES = "enquiries"


class Role(StrEnum):
    """What a column may be used for."""

    RECORD = "record"  # subject identifier, outcome, vintage: book-keeping, never a model input
    MODEL = "model"
    PROTECTED = "protected"  # kept aside for the fairness report, never a model input
    PROHIBITED = "prohibited"  # a file that has it is refused


class Kind(StrEnum):
    """Ordinal cells share strength with their neighbours; nominal cells do not."""

    ORDINAL = "ordinal"
    NOMINAL = "nominal"


class Purpose(StrEnum):
    """What the scores may serve. One entry on purpose: scores serve lending decisions only."""

    LENDING = "lending decisions"


class Category(StrEnum):
    """What an attribute is about."""

    # book-keeping
    IDENTIFIER = "identifier"
    OUTCOME = "outcome"
    VINTAGE = "vintage"
    # financial: the only ones a model may use
    REPAYMENT = "repayment"
    DELINQUENCY = "delinquency"
    BALANCE = "balance"
    CREDIT_LIMIT = "credit_limit"
    CREDIT_TERMS = "credit_terms"
    COLLATERAL = "collateral"
    INCOME = "income"
    OBLIGATION = "obligation"
    SAVINGS = "savings"
    ASSETS = "assets"
    EMPLOYMENT = "employment"
    HOUSING_TENURE = "housing_tenure"
    ACCOUNT_TENURE = "account_tenure"
    ENQUIRY = "enquiry"
    COMPANY_ACCOUNTS = "company_accounts"
    UNDISCLOSED_FINANCIAL = "undisclosed_financial"  # anonymised by the publisher of a public data set
    # personal: protected only
    SEX = "sex"
    AGE = "age"
    MARITAL_STATUS = "marital_status"
    NATIONALITY = "nationality"
    FAMILY = "family"
    EDUCATION = "education"
    # prohibited only
    RELIGION = "religion"
    ETHNICITY = "ethnicity"
    POLITICS = "politics"
    HEALTH = "health"
    SEXUALITY = "sexuality"
    LOCATION = "location"
    SOCIAL_CONTACTS = "social_contacts"
    COMMUNICATIONS = "communications"
    BROWSING = "browsing"
    BIOMETRICS = "biometrics"
    CONDUCT = "conduct"


BOOKKEEPING = frozenset({Category.IDENTIFIER, Category.OUTCOME, Category.VINTAGE})
PERSONAL = frozenset(
    {
        Category.SEX,
        Category.AGE,
        Category.MARITAL_STATUS,
        Category.NATIONALITY,
        Category.FAMILY,
        Category.EDUCATION,
    }
)
PROHIBITED = frozenset(
    {
        Category.RELIGION,
        Category.ETHNICITY,
        Category.POLITICS,
        Category.HEALTH,
        Category.SEXUALITY,
        Category.LOCATION,
        Category.SOCIAL_CONTACTS,
        Category.COMMUNICATIONS,
        Category.BROWSING,
        Category.BIOMETRICS,
        Category.CONDUCT,
    }
)
FINANCIAL = frozenset(Category) - BOOKKEEPING - PERSONAL - PROHIBITED

#: The categories each role may have. A federation may prohibit more than the law of the project does, never less.
ALLOWED_CATEGORIES: dict[Role, frozenset[Category]] = {
    Role.RECORD: BOOKKEEPING,
    Role.MODEL: FINANCIAL,
    Role.PROTECTED: FINANCIAL | PERSONAL,
    Role.PROHIBITED: frozenset(Category) - BOOKKEEPING,
}
