"""People by a keyed pseudonym: what cases, corrections and erasures are filed under, so that no file lists identifiers.

    tags = SubjectTags.of(home)
    tags.tag("4711")            # HMAC-SHA256(keys/person.key, identifier as the federation writes it), hex

The key is made once and stays in keys/. Without it a tag says nothing, and with it identifiers can be tried: this is a
pseudonym, not an anonym (GDPR, article 4(5)).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from clients.institution.home import InstitutionHome
from federation.lookup.identifiers import IdentifierError, Scheme, scheme
from federation.runtime.private_files import keep_private, read_private

KEY_FILE = "person.key"
_LABEL = b"fedscore/v1/person/tag\x00"


@dataclass(frozen=True)
class SubjectTags:
    """One home's. `how`: how the federation writes identifiers."""

    key: bytes = field(repr=False)
    how: Scheme

    @classmethod
    def of(cls, home: InstitutionHome) -> SubjectTags:
        kept = keep_private(home.keys / KEY_FILE, lambda: secrets.token_bytes(32))
        return cls(read_private(kept), scheme(home.settings.lookup.identifiers))

    def tag(self, subject: str) -> str:
        """64 hexadecimal digits. Raises IdentifierError for what is no identifier of the scheme."""
        return hmac.digest(self.key, _LABEL + self.how.normalise(subject), "sha256").hex()

    def tags(self, subjects: Iterable[str | None]) -> list[str]:
        """The tag of each; "" for what is none of the scheme, which no case can be about."""
        return [self._or_none(subject) for subject in subjects]

    def _or_none(self, subject: str | None) -> str:
        try:
            return "" if subject is None else self.tag(subject)
        except IdentifierError:
            return ""
