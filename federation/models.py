"""The published model: parameters beside the plan they were trained under and what was averaged into them.

>>> from federation.models import PublishedModel
>>> sorted(PublishedModel.model_fields)
['checkpoint', 'format', 'institutions', 'parameters', 'signature', 'signed_plan']

Whoever holds the members' updates can recompute the parameters to the bit: the hash of every update, the weights (the
plan's nominal sizes) and the rule (`federation.rounds.rule`, mean of the last models) are all in the document;
`federation.oversight.recompute` does it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from federation.errors import ConfigurationError
from federation.privacy.lattice import POINTS
from federation.rounds.averaging import F32, model_hash, model_to_bytes
from federation.rounds.plan import Document, TrainingPlan
from federation.rounds.progress import Checkpoint, RoundRecord
from federation.rounds.reply import Update
from federation.rounds.rule import summed_model
from federation.rounds.signed_plan import SignedPlan
from federation.rounds.vectors import I64
from federation.training import Recipe, cell_effects
from protocols.canonical import canonical
from protocols.errors import SignatureError
from protocols.signing import SigningKey, VerifyingKey

if TYPE_CHECKING:
    from federation.catalogue import Catalogue

MODEL_LABEL = "fedscore/v1/published-model"
EVALUATION_LABEL = "fedscore/v1/published-evaluation"


class Published(Document):
    """A document of the coordinator: `signature` is hex, over everything else in it."""

    max_bytes: ClassVar[int] = 2**30

    signature: str = Field(repr=False)

    def _signed_bytes(self) -> bytes:
        return canonical(self.model_dump(mode="json", exclude={"signature"}))

    def _verify(self, label: str, plan: TrainingPlan) -> None:
        try:
            signature = bytes.fromhex(self.signature)
        except ValueError as error:
            raise SignatureError("signature", got="no hexadecimal digits", expected="128 of them") from error
        VerifyingKey.from_hex(plan.coordinator).verify(label, self._signed_bytes(), signature)


class PublishedModel(Published):
    """`parameters`: base64 of flat float32, little-endian; `checkpoint`: one record per round."""

    format: Literal["fedscore/v1/model"] = "fedscore/v1/model"
    signed_plan: SignedPlan
    parameters: str = Field(repr=False)
    institutions: tuple[str, ...]
    checkpoint: tuple[RoundRecord, ...]

    @classmethod
    def publish(cls, signed_plan: SignedPlan, checkpoint: Checkpoint, key: SigningKey) -> Self:
        """Raises ConfigurationError unless every round of the plan is in `checkpoint`."""
        if checkpoint.round != signed_plan.plan.rounds:
            raise ConfigurationError("model.rounds", got=checkpoint.round, expected=signed_plan.plan.rounds)
        took_part = sorted({name for record in checkpoint.rounds for name in record.updates})
        unsigned = cls(
            signed_plan=signed_plan,
            parameters=base64.b64encode(model_to_bytes(checkpoint.published)).decode("ascii"),
            institutions=tuple(took_part),
            checkpoint=checkpoint.rounds,
            signature="",
        )
        return unsigned.model_copy(update={"signature": key.sign(MODEL_LABEL, unsigned._signed_bytes()).hex()})

    def verify(self) -> None:
        """Raises Refused or SignatureError unless all members approved the plan and the coordinator signed this."""
        self.signed_plan.verify()
        self._verify(MODEL_LABEL, self.plan)

    @property
    def plan(self) -> TrainingPlan:
        return self.signed_plan.plan

    @cached_property
    def vector(self) -> F32:
        """float32 [d]. Raises ConfigurationError unless the parameters are finite float32 numbers."""
        try:
            data = base64.b64decode(self.parameters, validate=True)
            vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError("model.parameters", got="unreadable", expected="base64 of float32") from error
        if not np.isfinite(vector).all():
            raise ConfigurationError("model.parameters", got="NaN or infinity", expected="finite numbers")
        return vector

    @property
    def hash(self) -> str:
        """64 hexadecimal digits: the model hash of the parameters, as evaluation requests name it."""
        return model_hash(model_to_bytes(self.vector)).hex()


@dataclass(frozen=True)
class Effects:
    """What an additive model's cells add to the log-odds of BAD, as tables.

    cells   float64 [n_cells] per feature
    pairs   float64 [cells of the first, of the second] per pair of the catalogue; empty for a recipe without
    knots   (raw, calibrated) log-odds; empty for a model that is not recalibrated
    shares  how records spread over the cells of each feature, as training itself released it; None: it did not
    """

    cells: tuple[NDArray[np.float64], ...]
    pairs: tuple[NDArray[np.float64], ...] = ()
    knots: tuple[tuple[float, float], ...] = ()
    shares: tuple[NDArray[np.float64], ...] | None = None


def effects_of(model: PublishedModel, catalogue: Catalogue) -> Effects:
    """The tables of a model of the additive family. Raises ConfigurationError for another family."""
    recipe = model.plan.recipe
    if isinstance(recipe, Recipe):
        return Effects(cell_effects(catalogue, recipe, model.vector))
    made, state = summed_model(catalogue, model.plan), model.vector
    return Effects(made.effects(state), made.pair_effects(state), made.calibration(state), made.shares(state) or None)


class PublishedEvaluation(Published):
    """The sum of the members' noisy histogram vectors over their holdouts (`federation.evaluation.EvaluationSpec`).

    counts   float64 [m], the sum; every entry carries Gaussian noise of standard deviation `sd`
    updates  {institution: hash of the vector it sent}
    """

    format: Literal["fedscore/v1/evaluation"] = "fedscore/v1/evaluation"
    plan_hash: str
    model_hash: str
    updates: dict[str, str]
    counts: tuple[float, ...]
    sd: float

    @classmethod
    def publish(cls, plan: TrainingPlan, model: bytes, updates: Mapping[str, Update], key: SigningKey) -> Self:
        """The sum in the order of the names. Raises ConfigurationError for a plan without an evaluation."""
        multiplier = plan.privacy.evaluation_multiplier
        if multiplier is None or not updates:
            raise ConfigurationError("evaluation", got="nothing to publish", expected="a plan and replies with one")
        total = np.sum([updates[name].vector.astype(np.float64) for name in sorted(updates)], axis=0)
        return cls._signed(plan, model, updates, total, multiplier * len(updates) ** 0.5, key)

    @classmethod
    def of_sum(
        cls, plan: TrainingPlan, model: bytes, updates: Mapping[str, Update], total: I64, key: SigningKey
    ) -> Self:
        """Of masked answers: `total` is their opened sum, int64 [m] in lattice points."""
        share = plan.privacy.evaluation_noise_share()
        return cls._signed(plan, model, updates, total / POINTS, float(share) * len(updates) ** 0.5, key)

    @classmethod
    def _signed(
        cls,
        plan: TrainingPlan,
        model: bytes,
        updates: Mapping[str, Update],
        counts: NDArray[np.float64],
        sd: float,
        key: SigningKey,
    ) -> Self:
        unsigned = cls(
            plan_hash=plan.hash,
            model_hash=model_hash(model).hex(),
            updates={name: updates[name].update_hash for name in sorted(updates)},
            counts=tuple(counts.tolist()),
            sd=sd,
            signature="",
        )
        return unsigned.model_copy(update={"signature": key.sign(EVALUATION_LABEL, unsigned._signed_bytes()).hex()})

    def verify(self, plan: TrainingPlan) -> None:
        """Raises ConfigurationError or SignatureError unless this is the coordinator's evaluation under `plan`."""
        if self.plan_hash != plan.hash:
            raise ConfigurationError("evaluation.plan_hash", got=self.plan_hash, expected=plan.hash)
        self._verify(EVALUATION_LABEL, plan)
