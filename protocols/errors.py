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
from typing import Any, TypeAlias

from protocols.printable import printable

Reduced: TypeAlias = tuple[Callable[..., Exception], tuple[type[Exception], tuple[Any, ...], dict[str, Any]]]


class ProtocolError(Exception):
    """What is wrong (`field`), what was `got` and what was `expected`; safe to show to the other party."""

    def __init__(self, field: str, *, got: object, expected: object) -> None:
        self.field = printable(field)
        self.got = printable(str(got))
        self.expected = printable(str(expected))
        super().__init__(f"{self.field}: got {self.got}, expected {self.expected}")

    def __reduce__(self) -> Reduced:
        """Errors cross from worker processes."""
        return reduced(self)


def reduced(error: Exception) -> Reduced:
    """How an error is pickled whose constructor does not take its `args`: unpickled by them it would raise, and the
    pool that waits for it would wait for ever."""
    return _again, (type(error), error.args, dict(error.__dict__))


def _again(kind: type[Exception], args: tuple[Any, ...], fields: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


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
