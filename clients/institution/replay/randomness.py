"""Where a node's masks and noise come from when its rounds can be replayed: seeds that were sealed before.

randomness = SealedRandomness(store, "bank-a", records=root, code=digest, clock=time.time)
entry = randomness.commit(Place("spring", "train", 3, 1)).entry(signing_key)     # logged, then the beacon is waited for
randomness.learn(place, beacon)
noise = randomness.noise(context, model, reservation_hash)                       # once: for this model, for ever
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from clients.institution.replay.sealed_store import Sealed, SealedStore
from federation.oversight.replay import Place, ReplayCommitment
from federation.privacy.drbg import DrbgNoise
from protocols.errors import StageError
from protocols.replay import Attempt, Beacon, Context, SeedSecret, Stage, step_key

WINDOW_S = 30 * 86_400  # how long a seed is kept for a draw


class SealedRandomness:
    """`records`: the root of the record set (32 bytes); `code`: the digest of what runs; `clock`: Unix time (s)."""

    def __init__(
        self,
        store: SealedStore,
        institution: str,
        *,
        records: bytes,
        code: bytes,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._institution = store, institution
        self._records, self._code = records, code
        self._window_s, self._clock = window_s, clock

    def commit(self, place: Place) -> ReplayCommitment:
        """Draw the attempt's seed and seal it; what is to be logged. An attempt committed to before says the same."""
        known = self._store.get(place)
        if known is not None:
            return known.commitment
        secret = SeedSecret(secrets.token_bytes(32), secrets.token_bytes(32))
        commitment = ReplayCommitment(
            self._institution,
            place.run_id,
            place.phase,
            place.round,
            place.attempt,
            seed_commitment=secret.commitment.hex(),
            record_root=secret.hide(self._records).hex(),
            code_digest=self._code.hex(),
        )
        self._store.commit(Sealed(commitment, int(self._clock() + self._window_s)), secret)
        return commitment

    def learn(self, place: Place, beacon: Beacon) -> None:
        """The beacon of an attempt. Raises StageError where another is known or the attempt was used."""
        sealed = self._store.require(place)
        self._store.keep(replace(sealed, attempt=sealed.attempt.learn(beacon.value.hex())))

    def ready(self, place: Place) -> bool:
        """Whether the attempt can be used: its beacon is known, and nobody has used it."""
        sealed = self._store.get(place)
        return sealed is not None and sealed.attempt.stage is Stage.READY

    def context(self, place: Place, *, model_hash: str, plan_hash: str) -> Context:
        """What the attempt's randomness is bound to."""
        return context_of(self._store.require(place).commitment, model_hash, plan_hash)

    def noise(self, context: Context, model: bytes, reservation_hash: str) -> DrbgNoise:
        """The noise of an attempt, once: what it is used for is on disk before anything is drawn. The reservation that
        paid for it is noted, and changes nothing of the noise.

        Raises StageError where the beacon is not known, or the attempt was used before, for whatever model.
        """
        place = Place(context.run_id, context.phase, context.round, context.attempt)  # type: ignore[arg-type]
        sealed = self._store.require(place)
        used = sealed.attempt.use(context.model_hash, reservation_hash)
        self._store.keep(replace(sealed, attempt=used, model=model))
        return drawn_noise(self._store.secret(place), used, context)

    def seal(self, place: Place, update_hash: str) -> None:
        """The update is computed and stored."""
        sealed = self._store.require(place)
        self._store.keep(replace(sealed, attempt=sealed.attempt.seal(update_hash)))

    def repeats(self, place: Place, model_hash: str) -> bool:
        """Whether a request was answered in this attempt: its bytes are sent again. StageError: another model."""
        sealed = self._store.get(place)
        return sealed is not None and sealed.attempt.repeats(model_hash)


def context_of(commitment: ReplayCommitment, model_hash: str, plan_hash: str) -> Context:
    """What an attempt's randomness is bound to: nothing that the institution can vary after its commitment."""
    place = commitment.place
    return Context(
        place.run_id,
        place.phase,
        place.round,
        place.attempt,
        model_hash=model_hash,
        plan_hash=plan_hash,
        record_root=commitment.record_root,
    )


def drawn_noise(secret: SeedSecret, attempt: Attempt, context: Context) -> DrbgNoise:
    """The attempt's noise source, the same whenever it is drawn. Raises StageError before the beacon is known."""
    if not attempt.beacon:
        raise StageError("replay.beacon", got="none", expected="a beacon")
    beacon = bytes.fromhex(attempt.beacon)
    return DrbgNoise(lambda step: step_key(secret.seed, beacon, context, step))
