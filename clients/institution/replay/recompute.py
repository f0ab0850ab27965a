"""A drawn attempt, computed again from what was committed to before it and logged after it.

    result = Replayer(store, computation, plan_of=..., logged=..., beacon_of=..., records=root).replay(draw, leaf)
    result.matches          # bit for bit

What it is computed from: the sealed seed that opens the logged commitment, the beacon that the log fixes, the plan, the
model and the reservation that the ledger names, the records and the code that are here. Each is checked, and whatever
does not agree is a finding: a replay never ends in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clients.institution.masking import Masking, MasksMissing
from clients.institution.replay.evidence import Logged
from clients.institution.replay.logged import NOT_FIRST
from clients.institution.replay.randomness import context_of, drawn_noise
from clients.institution.replay.sealed_store import Sealed, SealedStore
from clients.institution.training import Computation
from federation.errors import Refused
from federation.oversight.replay import ABORTED, Draw, Place, ReplayCommitment, ReplayResult
from federation.rounds import TrainingPlan, model_from_bytes, model_hash, update_hash
from federation.rounds.masking import mask_number
from federation.rounds.vectors import Vector, to_bytes
from protocols.errors import ProofError, StageError
from protocols.replay import Beacon, SeedSecret, Stage

COMMITMENT = "commitment_differs"  # what is sealed here is not what the log shows
SEED = "seed_missing"  # destroyed before its time, or never kept
BEACON = "beacon_differs"  # the attempt was computed with another beacon than the log fixes
MODEL = "model_differs"  # the input model kept here is not the one that the ledger names
RECORDS = "records_differ"  # the record set is not the one committed to
CODE = "code_differs"  # other code or other versions run here than were committed to
UPDATE = "update_differs"  # computed again, the update is another one: not what production sent
MASKS = "masks_missing"  # the secrets of the masks that the update went under are not here any more
UNSENT = "nothing_sent"  # the ledger has no update of this attempt to compare with, and has not given it up either


@dataclass(frozen=True)
class Replayer:
    """`plan_of` a hash, `logged` by the ledger, `committed` and `beacon_of` as the log has them; None: it has none.

    `is_first`: whether that beacon is for the first checkpoint that it could have been for.

    `records`: the root of the record set that `computation` holds; `code`: the digest of what runs. `masking`: this
    institution's masks, for rounds whose noise is shared.
    """

    store: SealedStore
    computation: Computation
    records: bytes
    code: bytes
    plan_of: Callable[[str], TrainingPlan | None]
    logged: Callable[[Place], Logged | None]
    committed: Callable[[Place], ReplayCommitment | None]
    beacon_of: Callable[[Place], Beacon | None]
    is_first: Callable[[Place], bool]
    masking: Masking | None = None

    def begun(self, place: Place) -> bool:
        """Whether there is such an attempt: committed to in the log, reserved in the ledger. Else nothing is owed."""
        return self.committed(place) is not None and self.logged(place) is not None

    def replay(self, draw: Draw, leaf: bytes) -> ReplayResult:
        """Compute the drawn attempt again; `leaf` is the leaf hash of the draw, whose signature was checked."""
        findings, found = self._findings(draw.place), ""
        if not {ABORTED, SEED, MODEL, BEACON, COMMITMENT, UNSENT} & findings:
            try:
                found, logged = self._recompute(draw.place).hex(), self.logged(draw.place)
                if logged is None or found != logged.update_hash:
                    findings.add(UPDATE)
            except MasksMissing:
                findings.add(MASKS)
            except Refused:  # beyond what this institution may mask: nobody sent that
                findings.add(UPDATE)
        return ReplayResult(
            draw.institution,
            draw.run_id,
            draw.phase,
            draw.round,
            draw.attempt,
            draw=leaf.hex(),
            update_hash=found,
            code_digest=self.code.hex(),
            findings=tuple(sorted(findings)),
        )

    def hold(self, draw: Draw) -> None:
        """Note the draw, so that the seed stays until it is answered. Raises StageError for one that cannot be."""
        self.store.hold(draw.place, draw.deadline)

    def _findings(self, place: Place) -> set[str]:
        """Everything that does not agree, before anything is computed."""
        sealed, logged = self.store.get(place), self.logged(place)
        if logged is not None and logged.aborted:
            return {ABORTED}  # whatever became of its seed: it made nothing that anybody has
        if sealed is None or sealed.attempt.stage is Stage.DESTROYED:
            return {SEED}
        findings: set[str] = set()
        secret = self._secret(sealed, findings)
        if self.committed(place) != sealed.commitment:
            findings.add(COMMITMENT)
        beacon = self.beacon_of(place)
        if beacon is None or beacon.value.hex() != sealed.attempt.beacon:
            findings.add(BEACON)
        elif not self.is_first(place):
            findings.add(NOT_FIRST)
        if logged is None or not logged.update_hash:
            findings.add(UNSENT)
        elif model_hash(sealed.model).hex() != logged.model_hash or self.plan_of(logged.plan_hash) is None:
            findings.add(MODEL)
        if secret is not None and secret.hide(self.records).hex() != sealed.commitment.record_root:
            findings.add(RECORDS)
        if self.code.hex() != sealed.commitment.code_digest:
            findings.add(CODE)
        return findings

    def _secret(self, sealed: Sealed, findings: set[str]) -> SeedSecret | None:
        try:
            secret = self.store.secret(sealed.place)
            secret.check(bytes.fromhex(sealed.commitment.seed_commitment))
        except StageError:
            findings.add(SEED)
            return None
        except ProofError:
            findings.add(COMMITMENT)
            return None
        return secret

    def _recompute(self, place: Place) -> bytes:
        """The hash of the update, from what `_findings` has checked."""
        sealed, logged = self.store.require(place), self.logged(place)
        plan = None if logged is None else self.plan_of(logged.plan_hash)
        if logged is None or plan is None:
            raise StageError("replay.logged", got="nothing", expected="an attempt that was found")
        context = context_of(sealed.commitment, logged.model_hash, logged.plan_hash)
        noise = drawn_noise(self.store.secret(place), sealed.attempt, context)
        model = model_from_bytes(sealed.model, self.computation.size(plan.recipe))
        if place.phase == "train":
            nominal = plan.by_name[sealed.commitment.institution].nominal_records
            update: Vector = self.computation.train(plan, nominal, place.round, model, noise)
        else:
            update = self.computation.evaluate(plan, model, noise)
        return update_hash(to_bytes(self._masked(plan, sealed, update)))

    def _masked(self, plan: TrainingPlan, sealed: Sealed, update: Vector) -> Vector:
        """As it left: under the round's masks where the noise is shared. Raises MasksMissing."""
        place, institution = sealed.place, sealed.commitment.institution
        if plan.privacy.sharing is None:
            return update
        if self.masking is None:
            raise MasksMissing
        form = self.computation.masked_form(plan, place.phase, place.round)
        words = form.words(institution, update.astype(np.int64))
        return self.masking.mask_again(
            plan, mask_number(plan, place.phase, place.round), words, model_hash(sealed.model)
        )
