"""The error tree of the protocols.

ProtocolError
 ├── EncodingError     bytes or a value that has no canonical form
 ├── SignatureError    a signature, key or signer that is not what was expected
 ├── MessageError      a message of the wrong version, kind, size or content
 ├── ProofError        a proof, commitment or opening that does not hold
 └── StageError        a message that is in order but arrives at the wrong moment
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.printable import printable


class ProtocolError(Exception):
    """What is wrong (`field`), what was `got` and what was `expected`; safe to show to the other party."""

    def __init__(self, field: str, *, got: object, expected: object) -> None:
        self.field = printable(field)
        self.got = printable(str(got))
        self.expected = printable(str(expected))
        super().__init__(f"{self.field}: got {self.got}, expected {self.expected}")

    def __reduce__(self) -> tuple[Callable[..., ProtocolError], tuple[type[ProtocolError], str, str, str]]:
        """Errors cross from worker processes."""
        return _again, (type(self), self.field, self.got, self.expected)


def _again(kind: type[ProtocolError], field: str, got: str, expected: str) -> ProtocolError:
    return kind(field, got=got, expected=expected)


class EncodingError(ProtocolError):
    """A value or byte string that has no canonical form."""


class SignatureError(ProtocolError):
    """A signature, key or signer that is not what was expected."""


class MessageError(ProtocolError):
    """A message of the wrong version, kind, size or content."""


class ProofError(ProtocolError):
    """A proof, commitment or opening that does not hold; `field` names the party and what it should have proved."""


class StageError(ProtocolError):
    """A message that is in order but arrives at the wrong moment."""
