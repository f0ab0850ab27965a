"""A run computed again from the updates that its rounds say went into them: does what was published follow? Pure.

    found = recompute(plan, rule_of(catalogue, plan), said, update_of, published=model_hash, own=own)
    found.difference                 # None: `found.rounds` rounds follow from their updates, to the bit
    found.unchecked                  # what nobody can check who is not the coordinator

Whoever averages could publish anything under the true hashes of what it was sent. Only the updates themselves tell; of
masked ones the opened sum, which is their own sum where nobody may drop out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from federation.errors import ConfigurationError, Refused
from federation.oversight.rounds import RoundStatement
from federation.rounds.averaging import model_hash, model_to_bytes, update_hash
from federation.rounds.plan import TrainingPlan
from federation.rounds.progress import Checkpoint
from federation.rounds.reply import Update
from federation.rounds.rule import Rule
from federation.rounds.vectors import I64, Form, to_bytes

UpdateOf = Callable[[str], bytes]  # the bytes of an update, or of an opened sum, by its hash (hex)

OTHERS = "that the other members sent the updates named as theirs: each can say so of its own, and a regulator of all"
OPENED = (
    "that the sums opened are those of the masked updates: where members may drop out, only the coordinator sees it"
)
EVALUATED = "the sum of the evaluation: rounds of training alone are computed again"


@dataclass(frozen=True)
class Own:
    """What `institution` sent, by its own ledger: {hash of the reservation: hash of the update}.

    whole  the ledger has all that it ever sent; one that carries on an ended one has not
    """

    institution: str
    sent: Mapping[str, str] = field(repr=False)
    whole: bool = True

    def differs(self, said: RoundStatement) -> str | None:
        """What it sent, or that it sent nothing, where `said` has another update as its own; None where it has not."""
        mine = said.updates.get(self.institution)
        known = None if mine is None else self.sent.get(mine.reservation_hash)
        if mine is None or known == mine.update_hash or (known is None and not self.whole):
            return None
        return known or "none of this reservation"

    def is_in(self, said: RoundStatement) -> bool:
        """Whether its update is among those of a round, as it sent it."""
        mine = said.updates.get(self.institution)
        return mine is not None and self.sent.get(mine.reservation_hash) == mine.update_hash


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
    """`rounds`: how many follow, from the first. `published`: whether the published model does.

    masked     whether updates were under masks
    own        in how many of these rounds the institution's own update is, as it sent it
    unchecked  what does not show from where whoever asks sits
    """

    rounds: int
    published: bool = False
    difference: Difference | None = None
    masked: bool = False
    own: int = 0
    unchecked: tuple[str, ...] = ()


def recompute(
    plan: TrainingPlan,
    rule: Rule,
    said: Mapping[int, RoundStatement],
    update_of: UpdateOf,
    published: str | None = None,
    own: Own | None = None,
) -> Recomputed:
    """1. The model that a round sent is the one that the rounds before lead to; 2. whose update is in it are members,
    at least a quorum, and `own` as it was sent; 3. under masks the sum is the one that was logged, and where nobody may
    drop out the sum of the masked updates themselves; 4. its result is what the plan's rule makes of updates or sum;
    5. the published model, where one is named, is what all rounds lead to.

    said       training rounds by number, as the coordinator signed them
    published  its model hash (hex)

    Raises ConfigurationError for masked rounds whose sum was never logged. Raises Refused for bytes that are not what
    is named, or no update, and what `update_of` raises.
    """
    progress, own_rounds = Checkpoint.start(plan, rule.initial()), 0

    def found(difference: Difference | None = None, *, follows: bool = False) -> Recomputed:
        masked, unchecked = plan.privacy.sharing is not None, _unchecked(plan)
        return Recomputed(progress.round, follows, difference, masked, own_rounds, unchecked)

    for number in range(1, plan.rounds + 1):
        statement = said.get(number)
        if statement is None:
            return found()
        after = _after(plan, rule, progress, statement, update_of, own)
        if isinstance(after, Difference):
            return found(after)
        progress = after
        own_rounds += own is not None and own.is_in(statement)
    final = model_hash(model_to_bytes(progress.published)).hex()
    if published is not None and published != final:
        return found(Difference(None, "model", published, final))
    return found(follows=published is not None)


def _after(
    plan: TrainingPlan,
    rule: Rule,
    progress: Checkpoint,
    said: RoundStatement,
    update_of: UpdateOf,
    own: Own | None,
) -> Checkpoint | Difference:
    """What the next round leads to, or where what was said of it does not follow."""
    number, sent = progress.round + 1, model_hash(progress.model_bytes).hex()
    if said.model_hash != sent:
        return Difference(number, "model sent", said.model_hash, sent)
    strangers = said.updates.keys() - plan.by_name.keys()
    if strangers or len(said.updates) < plan.quorum:
        return Difference(number, "members", ", ".join(sorted(said.updates)), f"{plan.quorum} of the plan's at least")
    if own is not None and (sent_by_own := own.differs(said)) is not None:
        got = said.updates[own.institution].update_hash
        return Difference(number, f"update of {own.institution}", got, sent_by_own)
    taken = {name: _update(rule, number, name, each.update_hash, update_of) for name, each in said.updates.items()}
    vectors = {name: update.vector for name, update in taken.items()}
    if plan.privacy.sharing is None:
        combined = rule.combine(vectors)
    else:
        form = rule.masked_form(number)
        combined = _opened(form.total, said, update_of)
        if not plan.privacy.sharing.droppers and not np.array_equal(combined, summed := form.sum(vectors.values())):
            return Difference(number, "sum", said.sum_hash, update_hash(to_bytes(summed)).hex())
    after = progress.advance(plan, taken, rule.follow(number, progress.parameters, combined))
    result = model_hash(after.model_bytes).hex()
    return after if said.result_hash == result else Difference(number, "result", said.result_hash, result)


def _opened(form: Form, said: RoundStatement, update_of: UpdateOf) -> I64:
    """The logged sum, int64 [width]."""
    where = f"round {said.round}: sum"
    if not said.sum_hash:
        raise ConfigurationError(
            where, got="masked updates, and no sum in the log", expected="the hash of what was opened"
        )
    data = update_of(said.sum_hash)
    named = update_hash(data).hex()
    if named != said.sum_hash:
        raise Refused("wrong_update", where, got=named, expected=said.sum_hash)
    return form.read(data).astype(np.int64)


def _update(rule: Rule, number: int, name: str, named: str, update_of: UpdateOf) -> Update:
    update = Update.of(name, rule.form(number).read(update_of(named)))
    if update.update_hash != named:
        raise Refused("wrong_update", f"round {number}: {name}", got=update.update_hash, expected=named)
    return update


def _unchecked(plan: TrainingPlan) -> tuple[str, ...]:
    sharing = plan.privacy.sharing
    opened = (OPENED,) if sharing is not None and sharing.droppers else ()
    return (OTHERS, *opened, *((EVALUATED,) if plan.privacy.evaluation_multiplier is not None else ()))
