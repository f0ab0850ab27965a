"""People by a keyed pseudonym: what cases, corrections and erasures are filed under, so that no file lists identifiers.

    tags = SubjectTags.of(home, journal.steps())
    tags.tag("4711")            # HMAC-SHA256(keys/person.key, identifier as the federation writes it), hex

The key is made once and stays in keys/. Without it a tag says nothing, and with it identifiers can be tried: this is a
pseudonym, not an anonym (GDPR, article 4(5)). Under another key, or another scheme, everybody has another tag, and what
was corrected or erased would be about nobody: every step that is about a person says under which key, and a key that is
not this one is not used.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from clients.institution.home import InstitutionHome
from clients.institution.person.journal_store import Done
from federation.errors import ConfigurationError
from federation.lookup.identifiers import IdentifierError, Scheme, scheme
from federation.runtime.private_files import keep_private, read_private

KEY_FILE = "person.key"
_LABEL, _KEY_LABEL = b"fedscore/v1/person/tag\x00", b"fedscore/v1/person/key\x00"


@dataclass(frozen=True)
class SubjectTags:
    """One home's. `how`: how the federation writes identifiers."""

    key: bytes = field(repr=False)
    how: Scheme

    @classmethod
    def of(cls, home: InstitutionHome, steps: Iterable[Done]) -> SubjectTags:
        """The home's; made where no step is about anybody yet. Raises ConfigurationError for a key that is lost, or
        another than `steps` are filed under.
        """
        about, file = [done for done in steps if done.subject is not None], home.keys / KEY_FILE
        if about and not file.exists():
            raise ConfigurationError(str(file), got="no key", expected="the one that cases are filed under: restore it")
        kept = keep_private(file, lambda: secrets.token_bytes(32))
        tags = cls(read_private(kept), scheme(home.settings.lookup.identifiers))
        tags.check(about, str(file))
        return tags

    @property
    def name(self) -> str:
        """Of key and scheme, in every step that is about a person; says nothing of the key."""
        return hmac.digest(self.key, _KEY_LABEL + self.how.name.encode(), "sha256").hex()

    def check(self, steps: Iterable[Done], where: str) -> None:
        """Raises ConfigurationError for a step that is filed under another key, or another way to write identifiers."""
        for done in steps:
            if (done.content or {}).get("filed_under", self.name) != self.name:
                got = f"another key or scheme than that of step {done.step.sequence}"
                raise ConfigurationError(where, got=got, expected="the one that cases are filed under")

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
