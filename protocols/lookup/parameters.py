"""What a federation fixes about its private score query, once, in the roster its members sign.

>>> Parameters(engine="bfv", cadence_s=7 * 86_400).quorum
2
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from protocols.errors import MessageError
from protocols.lookup.fields import integer, take, text

MODULUS = 1_032_193
"""t: every coefficient is an integer modulo this prime of 20 bits; t = 1 mod 2^14, as BFV batching wants it."""
COEFFICIENTS = 8
"""check (0), count (1), evidence (sum of log-odds minus prior), five dimension parts."""
CHECK, COUNT, EVIDENCE = 0, 1, 2
RECORD_BYTES = 20
"""Eight coefficients of 20 bits, little-endian."""
ENGINES = ("bfv", "lwe", "mirror")
MINIMUM_MEMBERS = 3
LIMIT = MODULUS // 2
"""J * |value| may not pass this: otherwise a sum wraps around and reads as another one."""
_MAX_DUMMIES = 4096
_MAX_SCORING = 8192


@dataclass(frozen=True)
class Parameters:
    """The governed numbers. Raises MessageError naming the one that cannot hold.

    engine               "bfv", "lwe" or "mirror"
    quorum               auditors; one more than the members that may collude with the pool
    colluding_queriers   q: members that may pool what they learn with a querier; the roster needs q + 3 members
    dummies              public subjects with known zero sums, that test the table before an epoch opens
    cadence_s            seconds between the openings of two epochs, at least
    daily_tickets        tickets a querier may ask for in one day (UTC), counted by every member
    purposes             the purposes a request may state
    identifiers          how every member writes a subject's identifier: a scheme's name (federation.lookup.identifiers)
    scoring              how a sum becomes a score, canonical JSON (federation.lookup.settings); "" for the defaults
    """

    engine: str
    quorum: int = 2
    colluding_queriers: int = 0
    dummies: int = 64
    cadence_s: int = 7 * 86_400
    daily_tickets: int = 1_000
    purposes: tuple[str, ...] = ("credit-application",)
    identifiers: str = "opaque"
    scoring: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        if self.version != 1:
            raise MessageError("parameters.version", got=self.version, expected=1)
        if self.engine not in ENGINES:
            raise MessageError("parameters.engine", got=self.engine, expected=" or ".join(ENGINES))
        integer(self.quorum, "parameters.quorum", 1, 16)
        integer(self.colluding_queriers, "parameters.colluding_queriers", 0, 10_000)
        integer(self.dummies, "parameters.dummies", 1, _MAX_DUMMIES)
        integer(self.cadence_s, "parameters.cadence_s", 1, 366 * 86_400)
        integer(self.daily_tickets, "parameters.daily_tickets", 1, 10**9)
        if not self.purposes or len(set(self.purposes)) != len(self.purposes):
            raise MessageError("parameters.purposes", got=len(self.purposes), expected="one or more, each once")
        if not all(isinstance(purpose, str) and 0 < len(purpose) <= 64 for purpose in self.purposes):
            raise MessageError("parameters.purposes", got="another", expected="texts of 1 to 64 characters")
        if not 0 < len(text(self.identifiers, "parameters.identifiers")) <= 64:
            raise MessageError("parameters.identifiers", got=len(self.identifiers), expected="1 to 64 characters")
        if len(text(self.scoring, "parameters.scoring")) > _MAX_SCORING:
            raise MessageError("parameters.scoring", got=len(self.scoring), expected=f"at most {_MAX_SCORING}")

    @property
    def minimum_members(self) -> int:
        """J >= 3 and J >= q + 3: with fewer, a querier and its q friends tell the remaining two apart."""
        return max(MINIMUM_MEMBERS, self.colluding_queriers + 3, self.quorum)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "purposes": list(self.purposes)}

    @classmethod
    def from_json(cls, value: Any) -> Parameters:
        """Raises MessageError unless `value` has exactly these fields."""
        fields = take(value, "parameters", cls.__dataclass_fields__)
        purposes = fields.pop("purposes")
        if not isinstance(purposes, list):
            raise MessageError("parameters.purposes", got=type(purposes).__name__, expected="a list")
        return cls(**fields, purposes=tuple(purposes))
