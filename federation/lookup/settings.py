"""What members agree on beside the protocol: how the sum becomes a score, what a question may be for, and how
identifiers are written.

settings = ScoringSettings.of(roster.parameters)       # signed with the roster; the same for every member
check_purpose("credit-application", catalogue, roster.parameters.purposes)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from federation.catalogue import Catalogue, Purpose
from federation.errors import ConfigurationError
from federation.lookup.joint_score import CORRELATION, JointRule
from federation.scorecard import Scaling
from protocols.canonical import canonical, parse_canonical
from protocols.errors import EncodingError, MessageError
from protocols.lookup.fields import take, version_one
from protocols.lookup.parameters import Parameters


class LookupPurpose(StrEnum):
    """What a question may be for. A closed list: scores of a federation serve lending decisions only."""

    APPLICATION = "credit-application"  # the subject asked for credit
    INCREASE = "credit-increase"  # the subject asked for more of it, or for other terms
    REVIEW = "credit-review"  # credit that the subject has here is reviewed
    ARREARS = "arrears-management"  # credit that the subject has here is not being repaid


PURPOSES = MappingProxyType({Purpose.LENDING: tuple(LookupPurpose)})
"""Purposes of questions, by the purpose that a catalogue states."""


def purposes_of(catalogue: Catalogue) -> tuple[str, ...]:
    """What questions about scores under this catalogue may be for."""
    return tuple(purpose.value for purpose in PURPOSES.get(catalogue.purpose, ()))


def check_purposes(stated: Collection[str], catalogue: Catalogue) -> None:
    """Raises ConfigurationError where a federation would admit a purpose that its catalogue does not serve."""
    known = purposes_of(catalogue)
    strange = sorted(set(stated) - set(known))
    if strange or not stated:
        raise ConfigurationError("purposes", got=strange or "none", expected=f"some of {', '.join(known)}")


def check_purpose(purpose: str, catalogue: Catalogue, admitted: Collection[str]) -> LookupPurpose:
    """The purpose of one question. Raises ConfigurationError unless catalogue and roster admit it."""
    possible = [name for name in purposes_of(catalogue) if name in admitted]
    if purpose not in possible:
        raise ConfigurationError("purpose", got=purpose[:64], expected=" or ".join(possible) or "none is admitted")
    return LookupPurpose(purpose)


def check_identifiers(own: str, agreed: str) -> None:
    """Raises ConfigurationError where an institution writes identifiers by another scheme than the roster names.

    It would look for persons who do not exist, and its own customers would be missing from everybody's sums.
    """
    if own != agreed:
        raise ConfigurationError(
            "institution.toml: lookup.identifiers", got=own, expected=f"{agreed}, as in the roster"
        )


@dataclass(frozen=True)
class ScoringSettings:
    """How a joint sum becomes a score, signed with the roster. Raises ConfigurationError.

    correlation  of two members' evidence about one person (`federation.lookup.joint_score`)
    scaling      points, bands, and the share of features below which a record is a thin file
    """

    correlation: float = CORRELATION
    scaling: Scaling = field(default_factory=Scaling)

    def __post_init__(self) -> None:
        JointRule(self.correlation)

    def encode(self) -> str:
        """Canonical JSON, for `Parameters.scoring`."""
        return canonical({"version": 1, "correlation": self.correlation, "scaling": self.scaling.to_json()}).decode()

    @classmethod
    def decode(cls, text: str) -> ScoringSettings:
        """Raises ConfigurationError for anything but what `encode` gives."""
        try:
            fields = take(parse_canonical(text.encode()), "scoring", ("version", "correlation", "scaling"))
            version_one(fields["version"], "scoring")
        except (EncodingError, MessageError) as error:
            raise ConfigurationError("parameters.scoring", got=error.got, expected=error.expected) from error
        correlation, scaling = fields["correlation"], fields["scaling"]
        if isinstance(correlation, bool) or not isinstance(correlation, int | float) or not isinstance(scaling, dict):
            raise ConfigurationError("parameters.scoring", got="other types", expected="a number and a scaling")
        return cls(float(correlation), Scaling.from_json(scaling))

    @classmethod
    def of(cls, parameters: Parameters) -> ScoringSettings:
        """The settings that the roster's parameters name; the defaults where they name none."""
        return cls.decode(parameters.scoring) if parameters.scoring else cls()
