"""The training plan: everything about a run that all members sign before anything is computed.

A plan is canonical JSON (RFC 8785); its hash is digest("fedscore/v1/plan", canonical). Nothing that a node does under a
plan depends on anything the coordinator says later, except the model of the round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from federation.errors import ConfigurationError, FederationError
from federation.privacy.plan import PrivacyPlan
from federation.training.recipe import Recipe
from federation.training.sums.recipe import SumRecipe
from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import EncodingError, SignatureError
from protocols.signing import VerifyingKey

PLAN_LABEL = "fedscore/v1/plan"
P = TypeVar("P", Recipe, SumRecipe, PrivacyPlan)
AnyRecipe: TypeAlias = Recipe | SumRecipe
MAX_MEMBERS = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


class Document(BaseModel):
    """A frozen value with one canonical JSON form; unknown keys and loose types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    max_bytes: ClassVar[int] = 4 * 2**20

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The document in canonical JSON bytes. Raises ConfigurationError that names the key, never the content."""
        if len(data) > cls.max_bytes:
            raise ConfigurationError(cls.__name__, got=f"{len(data)} bytes", expected=f"at most {cls.max_bytes}")
        try:
            parse_canonical(data)
            return cls.model_validate_json(data)
        except EncodingError as error:
            raise ConfigurationError(cls.__name__, got=error.got, expected=error.expected) from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join([cls.__name__, *map(str, first["loc"])])
            raise ConfigurationError(where[:200], got="a value that does not fit", expected=first["msg"]) from error

    def canonical(self) -> bytes:
        """RFC 8785 bytes."""
        return self._canonical

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Validated anew, so that nothing derived from the old values (hash, canonical bytes) is carried along."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**values, **(update or {})})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())

    @cached_property
    def _canonical(self) -> bytes:
        return canonical(self.model_dump(mode="json"))


class CatalogueRef(Document):
    """The data standard a run is bound to: its hash decides, name and version are for people."""

    name: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=100)
    hash: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        _hex64("catalogue.hash", self.hash)
        return self


class Member(Document):
    """One institution of a run: its signing key, its PUBLIC nominal number of records, the features it holds."""

    institution: str
    key: str
    nominal_records: int = Field(ge=1, le=10**12)
    features: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _name("member.institution", self.institution)
        _ = self.verifying_key
        if len(set(self.features)) != len(self.features):
            raise ConfigurationError("member.features", got="a name twice", expected="each feature once")
        return self

    @cached_property
    def verifying_key(self) -> VerifyingKey:
        return _key("member.key", self.key)


def read_recipe(value: Mapping[str, Any]) -> AnyRecipe:
    """A recipe of either kind. Raises ConfigurationError for an unknown, missing or impossible field."""
    return SumRecipe.from_json(value) if "method" in value else Recipe.from_json(value)


def _recipe(value: object) -> AnyRecipe:
    if isinstance(value, SumRecipe) or (isinstance(value, Mapping) and "method" in value):
        return _read_part("plan.recipe", SumRecipe, value)
    return _read_part("plan.recipe", Recipe, value)


def _privacy(value: object) -> PrivacyPlan:
    return _read_part("plan.privacy", PrivacyPlan, value)


class TrainingPlan(Document):
    """One run: who takes part, on which catalogue, with which recipe and privacy plan, and within which limits.

    round_deadline_s   seconds a round may take; a node refuses what arrives later
    max_update_norm    L2 norm above which no honest update of this plan lies, public; larger ones are refused
    expires            Unix time (s) after which every node refuses the plan
    replay             whether masks and noise of every round are drawn from seeds committed to in the log before it
                       (docs/replay.md); False: from the operating system, and no round can be replayed
    bundle_hash        SHA-256 (hex) of the Flower bundle the members have looked at
    """

    format: Literal["fedscore/v1/plan"] = "fedscore/v1/plan"
    run_id: str
    catalogue: CatalogueRef
    recipe: Annotated[AnyRecipe, PlainValidator(_recipe), PlainSerializer(lambda value: value.to_json())]
    privacy: Annotated[PrivacyPlan, PlainValidator(_privacy), PlainSerializer(lambda value: value.to_json())]
    members: tuple[Member, ...] = Field(min_length=1, max_length=MAX_MEMBERS)
    coordinator: str
    quorum: int
    round_deadline_s: float = Field(gt=0, le=7 * 86400)
    bundle_hash: str
    max_update_norm: float = Field(gt=0)
    expires: int = Field(ge=0, le=2**52)
    replay: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raises ConfigurationError for the first rule broken."""
        _name("plan.run_id", self.run_id)
        _key("plan.coordinator", self.coordinator)
        _hex64("plan.bundle_hash", self.bundle_hash)
        names = [member.institution for member in self.members]
        if names != sorted(set(names)):
            raise ConfigurationError("plan.members", got="another order", expected="each institution once, sorted")
        if len({member.key for member in self.members}) != len(names):
            raise ConfigurationError("plan.members", got="one key twice", expected="a key per institution")
        if not 1 <= self.quorum <= len(names):
            raise ConfigurationError("plan.quorum", got=self.quorum, expected=f"1 to {len(names)}")
        self.recipe.check_privacy(self.privacy)
        if self.replay and not replayable(self.recipe):
            raise ConfigurationError("plan.replay", got=f"family {self.recipe.family}", expected="the additive family")
        self._check_sharing()
        return self

    def _check_sharing(self) -> None:
        sharing = self.privacy.sharing
        if sharing is None:
            return
        if (sharing.members, sharing.fewest) != (len(self.members), self.quorum):
            raise ConfigurationError(
                "plan.quorum",
                got=f"{self.quorum} of {len(self.members)} members",
                expected=f"{sharing.fewest} of {sharing.members}, as the noise is shared",
            )

    @cached_property
    def hash(self) -> str:
        """64 hexadecimal digits."""
        return digest(PLAN_LABEL, self.canonical()).hex()

    @cached_property
    def by_name(self) -> dict[str, Member]:
        return {member.institution: member for member in self.members}

    @property
    def rounds(self) -> int:
        return self.privacy.rounds

    def member(self, institution: str) -> Member | None:
        return self.by_name.get(institution)


def replayable(recipe: AnyRecipe) -> bool:
    """Whether rounds of `recipe` are integer arithmetic, so that they can be computed again to the bit."""
    return recipe.family == "additive"


def _read_part(where: str, kind: type[P], value: Any) -> P:
    if isinstance(value, kind):
        return value
    try:
        part = kind.from_json(value)
        same = canonical(part.to_json()) == canonical(value)
    except FederationError as error:
        raise ConfigurationError(f"{where}: {error.where}", got=error.got, expected=error.expected) from error
    except Exception as error:  # whatever a hostile document makes a reader trip over
        raise ConfigurationError(where, got=type(error).__name__, expected=f"a {kind.__name__}") from error
    if not same:
        raise ConfigurationError(where, got="keys that were not read", expected=f"exactly a {kind.__name__}")
    return part


def _name(where: str, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ConfigurationError(where, got=repr(value[:64]), expected="lower-case letters, digits, . _ - (at most 64)")


def _hex64(where: str, value: str) -> None:
    if not _HEX64.fullmatch(value):
        raise ConfigurationError(where, got=f"{len(value)} characters", expected="64 lower-case hexadecimal digits")


def _key(where: str, value: str) -> VerifyingKey:
    _hex64(where, value)
    try:
        return VerifyingKey.from_hex(value)
    except SignatureError as error:  # pragma: no cover - 64 digits are always 32 bytes
        raise ConfigurationError(where, got=error.got, expected=error.expected) from error
