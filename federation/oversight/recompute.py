"""A run computed again from the updates that its rounds say were averaged: does what was published follow? Pure.

    found = recompute(plan, rule_of(catalogue, plan), said, update_of, published=model_hash)
    found.difference                 # None: `found.rounds` rounds follow from their updates, to the bit

Whoever averages could publish anything under the true hashes of what it was sent. Only the updates themselves tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from federation.errors import ConfigurationError, Refused
from federation.oversight.rounds import RoundStatement
from federation.rounds.averaging import model_hash, model_to_bytes
from federation.rounds.plan import TrainingPlan
from federation.rounds.progress import Checkpoint
from federation.rounds.reply import Update
from federation.rounds.rule import Rule


@dataclass(frozen=True)
class Difference:
    """Where what was said does not follow; `round` is None for the published model."""

    round: int | None
    what: str
    got: str
    expected: str

    def __str__(self) -> str:
        where = "published model" if self.round is None else f"round {self.round}"
        return f"{where}: {self.what}: got {self.got}, expected {self.expected}"


@dataclass(frozen=True)
class Recomputed:
    """`rounds`: how many follow, from the first. `published`: whether the published model does."""

    rounds: int
    published: bool = False
    difference: Difference | None = None


def recompute(
    plan: TrainingPlan,
    rule: Rule,
    said: Mapping[int, RoundStatement],
    update_of: Callable[[str], bytes],
    published: str | None = None,
) -> Recomputed:
    """1. The model that a round sent is the one that the rounds before lead to; 2. its result is what the plan's rule
    makes of its updates; 3. the published model, where one is named, is what all rounds lead to.

    said       training rounds by number, as the coordinator signed them
    update_of  the bytes of an update by its hash (hex)
    published  its model hash (hex)

    Raises ConfigurationError for a plan whose updates are masked: one of them alone is noise, and what opens their sum
    is not kept. Raises Refused for bytes that are not the update named, or no update, and what `update_of` raises.
    """
    if plan.privacy.sharing is not None:
        raise ConfigurationError("plan.privacy.noise", got="masked updates", expected="local noise, to be recomputed")
    progress = Checkpoint.start(plan, rule.initial())
    for number in range(1, plan.rounds + 1):
        statement = said.get(number)
        if statement is None:
            return Recomputed(progress.round)
        sent = model_hash(progress.model_bytes).hex()
        if statement.model_hash != sent:
            return _differs(number, "model sent", statement.model_hash, sent)
        taken = {
            name: _update(rule, number, name, each.update_hash, update_of) for name, each in statement.updates.items()
        }
        combined = rule.combine({name: update.vector for name, update in taken.items()})
        progress = progress.advance(plan, taken, rule.follow(number, progress.parameters, combined))
        result = model_hash(progress.model_bytes).hex()
        if statement.result_hash != result:
            return _differs(number, "result", statement.result_hash, result)
    final = model_hash(model_to_bytes(progress.published)).hex()
    if published is not None and published != final:
        return Recomputed(progress.round, difference=Difference(None, "model", published, final))
    return Recomputed(progress.round, published is not None)


def _update(rule: Rule, number: int, name: str, named: str, update_of: Callable[[str], bytes]) -> Update:
    update = Update.of(name, rule.form(number).read(update_of(named)))
    if update.update_hash != named:
        raise Refused("wrong_update", f"round {number}: {name}", got=update.update_hash, expected=named)
    return update


def _differs(number: int, what: str, got: str, expected: str) -> Recomputed:
    return Recomputed(number - 1, difference=Difference(number, what, got, expected))
