"""One charged release about one vintage under one model, signed by the institution whose records it is about.

    release = MonitoringRelease(...);  data = release.entry(key).data        a file; canonical JSON
    release = MonitoringRelease.read(data)                                   .signer says whose key signed it
    vintage = together([release, ...], catalogue)                            of one model and vintage, summed

Where all outcomes are known it is the vector of `EvaluationSpec`, otherwise that of `StabilitySpec`. Either way one
record moves it by at most 1 in L2 norm, and whatever is read off it later costs nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.evaluation import EvaluationSpec, EvaluationTables
from federation.monitoring.marginals import Marginals, StabilitySpec
from protocols.errors import MessageError, ProtocolError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement, read_entry

MAX_BYTES = 2**24


@dataclass(frozen=True)
class MonitoringRelease:
    """counts  the noisy vector, every entry with Gaussian noise of standard deviation `sd` (sensitivity 1)

    catalogue, model, reservation  hashes, 64 hexadecimal digits; the last is the ledger entry that paid
    epsilon  of this release alone, by PLD, at `delta`, add or remove one record. Raises MessageError.
    """

    kind: ClassVar[str] = "monitoring-release"

    institution: str
    vintage: str
    catalogue: str
    model: str
    outcomes: bool
    counts: tuple[float, ...] = field(repr=False)
    sd: float
    epsilon: float
    delta: float
    reservation: str
    signer: VerifyingKey | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("catalogue", "model", "reservation"):
            value = getattr(self, name)
            if len(value) != 64 or set(value) - set("0123456789abcdef"):
                raise MessageError(f"{self.kind}.{name}", got=value[:70], expected="64 hexadecimal digits")
        for name in ("sd", "epsilon", "delta"):
            if not 0 < getattr(self, name) < math.inf:
                raise MessageError(f"{self.kind}.{name}", got=getattr(self, name), expected="a number > 0")
        if not self.counts or not all(map(math.isfinite, self.counts)):
            raise MessageError(f"{self.kind}.counts", got=f"{len(self.counts)} numbers", expected="finite ones")

    def entry(self, key: SigningKey) -> Entry:
        content = {name: getattr(self, name) for name in _FIELDS} | {"counts": list(self.counts)}
        return Statement.sign(self.kind, content, key).entry

    @classmethod
    def read(cls, data: bytes, where: str = kind) -> MonitoringRelease:
        """Raises ConfigurationError, naming `where`, for what is no such release or is not signed."""
        try:
            if len(data) > MAX_BYTES:
                raise MessageError("size", got=len(data), expected=f"at most {MAX_BYTES} bytes")
            entry = read_entry(data)
            statement = Statement.read(entry)
            if entry.kind != cls.kind:
                raise MessageError("kind", got=entry.kind, expected=cls.kind)
            return cls(**_typed(statement.content), signer=statement.signer)
        except ProtocolError as error:
            raise ConfigurationError(f"{where}: {error.field}", got=error.got, expected=error.expected) from error


_TYPES: dict[str, type] = {
    "institution": str, "vintage": str, "catalogue": str, "model": str, "outcomes": bool, "counts": list, "sd": float,
    "epsilon": float, "delta": float, "reservation": str,
}  # fmt: skip
_FIELDS = tuple(_TYPES)


def _typed(content: Any) -> dict[str, Any]:
    if set(content) != set(_FIELDS):
        raise MessageError("fields", got=", ".join(sorted(content))[:200], expected=", ".join(_FIELDS))
    values = dict(content)
    for name, kind in _TYPES.items():
        if kind is float and type(values[name]) is int:  # JSON writes 1.0 as 1
            values[name] = float(values[name])
        if type(values[name]) is not kind:
            raise MessageError(name, got=type(values[name]).__name__, expected=kind.__name__)
    if not all(type(value) in (int, float) for value in values["counts"]):
        raise MessageError("counts", got="something else", expected="numbers")
    values["counts"] = tuple(map(float, values["counts"]))
    return values


@dataclass(frozen=True)
class Vintage:
    """One vintage under one model, over all institutions that released about it.

    tables  what can be said of performance; None where an institution's outcomes are not known yet
    """

    name: str
    model: str
    institutions: tuple[str, ...]
    marginals: Marginals
    tables: EvaluationTables | None
    epsilon: float  # the largest that one institution paid


def together(releases: Sequence[MonitoringRelease], catalogue: Catalogue) -> Vintage:
    """The sum of releases of one model and one vintage, each of another institution.

    Raises ConfigurationError where they are not, or are of another catalogue; PrivacyError for a vector of another
    layout.
    """
    if not releases:
        raise ConfigurationError("releases", got="none", expected="at least one")
    for name in ("vintage", "model", "outcomes"):
        found = sorted({str(getattr(release, name)) for release in releases})
        if len(found) > 1:
            raise ConfigurationError(f"releases.{name}", got=", ".join(found), expected="the same in all")
    names = [release.institution for release in releases]
    if len(set(names)) < len(names):
        raise ConfigurationError("releases.institution", got=", ".join(names), expected="each institution once")
    for release in releases:
        if release.catalogue != catalogue.hash:
            where = f"release of {release.institution}: catalogue"
            raise ConfigurationError(where, got=release.catalogue[:16], expected=f"{catalogue.hash[:16]}")
    total = np.sum([release.counts for release in releases], axis=0)
    sd = math.hypot(*(release.sd for release in releases))
    first = releases[0]
    tables = EvaluationSpec.from_catalogue(catalogue).read(total, sd) if first.outcomes else None
    marginals = StabilitySpec.from_catalogue(catalogue).read(total, sd) if tables is None else Marginals.of(tables)
    epsilon = max(release.epsilon for release in releases)
    return Vintage(first.vintage, first.model, tuple(sorted(names)), marginals, tables, epsilon)
