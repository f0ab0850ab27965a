"""The one-run audit: many canaries, each there or not by the toss of a coin, in one whole run of the trainer.

Steinke, Nasr, Jagielski, "Privacy auditing with one (1) training run", arXiv:2305.08846. The audited event is the whole
run: every planned and spare round, sampled and noised as in production, from a model that is wrong about all canaries.
Who was there is guessed from the sum of all updates, from their linear regression on the canaries' gradients; only the
surest guesses count. The bound assumes no form of noise.

A smoke test. An additive model has some 150 parameters, the canaries' gradients overlap, and a hundred guesses bound
little: 30, all of them right, show epsilon 1.8. It sees a tenth of the noise where epsilon 1 is claimed, and nothing
where epsilon 4 is.
"""

from __future__ import annotations

import numpy as np

from federation.audits.bounds import guessed_epsilon
from federation.audits.finding import Check, Finding
from federation.audits.instrument import Bench
from federation.audits.subject import Subject, seeded_records
from federation.privacy.accounting import spent
from federation.records.encoded import Encoded

ALPHA = 1e-2  # the bound is above the truth with at most this probability; an honest trainer shows far less than it has
SHARE = 0.4  # canaries for each parameter: beyond it regression has little left to tell them apart by
MOST = 60  # canaries
GUESSED = 0.5  # of the canaries: those whose scores are highest and lowest
_CERTAIN = 40.0  # how far the model is pushed to be wrong about all of them


def check_one_run(subject: Subject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """One finding: the epsilon of the run that right guesses show. Raises PrivacyError for updates that are none."""
    bench, privacy = Bench(subject.build, subject.claim, subject.noise), subject.claim.privacy
    count = max(1, min(MOST, int(SHARE * len(subject.initial))))
    drawn = seeded_records(subject.cells, count, generator)
    canaries = Encoded(drawn.codes, np.zeros(count, dtype=np.uint8))
    uphill = bench.clipped_sum(subject.initial, canaries, 0)
    start = (subject.initial + _CERTAIN * uphill / max(float(np.linalg.norm(uphill)), 1e-300)).astype(np.float32)
    gradients = np.stack([bench.clipped_sum(start, canaries.take(np.array([i])), 0) for i in range(count)])
    there = generator.random(count) < 0.5
    rounds = privacy.rounds + privacy.spare_rounds
    seen = np.sum([bench.produced(start, canaries.take(there)) for _ in range(rounds)], axis=0)
    scores = np.linalg.lstsq(gradients.T, seen)[0]
    order, half = np.argsort(scores), max(1, round(count * GUESSED / 2))
    right = int(there[order[-half:]].sum() + (~there[order[:half]]).sum()) if count > 1 else 0
    least = guessed_epsilon(count, 2 * half, right, delta=privacy.delta, alpha=ALPHA)
    claimed = spent([privacy.round_event()] * rounds, privacy.delta)
    return (Finding.bounded(Check.ONE_RUN, claimed, least, ALPHA),)
