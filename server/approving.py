"""The first question of a run: does every member approve of the plan?

approving = Approving(plan, store, key, gather, clock=clock, report=event, patience_s=600.0)
signed = approving.signed()          # signed_plan.json: as it is stored, or asked for and stored
approving.remind()                   # at every pause: says now and then who has not answered yet
"""

from __future__ import annotations

from collections.abc import Callable

from federation.errors import ConfigurationError, Refused
from federation.rounds.approvals import Approvals
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import Code, RunFailed
from federation.rounds.request import request_hash
from federation.rounds.signed_plan import SignedPlan
from protocols.envelope import seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import PlanProposal
from server.assembly import Gather, Report, require_answers
from server.checkpoint_store import SIGNED_PLAN, CheckpointStore
from server.stopping import refuse_stopped

WAITING_S = 10.0  # between two words about who has not approved yet


class Approving:
    """Of one run. `patience_s`: how long members may take to approve (s)."""

    def __init__(
        self,
        plan: TrainingPlan,
        store: CheckpointStore,
        key: SigningKey,
        gather: Gather,
        *,
        clock: Callable[[], float],
        report: Report,
        patience_s: float,
    ) -> None:
        self._plan, self._store, self._key = plan, store, key
        self._gather, self._clock, self._report = gather, clock, report
        self._patience_s = patience_s
        self._asked: Approvals | None = None  # while the question is open
        self._since = self._due = 0.0

    def signed(self) -> SignedPlan:
        """Raises RunFailed naming who refused or is missing, ConfigurationError for the folder of another plan."""
        stored = self._store.signed_plan()
        if stored is not None:
            if stored.plan.hash != self._plan.hash:
                raise ConfigurationError(SIGNED_PLAN, got=stored.plan.hash, expected=self._plan.hash)
            stored.verify()
            return stored
        refuse_stopped(self._store.folder)
        signed = SignedPlan.sign(self._plan, self._approvals(), self._key)
        self._store.write(SIGNED_PLAN, signed)
        self._report({"event": "approved", "plan": self._plan.hash, "seconds": round(self._clock() - self._since, 3)})
        return signed

    def remind(self) -> None:
        """Who has not approved yet, every `WAITING_S`."""
        now, approvals = self._clock(), self._asked
        if approvals is None or now < self._due or not approvals.waiting:
            return
        self._due = now + WAITING_S
        silent = sorted(approvals.waiting - approvals.undecided)
        undecided = sorted(approvals.waiting & approvals.undecided)
        self._report(
            {"event": "waiting", "silent": silent, "undecided": undecided, "seconds": round(now - self._since)}
        )

    def _approvals(self) -> dict[str, bytes]:
        proposal = seal(PlanProposal(plan=self._plan.canonical()), self._key)
        self._asked = approvals = Approvals(self._plan, request_hash(proposal))
        self._since = self._clock()
        self._due = self._since + WAITING_S
        try:
            self._gather(approvals, proposal, self._since + self._patience_s, "plan")
        finally:
            self._asked = None
        for name, refusal in sorted(approvals.final.items()):
            raise _refused(name, refusal)
        require_answers("plan.approvals", approvals, len(self._plan.members))
        return approvals.accepted


def _refused(institution: str, refusal: Refused) -> RunFailed:
    """The end of a plan that `institution` refused for good: its code and place, what it got and expected."""
    told = refusal.where if refusal.code == Code.REFUSED else f"{refusal.code}: {refusal.where}"
    return RunFailed(f"plan refused by {institution}: {told}", got=refusal.got, expected=refusal.expected)
