"""A whole federation in this process: the product's own plan, nodes, ledgers and round driver over a grid of functions.

Nothing of the private path is written anew here. What differs from a deployment is said where it is chosen: noise and
sampling come from a seed (the records are one owner's own, so a back-test may be repeatable), ledgers and plans are in
memory, and no evaluation release is bought, because the owner may look at its own test records for nothing.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clients.institution.masking import Masking, MaskMemory
from clients.institution.node import Node
from clients.institution.partners import bare
from clients.institution.plan_store import PlanStore
from clients.institution.policy import Policy
from clients.institution.training import Computation
from federation.catalogue import Catalogue
from federation.errors import LedgerError
from federation.ledger import Caps, Ledger
from federation.models import PublishedModel
from federation.privacy import Claims, SeededNoise, epsilons
from federation.records.encoded import Encoded
from federation.rounds import Member, TrainingPlan
from federation.rounds.rule import logits_of, rule_of
from federation.runtime.flower.in_process import InProcessGrid
from federation.runtime.pki import key_fingerprint
from protocols.canonical import digest
from protocols.signing import SigningKey
from server.assembly import Pace
from server.checkpoint_store import CheckpointStore
from server.choices import Method, Noise
from server.oversight.trail import Unlogged
from server.plans import PlanOptions, build_plan
from server.round_driver import RoundDriver

_BUNDLE = digest("fedscore/v1/backtest-bundle", b"no bundle: every node is in this process").hex()
_DEADLINE_S = 600.0


@dataclass(frozen=True)
class Trained:
    """One finished run: the published model, and what every ledger says was spent."""

    catalogue: Catalogue
    model: PublishedModel
    claims: Claims

    @property
    def plan(self) -> TrainingPlan:
        return self.model.plan

    def logits(self, records: Encoded) -> NDArray[np.float64]:
        """Log-odds of BAD of the published model."""
        return logits_of(self.catalogue, self.plan, self.model.vector, records)


def train_in_process(
    catalogue: Catalogue,
    members: Sequence[Encoded],
    nominal: Sequence[int],
    *,
    epsilon: float,
    delta: float,
    seed: int,
    force: bool = False,
    noise: Noise | None = None,
    method: Method | None = None,
) -> Trained:
    """Train one model over `members`, whose public sizes are `nominal`. Repeatable in `seed`.

    Raises TooFewRecords (unless `force`), PrivacyError (budget),
    RunFailed (a node refused), LedgerError (ledgers that do not agree with the plan).
    """
    names = [f"institution-{k + 1:03d}" for k in range(len(members))]
    keys = {name: SigningKey.generate() for name in names}
    coordinator = SigningKey.generate()
    options = PlanOptions(
        run_id=f"backtest-{seed}",
        coordinator=coordinator.public.hex,
        bundle_hash=_BUNDLE,
        now=time.time(),
        epsilon=epsilon,
        delta=delta,
        spare_rounds=0,
        evaluation_share=0.0,
        quorum=len(names),
        round_deadline_s=_DEADLINE_S,
        force=force,
        noise=noise,
        method=method,
    )
    plan = _plan(catalogue, keys, nominal, options)
    ledgers = {
        name: Ledger.in_memory(institution=name, key=keys[name], caps=Caps(epsilon, 10 * epsilon, 10 * epsilon, delta))
        for name in names
    }
    nodes = [
        _node(catalogue, name, keys, coordinator, ledgers[name], records, size, seed * 1000 + k)
        for k, (name, records, size) in enumerate(zip(names, members, nominal, strict=True))
    ]
    with tempfile.TemporaryDirectory(prefix="fedscore-backtest-") as folder:
        driver = RoundDriver(
            InProcessGrid({k + 2: node.handle for k, node in enumerate(nodes)}),
            plan,
            CheckpointStore(Path(folder), durable=False),
            coordinator,
            trail=Unlogged(),
            rule=rule_of(catalogue, plan),
            pace=Pace.at_once(),
        )
        model = driver.run()
    return Trained(catalogue, model, _spent(ledgers, plan))


def _plan(
    catalogue: Catalogue, keys: dict[str, SigningKey], nominal: Sequence[int], options: PlanOptions
) -> TrainingPlan:
    """The coordinator's own plan for this roster; the whole budget goes into training, and every member must answer."""
    roster = [
        Member(institution=name, key=key.public.hex, nominal_records=size, features=catalogue.feature_names)
        for (name, key), size in zip(keys.items(), nominal, strict=True)
    ]
    return build_plan(roster, catalogue, options)


def _node(
    catalogue: Catalogue,
    name: str,
    keys: Mapping[str, SigningKey],
    coordinator: SigningKey,
    ledger: Ledger,
    records: Encoded,
    nominal: int,
    seed: int,
) -> Node:
    nothing = records.take(np.zeros(len(records), dtype=np.bool_))
    partners = frozenset(bare(key_fingerprint(key.public)) for key in keys.values())  # all are one owner's
    return Node(
        name,
        keys[name],
        coordinator.public,
        ledger=ledger,
        computation=Computation(catalogue, records, nothing, SeededNoise(seed)),
        policy=Policy(nominal_records=nominal, bundles=lambda: frozenset({_BUNDLE}), vintage="backtest"),
        plans=PlanStore.open("sqlite://"),
        masking=Masking(name, keys[name], MaskMemory(), os.urandom, lambda: partners),
        backtest=True,
    )


def _spent(ledgers: dict[str, Ledger], plan: TrainingPlan) -> Claims:
    """What one institution spent, read back from the ledgers, which must all verify and agree with the plan."""
    claims = epsilons(plan.privacy.events(), plan.privacy.delta)
    for name, ledger in ledgers.items():
        ledger.verify()
        spent = ledger.claims("run", plan.run_id)
        if abs(spent.pld - claims.pld) > 1e-9:
            raise LedgerError(f"ledger of {name}", got=f"epsilon {spent.pld}", expected=f"{claims.pld}")
    return claims
