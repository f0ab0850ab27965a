"""The inquirers file: who inquired about one person, as her wallet found it out and verified it.

    Inquirers.read(path).inquiries                   # what her institution takes for notices: `--inquirers FILE`
    Inquirers(origin, size, root, "all", found).write(path)

JSON: {"version": 1, "log": ..., "size": ..., "root": ..., "range": ..., "inquiries": [{"leaf": ..., "querier": ...,
"purpose": ..., "inquiry": "hard" | "soft" | "unknown", "epoch": ..., "issued_at": ..., "index": ...}]}. It names
nobody, yet says what its reader may not know of her: it is written for its owner's eyes (0600).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from federation.errors import ConfigurationError
from federation.runtime.private_files import write_public
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, integer, take, text, version_one

UNKNOWN: Final = "unknown"
Kind = Literal["hard", "soft", "unknown"]
_KINDS = ("hard", "soft", UNKNOWN)
_MAX_BYTES = 2**26


@dataclass(frozen=True)
class Inquirer:
    """One inquiry about her. Raises MessageError naming the field.

    leaf: the leaf's hash in the log, 64 hexadecimal digits; inquiry: by the receipt in her wallet, "unknown" where it
    holds none of that number; epoch: its number, 0 where the log does not show it; issued_at: Unix seconds, the
    querier's word; index: its place in the log.
    """

    leaf: str
    querier: str
    purpose: str
    inquiry: Kind
    epoch: int
    issued_at: int
    index: int

    def __post_init__(self) -> None:
        from_hex(self.leaf, "inquirer.leaf", 32)
        for name in ("querier", "purpose"):
            if not 0 < len(text(getattr(self, name), f"inquirer.{name}")) <= 64:
                raise MessageError(f"inquirer.{name}", got=len(getattr(self, name)), expected="1 to 64 characters")
        if self.inquiry not in _KINDS:
            raise MessageError("inquirer.inquiry", got=self.inquiry, expected=", ".join(_KINDS))
        for name in ("epoch", "issued_at", "index"):
            integer(getattr(self, name), f"inquirer.{name}")

    @classmethod
    def from_json(cls, value: Any) -> Inquirer:
        return cls(**take(value, "inquirer", cls.__dataclass_fields__))


@dataclass(frozen=True)
class Inquirers:
    """All inquiries about her among the first `size` entries of the log, whose root is `root` (hex).

    log: its origin; range: "all", or which of them were asked about, in words.
    """

    log: str
    size: int
    root: str
    range: str
    inquiries: tuple[Inquirer, ...]

    def __post_init__(self) -> None:
        text(self.log, "inquirers.log")
        integer(self.size, "inquirers.size")
        text(self.range, "inquirers.range")
        from_hex(self.root, "inquirers.root", 32)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "log": self.log,
            "size": self.size,
            "root": self.root,
            "range": self.range,
            "inquiries": [asdict(each) for each in self.inquiries],
        }

    @classmethod
    def from_json(cls, value: Any) -> Inquirers:
        fields = take(value, "inquirers", ("version", *cls.__dataclass_fields__))
        version_one(fields.pop("version"), "inquirers")
        found = fields.pop("inquiries")
        if not isinstance(found, list):
            raise MessageError("inquirers.inquiries", got=type(found).__name__, expected="a list")
        return cls(**fields, inquiries=tuple(Inquirer.from_json(each) for each in found))

    @classmethod
    def read(cls, path: Path | str) -> Inquirers:
        """Raises ConfigurationError (no such file, no JSON) or MessageError naming the field."""
        where = Path(path)
        try:
            data = where.read_bytes()
            value = json.loads(data) if len(data) <= _MAX_BYTES else None
        except OSError as error:
            raise ConfigurationError(str(where), got=error.strerror, expected="an inquirers file") from error
        except ValueError as error:
            raise ConfigurationError(str(where), got="no JSON", expected="an inquirers file") from error
        return cls.from_json(value)

    def write(self, path: Path | str) -> None:
        """In one step, for its owner's eyes alone."""
        write_public(Path(path), json.dumps(self.to_json(), indent=2).encode() + b"\n", mode=0o600)
