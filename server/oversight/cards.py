"""The model card in the log: the model is said once more, now with the hash of its card."""

from __future__ import annotations

import time

from federation.errors import ConfigurationError
from server.card import CARD
from server.checkpoint_store import MODEL, CheckpointStore
from server.home import CoordinatorHome
from server.log import LogStore
from server.oversight.account import publication


def say_card(home: CoordinatorHome, run_id: str) -> None:
    """Say which card belongs to the model of the run. The same card is said once. Raises ConfigurationError without."""
    folder = home.run(run_id)
    model = CheckpointStore(folder).model()
    if model is None or not (folder / CARD).exists():
        raise ConfigurationError(str(folder), got="no model, or no card", expected="a finished run with its card")
    said = publication(model.plan, model.hash, (folder / MODEL).read_bytes(), (folder / CARD).read_bytes())
    log = LogStore.open(home.database_url, home.log_key, time.time, anchor=home.log_anchor)
    try:
        log.extend([said.entry("model", home.signing_key)])
    finally:
        log.close()
