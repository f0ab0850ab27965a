"""Answers that cost budget but carry no noise, if a coordinator can make them depend on whether one record is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rounds_world import BUNDLE, COORDINATOR, START, Bank, Clock, catalogue, key_of, make_plan, privacy, records, sign

from clients.institution.policy import Policy
from clients.institution.training import Computation
from federation.errors import PrivacyError, RecordsError, Refused
from federation.privacy import OsNoise
from federation.records.encoded import Encoded
from federation.rounds import Code
from federation.rounds.averaging import model_to_bytes
from federation.training import Recipe, dimension
from federation.training.embedding import Embedding
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.wire.training_pb2 import Envelope, Phase, PlanApproval, PlanProposal, Refusal, RoundRequest

ADDITIVE = Recipe(learning_rate=1e4, momentum=0.9, average_last=1)
NETWORK = Recipe(family="mlp", hidden=(1, 1, 1, 1), learning_rate=1e4, momentum=0.9, average_last=1)
LOUD = privacy().model_copy(update={"clip": 1e3, "steps_per_round": 3})
TARGET = np.array([feature.n_cells - 1 for feature in catalogue().features], dtype=np.uint8)


def held(present: bool) -> Encoded:
    """200 records, and the target besides where it is `present`."""
    others = records(1, 200)
    kept = others.take(~(others.codes == TARGET).all(axis=1))
    if not present:
        return kept
    protected = {name: np.append(values, values[:1]) for name, values in kept.protected.items()}
    return Encoded(np.vstack([kept.codes, TARGET]), np.append(kept.target, np.uint8(0)), protected)


def bank_with(own: Encoded) -> Bank:
    bank = Bank("bank-a", Clock(), policy=Policy(500, lambda: frozenset({BUNDLE}), families=("additive", "mlp")))
    bank.computation = Computation(catalogue(), own, own, OsNoise())  # type: ignore[assignment]
    bank.restart()
    return bank


def ask(bank: Bank, recipe: Recipe, model: np.ndarray, phase: Any) -> Envelope:
    plan = make_plan(("bank-a",), recipe=recipe, privacy=LOUD, quorum=1)
    open_envelope(bank.node.handle(seal(PlanProposal(plan=plan.canonical()), COORDINATOR)), PlanApproval, key())
    request = RoundRequest(
        signed_plan=sign(plan).canonical(),
        plan_hash=bytes.fromhex(plan.hash),
        phase=phase,
        round=1 if phase == Phase.TRAIN else 0,
        model=model_to_bytes(model.astype(np.float32)),
        deadline_ms=int((START + 60) * 1000),
    )
    return read_envelope(bank.node.handle(seal(request, COORDINATOR)))


def key() -> Any:
    return key_of("bank-a").public


def pointed_at(recipe: Recipe, size: float) -> np.ndarray:
    """A model whose log-odds, and what they are made of, are as large as `size` allows for the target."""
    direction = Embedding.of(catalogue()).dense(TARGET[None])[0]
    model = np.full(dimension(catalogue(), recipe), size)
    model[: len(direction)] = size * direction / np.abs(direction).max()
    return model


@pytest.mark.parametrize("size", [1e6, -1e6, 9.9e5])
@pytest.mark.parametrize("recipe", [ADDITIVE, NETWORK], ids=["additive", "mlp"])
@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.EVALUATE])
def test_the_largest_models_are_answered_whoever_is_there(phase: Any, recipe: Recipe, size: float) -> None:
    for own in (held(True), held(False), held(True).take(np.arange(0))):
        assert ask(bank_with(own), recipe, pointed_at(recipe, size), phase).kind == "RoundReply"


@pytest.mark.parametrize("recipe", [ADDITIVE, NETWORK], ids=["additive", "mlp"])
def test_a_model_that_float32_cannot_carry_is_refused_before_budget(recipe: Recipe) -> None:
    """At 4e37 the dense arithmetic of float32 overflows for the target alone."""
    for present in (True, False):
        bank = bank_with(held(present))
        answer = ask(bank, recipe, pointed_at(recipe, 4e37), Phase.TRAIN)
        assert open_envelope(answer.SerializeToString(), Refusal, key()).code == Code.OVERSIZED
        assert "reserve" not in bank.kinds()


ERRORS: list[Callable[[], Exception]] = [
    lambda: ValueError("the record of Jane Doe"),
    lambda: FloatingPointError("overflow"),
    lambda: MemoryError(),
    lambda: PrivacyError("mechanism.total", got="NaN", expected="finite sums"),
    lambda: Refused(Code.NOT_FINITE, "update", got="NaN", expected="finite numbers"),
]


def test_every_failure_after_a_reservation_is_answered_alike_and_charged() -> None:
    told = set()
    for make in ERRORS:

        def fail(*_: Any, make: Callable[[], Exception] = make) -> Any:
            raise make()

        bank = bank_with(held(True))
        bank.computation.train = fail  # type: ignore[method-assign]
        answer = ask(bank, ADDITIVE, np.zeros(dimension(catalogue(), ADDITIVE)), Phase.TRAIN)
        message = open_envelope(answer.SerializeToString(), Refusal, key())
        told.add((message.code, message.field, message.got, message.expected))
        assert bank.kinds() == ["reserve", "spend", "refuse"]
        assert bank.ledger.entries()[1].entry.error == Code.INTERNAL
    assert told == {("internal", "node", "an error", "an answer")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda own: replace(own, codes=np.full_like(own.codes, 255)),
        lambda own: replace(own, target=np.full_like(own.target, 2)),
        lambda own: replace(own, codes=own.codes[:, 1:]),
        lambda own: Encoded(own.codes),
    ],
    ids=["a code that is no cell", "an outcome that is none", "a column short", "no outcomes"],
)
def test_records_that_cannot_be_computed_with_are_refused_before_anybody_asks(spoil: Any) -> None:
    for pair in ((spoil(held(True)), held(True)), (held(True), spoil(held(True)))):
        with pytest.raises(RecordsError):
            Computation(catalogue(), *pair, OsNoise())
