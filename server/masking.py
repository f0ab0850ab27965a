"""The coordinator's side of masks: the set-up of a run, and the exact sum of every round (docs/secagg.md).

    masks = Masks(plan, store, key, gather, clock)
    masks.set_up(signed)                                    # two exchanges, once: masks.bin
    total = masks.total(signed, number, form, answers)      # int64 [width]: the survivors' sum, nothing else

What reaches the coordinator is kept: adverts and sealed shares in masks.bin, and who survived each round in
survivors.json BEFORE anybody is asked to open it, because members answer one list of survivors and no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from federation.errors import Refused
from federation.rounds.answers import Answers
from federation.rounds.collection import Collection
from federation.rounds.masking import masks_of
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import RunFailed
from federation.rounds.request import request_hash
from federation.rounds.signed_plan import SignedPlan
from federation.rounds.vectors import I64, MaskedForm
from protocols.envelope import seal
from protocols.errors import ProtocolError
from protocols.secagg import Collector, RoundSum
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import MaskingAdvertRequest, MaskingSetupRequest, UnmaskingRequest
from server.assembly import Gather
from server.checkpoint_store import CheckpointStore

MASKS: Final = "masks.bin"
SURVIVORS: Final = "survivors.json"


class Masks:
    """Of one run whose noise is shared."""

    def __init__(
        self, plan: TrainingPlan, store: CheckpointStore, key: SigningKey, gather: Gather, clock: Callable[[], float]
    ) -> None:
        self._plan, self._store, self._key = plan, store, key
        self._gather, self._clock = gather, clock
        self._secagg = masks_of(plan)
        self._collector = Collector(self._secagg)

    def set_up(self, signed: SignedPlan) -> None:
        """Every member's advert, shown to every member, and its shares. Raises RunFailed naming who is missing."""
        file = self._store.folder / MASKS
        if file.exists():
            self._collector = Collector.from_bytes(self._secagg, file.read_bytes())
        else:
            self._collector = Collector(self._secagg)
            advert = MaskingAdvertRequest(signed_plan=signed.canonical(), plan_hash=bytes.fromhex(self._plan.hash))
            self._everybody("masks (adverts)", seal(advert, self._key), self._collector.advert)
        if self._collector.missing:
            setup = MaskingSetupRequest(
                signed_plan=signed.canonical(), plan_hash=bytes.fromhex(self._plan.hash), adverts=self._adverts()
            )
            self._everybody("masks (shares)", seal(setup, self._key), self._collector.shares)
            self._store.write_bytes(MASKS, self._collector.to_bytes())

    def survivors(self, number: int) -> frozenset[str] | None:
        """Who is in the sum of `number`, once that is settled."""
        settled = self._settled().get(str(number))
        return None if settled is None else frozenset(settled)

    def total(self, signed: SignedPlan, number: int, form: MaskedForm, answers: Collection) -> I64:
        """int64 [width]: the sum of what was accepted, masks off; only survivors stay among the accepted.

        Raises RunFailed where it cannot be opened.
        """
        where = f"sum {number}"
        settled = self.survivors(number)
        if settled is not None:
            answers.keep(settled)
        opened = self._collector.round(number, form.size, answers.expected.model_hash, form.word_bytes)
        for name, update in sorted(answers.accepted.items()):
            opened.offer(name, form.words_of(update.vector))
        try:
            survivors = opened.close()
            self._settle(number, survivors)
            if self._secagg.recoverable:
                self._open(where, signed, opened, survivors)
            total = form.signed(opened.total())
            form.total.check(total)
        except ProtocolError as error:
            raise RunFailed(f"{where}: {error.field}", got=error.got, expected=error.expected) from error
        except Refused as refusal:
            raise RunFailed(where, got=refusal.got, expected=refusal.expected) from refusal
        return total

    def _open(self, where: str, signed: SignedPlan, opened: RoundSum, survivors: tuple[str, ...]) -> None:
        requests = {
            name: seal(
                UnmaskingRequest(
                    signed_plan=signed.canonical(),
                    plan_hash=bytes.fromhex(self._plan.hash),
                    unmasking=opened.unmasking(name).encode(),
                ),
                self._key,
            )
            for name in survivors
        }
        hashes = {name: request_hash(envelope) for name, envelope in requests.items()}
        answers = Answers(self._plan, survivors, self._secagg.threshold, hashes.__getitem__, opened.reveal)
        self._gather(answers, requests, self._clock() + self._plan.round_deadline_s, where)
        self._require(where, answers, self._secagg.threshold)

    def _everybody(self, where: str, envelope: bytes, check: Callable[[str, bytes], None]) -> None:
        members, named = self._plan.by_name.keys(), request_hash(envelope)
        answers = Answers(self._plan, members, len(members), lambda _: named, check)
        self._gather(answers, envelope, self._clock() + self._plan.round_deadline_s, where)
        self._require(where, answers, len(members))

    def _require(self, where: str, answers: Answers, needed: int) -> None:
        if answers.quorate:
            return
        missing = [f"{name}: {refusal}" for name, refusal in sorted(answers.told.items())]
        missing += [f"{name}: {code}" for name, code in sorted(answers.refused.items()) if name not in answers.told]
        missing += [f"{name}: no answer" for name in sorted(answers.waiting)]
        raise RunFailed(where, got=f"{len(answers.accepted)} answers ({', '.join(missing)})", expected=f"{needed}")

    def _adverts(self) -> dict[str, bytes]:
        try:
            return self._collector.adverts
        except ProtocolError as error:
            raise RunFailed(f"masks: {error.field}", got=error.got, expected=error.expected) from error

    def _settled(self) -> dict[str, list[str]]:
        file = self._store.folder / SURVIVORS
        found: dict[str, list[str]] = json.loads(file.read_bytes()) if file.exists() else {}
        return found

    def _settle(self, number: int, survivors: tuple[str, ...]) -> None:
        if self.survivors(number) is None:
            settled = {**self._settled(), str(number): list(survivors)}
            self._store.write_bytes(SURVIVORS, json.dumps(settled, sort_keys=True).encode())
