"""What the dataclasses of statements share: signed into a log entry, read out of one."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

from federation.oversight.fields import require_keys
from protocols.errors import MessageError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement


class Said:
    """A frozen dataclass whose fields are the content of a statement of `kind`."""

    kind: ClassVar[str]

    def entry(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(self.kind, self.to_json(), key).entry

    def to_json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_json(cls, value: object) -> Self:
        names = {each.name for each in fields(cls)}  # type: ignore[arg-type]
        return cls(**require_keys(cls.kind, value, names))

    @classmethod
    def read(cls, entry: Entry, signer: VerifyingKey) -> Self:
        """What `signer` said in `entry`. Raises MessageError (kind, form, signer) or SignatureError."""
        if entry.kind != cls.kind:
            raise MessageError("entry.kind", got=entry.kind, expected=cls.kind)
        statement = Statement.read(entry)
        if statement.signer != signer:
            raise MessageError(f"{cls.kind}.signer", got=statement.signer.key_id, expected=signer.key_id)
        return cls.from_json(statement.content)
