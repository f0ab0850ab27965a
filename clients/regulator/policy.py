"""policy.toml: what the regulator knows of its own accord, and what it demands. Never part of an export.

policy = Policy.read(Path("policy.toml"))
policy.quorum, policy.log.key, policy.caps.year
"""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from federation.errors import ConfigurationError
from federation.runtime.wording import complaint
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Quorum, VerifierKey, WitnessVerifier

_HEX = r"^[0-9a-f]{64}$"
Hex = Annotated[str, Field(pattern=_HEX)]
Real = Annotated[float, BeforeValidator(lambda value: float(value) if type(value) is int else value)]


class Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class Keys(Part):
    """Ed25519 public keys (hex), learnt over another channel than the export.

    ombudsman   of the second holder of the seeds of spot checks; empty: the regulator draws alone
    """

    log: Hex
    coordinator: Hex
    regulator: Hex
    ombudsman: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class Witness(Part):
    """`name` is for people. `required`: no quorum without it, as without the regulator's own."""

    name: str = Field(min_length=1, max_length=64)
    key: Hex
    required: bool = False


class Limits(Part):
    """The most epsilon (PLD for a run, the Renyi filter for year and lifetime) that any ledger may state or allow.

    delta                  the largest that anything may be measured at
    records_per_delta      delta may be at most 1 / (this x nominal records)
    noise_multiplier       the least that a release may have
    person                 the most epsilon for a person known to `person_institutions` members, over all time
    """

    run: Real = Field(gt=0)
    year: Real = Field(gt=0)
    lifetime: Real = Field(gt=0)
    delta: Real = Field(gt=0, lt=1)
    records_per_delta: Real = Field(default=10.0, gt=0)
    noise_multiplier: Real = Field(default=0.5, gt=0)
    person: Real | None = Field(default=None, gt=0)
    person_institutions: int | None = Field(default=None, ge=1)


class Accounting(Part):
    """`agreement`: what two accountants may differ by. `sample`: entries whose history is recomputed, beside all ends.

    seed  the regulator's own (hex, kept to itself until the report): whoever writes the log cannot know what is drawn

    compositions, mechanisms   so many histories of one institution are recomputed, of so many mechanisms each: an
                               institution chooses what it charges, and must not choose how long verification takes
    """

    agreement: Real = Field(default=0.02, gt=0)
    sample: int = Field(default=16, ge=0, le=10_000)
    seed: str = Field(default="", pattern=r"^([0-9a-f]{2})*$")
    compositions: int = Field(default=500, ge=1, le=100_000)
    mechanisms: int = Field(default=100, ge=1, le=10_000)


class Seen(Part):
    """The last checkpoint that the regulator verified. A later export may only add to it."""

    size: int = Field(ge=0)
    root: Hex


class Policy(Part):
    """Raises ConfigurationError (through `read`) naming the key at fault.

    audits_must_pass   an audit or replay that failed, or was not answered in time, fails its step; False: is only noted
    replays_required   no training round without a commitment that it can be replayed from
    """

    name: str = Field(default="regulator", max_length=100)
    keys: Keys
    witnesses: tuple[Witness, ...] = Field(min_length=1)
    faults: int | None = Field(default=None, ge=0)
    caps: Limits
    accounting: Accounting = Accounting()
    seen: Seen | None = None
    audits_must_pass: bool = True
    replays_required: bool = False

    @model_validator(mode="after")
    def _quorum_exists(self) -> Self:
        if not self.quorum.required:
            got, expected = "no witness that is required", "the regulator's own, at least, with required = true"
            raise ConfigurationError("policy.witnesses", got=got, expected=expected)
        return self

    @classmethod
    def read(cls, path: Path) -> Policy:
        """The policy in a TOML file."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(str(path), got=error.strerror, expected="a policy (TOML)") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(str(path), got=str(error), expected="a policy (TOML)") from error
        return cls.of(values, str(path))

    @classmethod
    def of(cls, values: dict[str, Any], where: str = "policy") -> Policy:
        """The policy in parsed TOML."""
        listed = values.get("witnesses")
        try:
            return cls.model_validate({**values, "witnesses": tuple(listed) if isinstance(listed, list) else listed})
        except ValidationError as error:
            raise complaint(ConfigurationError, f"{where}: ", error) from error
        except ProtocolError as error:
            raise ConfigurationError(f"{where}: {error.field}", got=error.got, expected=error.expected) from error

    @cached_property
    def log(self) -> VerifierKey:
        return VerifierKey.of(VerifyingKey.from_hex(self.keys.log))

    @cached_property
    def coordinator(self) -> VerifyingKey:
        return VerifyingKey.from_hex(self.keys.coordinator)

    @cached_property
    def regulator(self) -> VerifyingKey:
        return VerifyingKey.from_hex(self.keys.regulator)

    @cached_property
    def ombudsman(self) -> VerifyingKey | None:
        return VerifyingKey.from_hex(self.keys.ombudsman) if self.keys.ombudsman else None

    @cached_property
    def quorum(self) -> Quorum:
        if len({witness.name for witness in self.witnesses}) != len(self.witnesses):
            raise ConfigurationError("policy.witnesses", got="one name twice", expected="a name for each witness")
        everybody = {witness.name: WitnessVerifier.of(VerifyingKey.from_hex(witness.key)) for witness in self.witnesses}
        required = tuple(everybody[witness.name] for witness in self.witnesses if witness.required)
        if self.faults is None:
            return Quorum.of(everybody.values(), required=required)
        return Quorum(tuple(everybody.values()), self.faults, required)
