"""Whether an inquiry is covered by a receipt: the same steps at the querier's own node and in a spot check.

check(signed, subject=subject, querier="bank-a", purpose="credit-application", scope=scope, now=now,
      known_key=statement.key, revoked=revocations)                              # ConsentRefused names the rule

`protocols.consent.consent.check_consent` is the same for the document that a wallet hands over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from protocols.consent.receipt import Receipt, Scope, SignedReceipt, SignedRevocation, Subject
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey

CLOCK_SKEW_S = 300
_YEAR_6325_S = 2**37


@dataclass(frozen=True)
class Revocations:
    """Revocations by key and serial, each from the moment it was delivered (Unix seconds)."""

    delivered: Mapping[tuple[bytes, str], int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, delivered: Iterable[tuple[SignedRevocation, int]]) -> Revocations:
        """From revocations and times of their delivery; the first counts. Raises SignatureError if one is forged."""
        found: dict[tuple[bytes, str], int] = {}
        for signed, moment in delivered:
            signed.verify()
            name = (signed.revocation.subject_key.raw, signed.revocation.serial)
            found[name] = min(moment, found.get(name, moment))
        return cls(MappingProxyType(found))

    @classmethod
    def standing(cls, signed: Iterable[SignedRevocation]) -> Revocations:
        """In force at whatever moment is asked about: that they came first is known by places in the log.

        Raises SignatureError if one is forged.
        """
        return cls.of((each, 0) for each in signed)

    def since(self, receipt: Receipt) -> int | None:
        """From when on `receipt` is revoked, if it is."""
        return self.delivered.get((receipt.subject_key.raw, receipt.serial))


def check(
    signed: SignedReceipt,
    *,
    subject: Subject,
    querier: str,
    purpose: str,
    scope: Scope,
    now: int,
    known_key: VerifyingKey | None,
    revoked: Revocations,
) -> Receipt:
    """The receipt, if it covers this inquiry at `now`; else ConsentRefused with the first rule it breaks.

    known_key  the key an authority states for this person, NEVER the one the receipt names: a querier can sign as well;
               as stated then: a person who changes her key later must not turn past inquiries into forged ones
    now        Unix seconds; in a spot check the moment at which the leaf was issued
    """
    receipt = signed.receipt
    # 1. The key is the one that is stated for this person.
    if known_key is None:
        raise ConsentRefused(Rule.UNKNOWN_KEY, got="no key stated for her", expected="one for this person")
    if receipt.subject_key != known_key:
        raise ConsentRefused(Rule.UNKNOWN_KEY, got=receipt.subject_key.key_id, expected=known_key.key_id)
    # 2. That key signed it.
    try:
        signed.verify(known_key)
    except SignatureError as error:
        raise ConsentRefused(Rule.FORGED, got=error.got, expected=error.expected) from error
    # 3. It is about this person, for this querier, purpose and catalogue.
    if receipt.subject != subject.commitment:
        raise ConsentRefused(Rule.WRONG_SUBJECT, got="another person's or another salt", expected="this person's")
    _equal(Rule.WRONG_QUERIER, querier, receipt.querier)
    _equal(Rule.WRONG_PURPOSE, purpose, receipt.purpose)
    if scope != receipt.scope:
        asked, permitted = (f"{each.catalogue} {each.hash.hex()[:16]}" for each in (scope, receipt.scope))
        _equal(Rule.WRONG_SCOPE, asked, permitted)
    # 4. It is in force.
    if now < receipt.issued - CLOCK_SKEW_S:
        raise ConsentRefused(Rule.NOT_YET_VALID, got=moment(now), expected=f"{moment(receipt.issued)} or later")
    if now >= receipt.expires:
        raise ConsentRefused(Rule.EXPIRED, got=moment(now), expected=f"before {moment(receipt.expires)}")
    since = revoked.since(receipt)
    if since is not None and now >= since:
        expected = "before it was revoked" + (f", {moment(since)}" if since else "")
        raise ConsentRefused(Rule.REVOKED, got=moment(now), expected=expected)
    return receipt


def _equal(rule: Rule, asked: str, permitted: str) -> None:
    if asked != permitted:
        raise ConsentRefused(rule, got=f"a question of {asked}", expected=f"{permitted}, which the receipt permits")


def moment(seconds: int) -> str:
    """Unix seconds for people; as they are where no calendar has them."""
    if not 0 < seconds < _YEAR_6325_S:
        return f"{seconds} s of Unix time"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
