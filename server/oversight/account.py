"""What the coordinator says of one run, exactly once, whatever dies in between.

    account = RunAccount(trail, store, plan, key)
    account.finish(collection, result_hash, CHECKPOINT, checkpoint)      # a round: written, then said
    account.repeat(checkpoint)                                           # at the start: what may not have been said

A round is one statement: who answered, who was refused. It is kept in round.json BEFORE the document that makes the
round final, and said AFTER it: a driver that died in between finds both, and says the same bytes, which the log has
once.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from federation.oversight.rounds import Averaged, Publication, RoundStatement
from federation.rounds.averaging import update_hash
from federation.rounds.collection import Collection
from federation.rounds.plan import Document, TrainingPlan
from federation.rounds.progress import Checkpoint
from federation.rounds.refusals import Code
from federation.rounds.vectors import I64, to_bytes
from protocols.signing import SigningKey
from protocols.transparency import Statement, read_entry
from protocols.wire.training_pb2 import Phase
from server.checkpoint_store import CheckpointStore
from server.oversight.trail import Trail

ROUND: Final = "round.json"
_CODES = frozenset(map(str, Code))


class RunAccount:
    """The statements of one run. `key` is the coordinator's."""

    def __init__(self, trail: Trail, store: CheckpointStore, plan: TrainingPlan, key: SigningKey) -> None:
        self._trail, self._store, self._plan, self._key = trail, store, plan, key

    def finish(
        self, collection: Collection, result_hash: str, name: str, document: Document, opened: I64 | None = None
    ) -> None:
        """Make a round final by writing `document` as `name`, and say it. Raises OSError.

        Before that its updates are kept, and `opened`, the sum of masked ones: whoever asks by their hashes can compute
        the round again.
        """
        for update in collection.accepted.values():
            self._store.keep_update(update.update_hash, to_bytes(update.vector))
        sum_hash = "" if opened is None else self._keep_sum(opened)
        entry = round_statement(collection, result_hash, sum_hash).entry(self._key)
        self._store.write_bytes(ROUND, entry.data)
        self._store.write(name, document)
        self._trail.say(entry)

    def _keep_sum(self, opened: I64) -> str:
        data = to_bytes(opened)
        named = update_hash(data).hex()
        self._store.keep_update(named, data)
        return named

    def repeat(self, checkpoint: Checkpoint) -> None:
        """Say the last round again, if it is final."""
        file = self._store.folder / ROUND
        if not file.exists():
            return
        entry = read_entry(file.read_bytes())
        said = RoundStatement.from_json(Statement.read(entry).content)
        final = said.round <= checkpoint.round if said.phase == "train" else self._store.evaluation() is not None
        if final and said.plan_hash == self._plan.hash:
            self._trail.say(entry)

    def publish(self, kind: Literal["model", "evaluation"], model_hash: str, document: Document) -> None:
        """Say that `document` is published, by the hash of its file's bytes."""
        self._trail.say(publication(self._plan, model_hash, document.canonical()).entry(kind, self._key))


def publication(plan: TrainingPlan, model_hash: str, document: bytes, card: bytes | None = None) -> Publication:
    """Of the published bytes; `card` are those of the model card's JSON file."""
    hashes = ["" if data is None else hashlib.sha256(data).hexdigest() for data in (document, card)]
    return Publication(plan.run_id, plan.hash, model_hash, *hashes)


def round_statement(collection: Collection, result_hash: str, sum_hash: str = "") -> RoundStatement:
    """`result_hash` is the average's model hash, "" for an evaluation; `sum_hash` that of what masks were taken off."""
    expected = collection.expected
    return RoundStatement(
        run_id=expected.plan.run_id,
        plan_hash=expected.plan.hash,
        phase="train" if expected.phase == Phase.TRAIN else "evaluate",
        round=expected.round,
        model_hash=expected.model_hash.hex(),
        updates={
            name: Averaged(update.update_hash, update.reservation_hash)
            for name, update in sorted(collection.accepted.items())
        },
        result_hash=result_hash,
        refused={name: _code(told) for name, told in sorted(collection.refused.items())},
        sum_hash=sum_hash,
    )


def _code(told: str) -> str:
    """The code alone, of whichever end refused; what a node made up is no code of ours."""
    code = told.rpartition(":")[2]
    return code if code in _CODES else str(Code.REFUSED)
