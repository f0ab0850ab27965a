"""The site: which page shows which tables and plots, and from which kinds of entries it draws. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clients.regulator.pages import budgets, cases, health, proofs, spot_checks, training
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Table

Maker = Callable[[View, float], Table]

TABLES: Mapping[str, Maker] = {
    "institutions": budgets.institutions,
    "budgets": budgets.budgets,
    "runs": budgets.runs,
    "rounds": training.rounds,
    "models": training.models,
    "fairness": training.fairness,
    "comparisons": training.comparisons,
    "calibration": training.calibration,
    "audits": proofs.audits,
    "replays": proofs.replays,
    "commitments": proofs.commitments,
    "inquiries": proofs.inquiries,
    "consent": spot_checks.consent,
    "draws": spot_checks.draws,
    "verdicts": spot_checks.verdicts,
    "epochs": proofs.epochs,
    "cases": cases.cases,
    "refusals": health.refusals,
    "log": health.log,
    "witnesses": health.witnesses,
    "kinds": health.kinds,
    "steps": health.steps,
    "alerts": health.alerts,
}


@dataclass(frozen=True)
class Page:
    """`kinds`: of the entries that the page is drawn from; none: of all. `plots`: which kind of plot it has."""

    path: str
    title: str
    about: str
    tables: tuple[str, ...]
    kinds: frozenset[str] = frozenset()
    plots: str = ""


PAGES = (
    Page("/", "Institutions", "Who is a member, and what each has spent of its privacy.", ("institutions", "log")),
    Page(
        "/budgets",
        "Budgets",
        "How fast each ledger spends, and when its caps would be reached at that pace: a projection.",
        ("budgets", "runs"),
        frozenset({"ledger-entry", "plan"}),
        "burn-down",
    ),
    Page(
        "/rounds",
        "Rounds",
        "Each finished round: whose updates were averaged, which model went out and which came of it.",
        ("rounds",),
        frozenset({"round", "plan", "ledger-entry"}),
    ),
    Page(
        "/models",
        "Models",
        "What was published, how good it is and for whom. Figures are the cards', from one charged, noisy release.",
        ("models", "comparisons", "fairness", "calibration"),
        frozenset({"model", "evaluation", "plan", "round"}),
        "calibration",
    ),
    Page(
        "/audits",
        "Audits",
        "Claimed and measured epsilon side by side. Audits test the trainer that is presented, not the one of a round.",
        ("audits",),
        frozenset({"audit-request", "audit-result"}),
        "audits",
    ),
    Page(
        "/replays",
        "Replays",
        "Rounds drawn after the fact and computed again: only these show what production did.",
        ("replays", "commitments"),
        frozenset({"replay-commitment", "beacon", "draw", "replay-result"}),
    ),
    Page(
        "/inquiries",
        "Inquiries",
        "Private questions, each committed to in the log: who, for what, whether with consent. Not about whom. Cases.",
        ("inquiries", "consent", "verdicts", "draws", "epochs", "cases"),
        frozenset(
            {"lookup-leaf", "lookup-step", "lookup-enrol", "consent-draw", "consent-seeds", "consent-verdict", "case"}
        ),
    ),
    Page(
        "/refusals",
        "Refusals",
        "What was refused, by an institution's ledger or by the coordinator, and so computed or counted nothing.",
        ("refusals",),
        frozenset({"ledger-entry", "round"}),
    ),
    Page("/log", "Log", "Size, checkpoints and witnesses of the transparency log.", ("log", "witnesses", "kinds")),
    Page(
        "/verification",
        "Verification",
        "The ten steps over the whole copy, and every alert so far.",
        ("steps", "alerts"),
    ),
)
