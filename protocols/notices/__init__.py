"""Notices between members: that a record about whom the recipient once asked has changed, and may be asked for again.

    published = NoticeKey.sign("bank-b", public, signing_key)      # once; whoever sends verifies it by the roster's key
    sealed = Letter("bank-a", "bank-b", leaves, ...).seal(signing_key, published.public, random)
    letter = Letter.open(sealed, private, sender_key, sender="bank-a", recipient="bank-b")

A letter names inquiries by the hashes of their logged leaves, which only the one who made them can tie to a person, and
holds no identifier. All letters are of one size; a sender writes to every member, and most letters say nothing: neither
the carrier nor who gets an empty one learns who of them had asked.

Openings of drawn inquiries (`protocols.consent.sealed`) go to the regulator the same way. Whose are drawn is in the
log, so they are as many and as long as they are.
"""

from protocols.notices.key import NoticeKey
from protocols.notices.letter import MAX_LEAVES, SEALED_BYTES, Change, Letter, letter_name
from protocols.notices.order import REGULATOR, Order
from protocols.notices.receipt import check_receipt, sign_receipt

__all__ = [
    "MAX_LEAVES",
    "REGULATOR",
    "SEALED_BYTES",
    "Change",
    "Letter",
    "NoticeKey",
    "Order",
    "check_receipt",
    "letter_name",
    "sign_receipt",
]
