"""What pages have most to show of: a card whose figures come from a release over records, an epoch, a replay that lies.

world = graded()             # `told`, with that card: nothing wrong with the log
card_of(world)               # the figures that pages must show
world = disputed()           # and an audit that measured too much, a replay that differs, one unanswered
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from oversight_federation import catalogue
from oversight_replays import CODE
from oversight_world import NOW, RUN, World, key_of
from regulator_samples import exceeding, told
from scores_world import world as simulated

from federation.evaluation import EvaluationSpec, Findings
from federation.evaluation.model_card import build_card
from federation.models import PublishedModel
from federation.oversight.replay import Draw, ReplayResult
from federation.scorecard import Scaling
from protocols.canonical import canonical
from protocols.transparency import Entry
from server.lookup.relay import LOG_KIND, log_body, own_step

CARD = f"runs/{RUN}/card.json"
EPOCH = {"propose": 1, "secrets": 2, "erased": 1}  # steps of epoch 7
_DEADLINE = NOW + 30 * 86_400


def findings() -> Findings:
    """Of 6,000 simulated subjects, as the noisy release of an evaluation gives them; one group is scored worse."""
    records, log_odds = simulated(5, 6_000, catalogue())
    first = catalogue().protected[0]
    unequal = log_odds + 1.2 * (records.protected[first.name] == 1)
    spec = EvaluationSpec.from_catalogue(catalogue())
    noise = np.random.default_rng(3).normal(0, 3.0, spec.size)
    return Findings.of_release(spec.read(spec.counts(unequal, records) + noise, 3.0), Scaling())


@cache
def graded() -> World:
    model = PublishedModel.read(told().documents[f"runs/{RUN}/model.json"])
    card = json.dumps(build_card(model, catalogue(), findings()).to_json(), indent=1).encode()
    world = replace(told(), documents={**told().documents, CARD: card})
    world = world.resaid(world.find("model"), card_hash=hashlib.sha256(card).hexdigest())
    return world.inserted(len(world.entries), *_epoch())


def card_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.documents[CARD])
    return found


@cache
def disputed() -> World:
    """Draws of bank-c: one whose replay differs, one that nobody answered; and bank-b's audit."""
    drawn = [_draw("bank-c", 1), _draw("bank-c", 2)]
    place = (RUN, "train", 1, 1)
    result = ReplayResult("bank-c", *place, drawn[0].hash.hex(), "ab" * 32, CODE, ("update_differs",))
    world = graded()
    audit = exceeding().entries[-1]
    said = (*(entry.data for entry in drawn), result.entry(key_of("bank-c")).data, audit)
    return world.inserted(len(world.entries), *said)


def _draw(institution: str, round: int) -> Entry:
    deadline = _DEADLINE if round == 1 else NOW + 100
    return Draw(institution, RUN, "train", round, 1, deadline).entry(key_of("regulator"))


def _epoch() -> list[bytes]:
    """Steps of a private query's epoch, as the relay logs them."""
    proposed = canonical({"pool_key": key_of("pool").public.hex})
    said = [
        ("propose", proposed, "relay", "coordinator"),
        ("secrets", b"{}", "bank-a", "bank-a"),
        ("secrets", b"{}", "bank-b", "bank-b"),
        ("erased", b"{}", "pool", "pool"),
    ]
    return [
        Entry(LOG_KIND, log_body(7, own_step(key_of(signer), 7, kind, body, party=party))).data
        for kind, body, party, signer in said
    ]
