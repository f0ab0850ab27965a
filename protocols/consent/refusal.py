"""Why an inquiry is not covered by consent: one closed list of rules, for a querier's own node and for spot checks."""

from __future__ import annotations

from enum import StrEnum

from protocols.errors import ProtocolError


class Rule(StrEnum):
    """What an inquiry can break. A node refuses by it before anything leaves; a spot check finds by it afterwards."""

    MISSING = "missing"  # none was given
    MALFORMED = "malformed"  # no consent document (or no opening) of this version
    UNKNOWN_KEY = "unknown_key"  # not signed under the key that is enrolled for this person
    FORGED = "forged"  # the signature is not that key's
    WRONG_SUBJECT = "wrong_subject"  # somebody else's receipt
    WRONG_QUERIER = "wrong_querier"
    WRONG_PURPOSE = "wrong_purpose"
    WRONG_SCOPE = "wrong_scope"  # another catalogue
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USED = "used"  # it has served a question; refused by the node, and by every member that would answer
    # Found by spot checks only.
    WRONG_PERSON = "wrong_person"  # B of the leaf is not r H(id)
    WRONG_RECEIPT = "wrong_receipt"  # the receipt is not the one, or has not the serial, that was logged
    WRONG_TAG = "wrong_tag"  # the person would not find this leaf
    NOT_OPENED = "not_opened"


class ConsentRefused(ProtocolError):  # noqa: N818 (the name is what the user reads)
    """An inquiry breaks `rule`. The message never shows an identifier, a salt or a key's holder."""

    def __init__(self, rule: Rule, *, got: object, expected: object) -> None:
        self.rule = rule
        super().__init__(f"receipt, {rule}", got=got, expected=expected)
