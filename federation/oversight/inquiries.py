"""Spot checks of inquiries in the log: what is drawn from, the seeds once the log has reached its size, the verdicts.

| kind | what | said by |
|---|---|---|
| `consent-draw` | `protocols.consent.draw.SignedDraw`: commitments to seeds, rate, leaves | all holders of a seed |
| `consent-seeds` | the seeds; until when, and under which key, openings are awaited | the regulator |
| `consent-verdict` | what the openings of one querier gave; counts and leaves, no person | the regulator |
| `consent-revoked` | that an institution took a revocation: a commitment, no person, no receipt | the institution |

    entry = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(key)}))
    read_draw(entry, {REGULATOR: key})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self

from federation.oversight.fields import require_code, require_count, require_hash, require_keys, require_name
from federation.oversight.said import Said
from protocols.consent.draw import KIND, MAX_SEEDS, SignedDraw
from protocols.consent.refusal import Rule
from protocols.errors import MessageError, SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import Entry

DRAW = KIND
REGULATOR, OMBUDSMAN = "regulator", "ombudsman"  # who may hold a seed
MAX_BROKEN = 300
"""Inquiries that a verdict names; of more it says how many, for an entry of the log has an end."""


def draw_entry(signed: SignedDraw) -> Entry:
    """A draw as the log stores it: the signatures of all holders are in it."""
    return Entry(DRAW, signed.encode())


def read_draw(entry: Entry, keys: Mapping[str, VerifyingKey]) -> SignedDraw:
    """The draw in `entry`, signed by exactly the holders that `keys` names. Raises MessageError or SignatureError.

    Where `keys` names the regulator alone, its signature is enough: a second holder whom nobody here knows takes
    nothing from the draw, and who asks for more would leave leaves closed that were drawn.
    """
    if entry.kind != DRAW:
        raise MessageError("entry.kind", got=entry.kind, expected=DRAW)
    signed = SignedDraw.decode(entry.body)
    if keys.keys() == {REGULATOR}:
        if signed.signatures.keys() != signed.draw.seeds.keys():  # with more of them it would be another entry
            raise SignatureError("draw", got=f"{len(signed.signatures)} signatures", expected="one for each seed")
        signed.verify_holder(REGULATOR, keys[REGULATOR])
    else:
        signed.verify(keys)
    return signed


@dataclass(frozen=True)
class SeedsStatement(Said):
    """The seeds of the draw with this leaf hash, and where openings go. Raises MessageError.

    seeds     by holder, hexadecimal: 32 bytes each
    deadline  Unix time (s) after which a leaf that was drawn and not opened is its querier's fault
    key       X25519 (hexadecimal) that openings are sealed to; the regulator has the other half
    """

    kind: ClassVar[str] = "consent-seeds"

    draw: str
    seeds: Mapping[str, str]
    deadline: int
    key: str

    def __post_init__(self) -> None:
        require_hash("consent-seeds.draw", self.draw)
        require_hash("consent-seeds.key", self.key)
        require_count("consent-seeds.deadline", self.deadline)
        if not isinstance(self.seeds, Mapping) or not 0 < len(self.seeds) <= MAX_SEEDS:
            raise MessageError("consent-seeds.seeds", got="another form", expected=f"1 to {MAX_SEEDS}, by holder")
        for holder, seed in self.seeds.items():
            require_name("consent-seeds.seeds", holder)
            require_hash(f"consent-seeds.seeds.{holder}", seed)
        object.__setattr__(self, "seeds", MappingProxyType(dict(sorted(self.seeds.items()))))

    @property
    def revealed(self) -> dict[str, bytes]:
        return {holder: bytes.fromhex(seed) for holder, seed in self.seeds.items()}

    def to_json(self) -> dict[str, Any]:
        return {"draw": self.draw, "seeds": dict(self.seeds), "deadline": self.deadline, "key": self.key}


@dataclass(frozen=True)
class Broken:
    """One drawn inquiry that breaks `rule`: its place in the log and its leaf hash (hexadecimal)."""

    index: int
    leaf: str
    rule: Rule

    def __post_init__(self) -> None:
        require_count("consent-verdict.broken.index", self.index)
        require_hash("consent-verdict.broken.leaf", self.leaf)
        require_code("consent-verdict.broken.rule", self.rule)
        if self.rule not in tuple(Rule):
            raise MessageError("consent-verdict.broken.rule", got=str(self.rule), expected="a rule of consent")


@dataclass(frozen=True)
class ConsentVerdict(Said):
    """What the regulator found of the leaves of `querier` in the draw with this leaf hash. Raises MessageError.

    number          1, then one more each time: a later one stands for those before it (what was not opened is, now)
    drawn           leaves of the querier in the sample: those that hold, by inquiry, and those that are broken
    broken          the first MAX_BROKEN in order of their places; unlisted: how many there are besides
    """

    kind: ClassVar[str] = "consent-verdict"

    draw: str
    querier: str
    number: int
    drawn: int
    hard: int
    soft: int
    broken: tuple[Broken, ...]
    unlisted: int = 0

    def __post_init__(self) -> None:
        require_hash("consent-verdict.draw", self.draw)
        require_name("consent-verdict.querier", self.querier)
        require_count("consent-verdict.number", self.number, least=1)
        for name in ("drawn", "hard", "soft", "unlisted"):
            require_count(f"consent-verdict.{name}", getattr(self, name))
        if len(self.broken) > MAX_BROKEN or (self.unlisted and len(self.broken) < MAX_BROKEN):
            raise MessageError("consent-verdict.broken", got=len(self.broken), expected=f"the first {MAX_BROKEN}")
        places = [each.index for each in self.broken]
        if places != sorted(set(places)):
            raise MessageError("consent-verdict.broken", got="another order", expected="each place once, in order")
        if self.hard + self.soft + self.failed != self.drawn:
            got = f"{self.hard} hard, {self.soft} soft, {self.failed} broken"
            raise MessageError("consent-verdict.drawn", got=got, expected=f"{self.drawn} in all")

    @property
    def failed(self) -> int:
        """How many are broken."""
        return len(self.broken) + self.unlisted

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "broken": [asdict(each) for each in self.broken]}

    @classmethod
    def from_json(cls, value: object) -> Self:
        found = dict(require_keys(cls.kind, value, {each.name for each in fields(cls)}))
        if not isinstance(found["broken"], list):
            raise MessageError("consent-verdict.broken", got=type(found["broken"]).__name__, expected="a list")
        return cls(**{**found, "broken": tuple(map(_broken, found["broken"]))})


@dataclass(frozen=True)
class RevocationTaken(Said):
    """That `institution` has a revocation: `protocols.consent.acknowledgement.commitment`, hexadecimal. MessageError.

    Two of them are not seen to be of one person, nor of which receipts: every commitment has its own nonce.
    """

    kind: ClassVar[str] = "consent-revoked"

    institution: str
    commitment: str

    def __post_init__(self) -> None:
        require_name("consent-revoked.institution", self.institution)
        require_hash("consent-revoked.commitment", self.commitment)


def _broken(value: object) -> Broken:
    found = require_keys("consent-verdict.broken", value, set(Broken.__dataclass_fields__))
    require_code("consent-verdict.broken.rule", found["rule"])
    if found["rule"] not in tuple(Rule):
        raise MessageError("consent-verdict.broken.rule", got=found["rule"], expected="a rule of consent")
    return Broken(found["index"], found["leaf"], Rule(found["rule"]))
