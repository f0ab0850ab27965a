"""What pydantic found wrong, in the words of an operator: what was got, what is expected.

>>> from pydantic import BaseModel, Field, ValidationError
>>> class Caps(BaseModel, extra="forbid"):
...     run: float = Field(gt=0)
>>> def said(**values):
...     try:
...         Caps(**values)
...     except ValidationError as error:
...         return expected(error.errors()[0])
>>> said(run=-1.0), said(run="x"), said(run=1, rum=2), said()
('above 0', 'a number', 'no such key', 'this key')
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from federation.errors import FederationError

E = TypeVar("E", bound=FederationError)
M = TypeVar("M", bound=BaseModel)

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
_PATTERNS = {
    NAME_PATTERN: "1 to 40 of a-z, 0-9 and inner hyphens",
    r"^[0-9a-f]{64}$": "64 lower-case hexadecimal digits",
}
_WORDS = {
    "missing": "this key",
    "extra_forbidden": "no such key",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
}


def expected(detail: ErrorDetails) -> str:
    """What would have been right. A kind of error that has no words here keeps pydantic's own."""
    context = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in detail.get("ctx", {}).items()
    }
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), f"text like {context['pattern']}")
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    words = _WORDS.get(detail["type"])
    return detail["msg"].removeprefix("Input should be ") if words is None else words.format(**context)


def got(detail: ErrorDetails) -> str:
    """What was there, 80 characters of it."""
    return "nothing" if detail["type"] == "missing" else repr(detail["input"])[:80]


def complaint(kind: type[E], where: str, error: ValidationError) -> E:
    """The first thing that is wrong, as an error of `kind` at `where` followed by its key."""
    first = error.errors(include_url=False)[0]
    return kind(where + ".".join(map(str, first["loc"])), got=got(first), expected=expected(first))


def read_model(model: type[M], value: Mapping[str, Any], kind: type[FederationError], where: str) -> M:
    """The `model` in `value`. Raises an error of `kind` at `where`.KEY for an unknown, missing or impossible field."""
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise complaint(kind, f"{where}.", error) from None
