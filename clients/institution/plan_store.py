"""Which plans this institution has seen and what it decided, in its own database.

>>> plans = PlanStore.open("sqlite://")
>>> plans.waiting()
()

A run has one plan: once a run's plan is approved, no other plan with that run id can be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, insert, select, update

from federation.errors import ConfigurationError
from federation.rounds import TrainingPlan
from federation.runtime.database import open_engine, reading, writing

_metadata = MetaData()
_plans = Table(
    "node_plans",
    _metadata,
    Column("plan_hash", String(64), primary_key=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("decision", String(16), nullable=False),
    Column("document", LargeBinary, nullable=False),
)
MAX_PLANS = 1000  # waiting for a person; a coordinator that proposes more is refused


class Decision(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class StoredPlan:
    """A plan and what was decided about it."""

    plan: TrainingPlan = field(repr=False)
    decision: Decision


class PlanStore:
    """The table `node_plans` in the institution's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    @classmethod
    def open(cls, url: str) -> PlanStore:
        """Raises ConfigurationError for a URL that is neither SQLite nor PostgreSQL."""
        return cls(open_engine(url))

    def decision(self, plan_hash: str) -> Decision | None:
        """None for a plan that was never proposed."""
        with reading(self._engine) as connection:
            found = connection.execute(select(_plans.c.decision).where(_plans.c.plan_hash == plan_hash)).scalar()
        return None if found is None else Decision(found)

    def approved_of_run(self, run_id: str) -> str | None:
        """The hash of the plan approved for a run, if there is one."""
        query = select(_plans.c.plan_hash).where(_plans.c.run_id == run_id, _plans.c.decision == Decision.APPROVED)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
        return None if found is None else str(found)

    def propose(self, plan: TrainingPlan, decision: Decision) -> None:
        """Keep a plan that was not seen before. Raises ConfigurationError when too many wait for a decision."""
        with writing(self._engine) as connection:
            pending = select(_plans.c.plan_hash).where(_plans.c.decision == Decision.PENDING)
            if decision is Decision.PENDING and len(connection.execute(pending).all()) >= MAX_PLANS:
                raise ConfigurationError("plans", got=f"{MAX_PLANS} that wait", expected="fewer")
            connection.execute(
                insert(_plans).values(
                    plan_hash=plan.hash, run_id=plan.run_id, decision=decision.value, document=plan.canonical()
                )
            )

    def decide(self, plan_hash: str, decision: Decision) -> TrainingPlan:
        """A person's decision about a plan that was proposed; the node follows it from the next request on.

        An approved plan can be rejected at any time: the node stops. Raises ConfigurationError for an unknown plan,
        and for an approval where another plan of the same run is approved.
        """
        with writing(self._engine) as connection:
            document = connection.execute(select(_plans.c.document).where(_plans.c.plan_hash == plan_hash)).scalar()
            if document is None:
                raise ConfigurationError("plan", got=plan_hash[:64], expected="a plan that was proposed")
            plan = TrainingPlan.read(bytes(document))
            others = select(_plans.c.plan_hash).where(
                _plans.c.run_id == plan.run_id,
                _plans.c.decision == Decision.APPROVED,
                _plans.c.plan_hash != plan_hash,
            )
            if decision is Decision.APPROVED and connection.execute(others).first():
                raise ConfigurationError("plan.run_id", got=plan.run_id, expected="a run without an approved plan")
            connection.execute(update(_plans).where(_plans.c.plan_hash == plan_hash).values(decision=decision.value))
        return plan

    def plans(self) -> tuple[StoredPlan, ...]:
        """All plans ever proposed."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_plans.c.document, _plans.c.decision).order_by(_plans.c.plan_hash)).all()
        return tuple(StoredPlan(TrainingPlan.read(bytes(row.document)), Decision(row.decision)) for row in rows)

    def waiting(self) -> tuple[TrainingPlan, ...]:
        """Plans that wait for a person's decision."""
        return tuple(stored.plan for stored in self.plans() if stored.decision is Decision.PENDING)
