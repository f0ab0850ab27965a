"""The model card of a run: made of what the run published, and of nothing else.

    card = write_card(home.run("2030-spring"), load_catalogue(home.catalogue))     # card.json, card.html

Everything in it follows from the signed plan, the model and the charged evaluation, so it can be made again at any time
and comes out the same to the byte.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.evaluation import EvaluationSpec, Findings, ModelCard, build_card
from federation.evaluation.page import render
from federation.models import PublishedModel
from federation.scorecard.scaling import Scaling
from server.checkpoint_store import EVALUATION, MODEL, CheckpointStore

CARD: Final = "card.json"
CARD_PAGE: Final = "card.html"


def make_card(store: CheckpointStore, catalogue: Catalogue) -> ModelCard:
    """The card of the run in `store`; without an evaluation it says that no figure of quality was released.

    Raises ConfigurationError where there is no model yet, or model, evaluation and catalogue do not belong together;
    Refused or SignatureError where a document is not what the members and the coordinator signed.
    """
    model = store.model()
    if model is None:
        raise ConfigurationError(str(store.folder), got=f"no {MODEL}", expected="a run that is done")
    model.verify()
    if catalogue.hash != model.plan.catalogue.hash:
        raise ConfigurationError("card.catalogue", got=catalogue.hash, expected=model.plan.catalogue.hash)
    return build_card(model, catalogue, _findings(store, model, catalogue), created=_finished(store, model))


def write_card(folder: Path, catalogue: Catalogue) -> ModelCard:
    """As `make_card` for the run in `folder`, where card.json and card.html are written or replaced. Raises OSError."""
    if not folder.is_dir():
        raise ConfigurationError(str(folder), got="no such run", expected="see `fedscore coordinator status`")
    store = CheckpointStore(folder)
    card = make_card(store, catalogue)
    store.write_bytes(CARD, (json.dumps(card.to_json(), indent=1, allow_nan=False) + "\n").encode())
    store.write_bytes(CARD_PAGE, render(card).encode())
    return card


def _findings(store: CheckpointStore, model: PublishedModel, catalogue: Catalogue) -> Findings | None:
    published = store.evaluation()
    if published is None:
        return None
    published.verify(model.plan)
    if published.model_hash != model.hash:
        raise ConfigurationError(f"{EVALUATION}: model_hash", got=published.model_hash, expected=model.hash)
    tables = EvaluationSpec.from_catalogue(catalogue).read(np.array(published.counts), published.sd)
    return Findings.of_release(tables, Scaling())


def _finished(store: CheckpointStore, model: PublishedModel) -> datetime | None:
    """When the driver said that it was done with this model; not the clock's time, so that cards can be made again."""
    said = [e["at"] for e in store.events() if e.get("event") == "done" and e.get("model") == model.hash]
    return datetime.fromtimestamp(float(said[0]), UTC) if said else None
