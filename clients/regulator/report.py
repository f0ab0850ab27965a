"""The report a supervisor files: one HTML page, or the same as PDF. Everything inline, every value escaped.

write_report(Path("report.pdf"), examine(path, policy), policy, path)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from clients.regulator.account import Account
from clients.regulator.archive import Archive, ArchiveError
from clients.regulator.findings import Outcome, day
from clients.regulator.layout import document_path
from clients.regulator.policy import Policy
from clients.regulator.verify import Examined
from federation.errors import ConfigurationError, PrivacyError
from federation.ledger.budget import Scope
from federation.ledger.release import ADJACENCY, UNIT
from federation.privacy import PrivacyPlan
from federation.privacy.omission import omission
from protocols.canonical import canonical

LIMITS = (
    "The log proves what was claimed and that it was never rewritten. Audits test the trainer that is presented. Only "
    "replayed rounds show what production did."
)
_METRICS = {
    "auc": "AUC",
    "ks": "KS",
    "gini": "Gini",
    "brier": "Brier score",
    "ece": "Calibration error",
    "bad_rate": "Rate of bad",
}


def write_report(path: Path, examined: Examined, policy: Policy, export: Path) -> None:
    """Write the report, PDF where `path` ends so. Raises ConfigurationError where it cannot be written."""
    page = render(examined, policy, export)
    try:
        if path.suffix == ".pdf":
            from weasyprint import HTML  # a second to load

            HTML(string=page, url_fetcher=_nothing).write_pdf(path)
        else:
            path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(str(path), got=type(error).__name__, expected="a file that can be written") from error


def render(examined: Examined, policy: Policy, export: Path, now: datetime | None = None) -> str:
    """HTML, made at `now` (UTC). `export` is named with its hash; its model cards are read if they were logged."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"epsilon": _epsilon, "day": _day, "figure": _claimed}
    template = files("clients.regulator").joinpath("report.html.j2").read_text(encoding="utf-8")
    verdict, account = examined.verdict, examined.account
    seen = None if verdict.checkpoint is None else verdict.checkpoint["witnessed"]
    return environment.from_string(template).render(
        verdict=verdict,
        policy=policy,
        export={"name": export.name, "sha256": _sha256(export)},
        checkpoint=verdict.checkpoint,
        witnessed=_time(seen),
        period=account.period,
        account=account,
        ledgers=[account.ledgers[key] for key in sorted(account.ledgers)],
        budgets=list(_budgets(account)),
        runs=list(_runs(account)),
        cards=list(_cards(account, export)),
        refusals=[
            (ledger.institution, *item) for ledger in account.ledgers.values() for item in ledger.refusals.items()
        ],
        unit=UNIT,
        adjacency=ADJACENCY.replace("_", " "),
        limits=LIMITS,
        version=version("fedscore"),
        made=f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        policy_sha256=hashlib.sha256(canonical(policy.model_dump(mode="json"))).hexdigest(),
        failed=[step for step in verdict.steps if step.outcome is not Outcome.HOLDS],
        audits=list(paired(account.asked, account.audits, "request", "expires", seen)),
        replays=list(paired(account.drawn, account.replays, "draw", "deadline", seen)),
        claims=list(_claims(account, policy)),
        unproven=list(_unproven(account, policy)),
    )


def paired(
    asked: Sequence[tuple[int, str, Mapping[str, Any]]],
    answers: Sequence[tuple[int, Mapping[str, Any]]],
    names: str,
    due: str,
    seen: int | None = None,
) -> Iterator[dict[str, Any]]:
    """What was asked for beside what answers it; then answers that nobody asked for. `names`: by which field.

    Late is what was due before witnesses last looked (`seen`, Unix s), and they saw no answer.
    """
    by_leaf: dict[str, list[tuple[int | None, Mapping[str, Any] | None]]] = {}
    for index, said in answers:
        by_leaf.setdefault(str(said.get(names)), []).append((index, said))
    for index, leaf, said in asked:
        for at, answer in by_leaf.pop(leaf, [(None, None)]):  # more than one: all are shown
            until = said.get(due)
            late = answer is None and seen is not None and isinstance(until, int) and until < seen
            yield {"asked": index, "due": _due(until), "said": said, "at": at, "answer": answer, "late": late}
    for listed in by_leaf.values():
        for at, answer in listed:
            yield {"asked": None, "due": "", "said": answer, "at": at, "answer": answer, "late": False}


def _due(unix: object) -> str:
    return day(unix) if isinstance(unix, int) and unix >= 0 else ""


def _claims(account: Account, policy: Policy) -> Iterator[str]:
    """The most that any institution claims to have spent, beside what the policy allows."""
    for scope, what in ((Scope.RUN, "a run"), (Scope.YEAR, "a year"), (Scope.LIFETIME, "all time")):
        runs = (run.amount for ledger in account.ledgers.values() for run in ledger.runs.values())
        spans = (amount for ledger in account.ledgers.values() for amount in ledger.amounts.values())
        listed = [a.capped for a in (runs if scope is Scope.RUN else spans) if a is not None and a.scope is scope]
        if listed:
            limit = getattr(policy.caps, scope.value)
            yield f"{what}: epsilon {_epsilon(max(listed))} at most, the policy allows {limit:g}"


def _unproven(account: Account, policy: Policy) -> Iterator[str]:
    """What nobody who reads an export can know, with how much of it was looked at."""
    rounds, replays = sum(account.rounds.values()), sum(said.get("matches") is True for _, said in account.replays)
    drawn, asked = len(account.drawn), len(account.asked)
    passed = sum(said.get("passed") is True and said.get("request") is not None for _, said in account.audits)
    looked = f"{rounds} rounds are stated, {drawn} updates were drawn, {replays} replays match"
    yield f"What production did in rounds that were not replayed: {looked}."
    yield f"That the trainer audited is the one in use: {asked} audits were asked for, {passed} of these passed."
    yield from _shares(account)
    yield f"That at most {policy.quorum.faults} of the {len(policy.witnesses)} witnesses lie together with the log."
    yield "When something was done: times in ledgers are the institutions' own, only their order is witnessed."
    yield "That an institution has no second name, and that records are what its plan says they are."


def _shares(account: Account) -> Iterator[str]:
    """What one member's silence would cost, for every run whose noise is shared."""
    for run, plan in sorted(account.plans.items()):
        try:
            privacy = PrivacyPlan.from_json(plan.get("privacy") or {})
        except (PrivacyError, TypeError, ValueError):
            continue  # a plan that is none: step 4 has named it
        if privacy.sharing is not None:
            yield f"That in production every member of {run} adds its share of the noise: {omission(privacy)}."


def _budgets(account: Account) -> Iterator[dict[str, Any]]:
    """Years and lifetimes of every ledger."""
    for key in sorted(account.ledgers):
        ledger = account.ledgers[key]
        for (scope, name), amount in sorted(ledger.amounts.items()):
            if scope is not Scope.RUN:
                yield {"ledger": ledger, "scope": scope.value, "key": name, "amount": amount}


def _runs(account: Account) -> Iterator[dict[str, Any]]:
    """Each institution in each run."""
    for key in sorted(account.ledgers):
        ledger = account.ledgers[key]
        for run_id, run in sorted(ledger.runs.items()):
            yield {"ledger": ledger, "run_id": run_id, "run": run, "release": run.release}


def _cards(account: Account, export: Path) -> Iterator[dict[str, Any]]:
    """Model cards whose bytes an entry commits to."""
    try:
        with Archive.open(export) as archive:
            for kind, said in account.published:
                path = document_path(str(said.get("run_id")), "card")
                if kind != "model" or path not in archive:
                    continue
                data = archive.read(path)
                logged = hashlib.sha256(data).hexdigest() == said.get("card_hash")
                yield {"run_id": said.get("run_id"), "model_hash": said.get("model_hash"), "logged": logged} | _card(
                    data
                )
    except ArchiveError:
        return


def _card(data: bytes) -> dict[str, Any]:
    """What the report shows of a card: metrics and fairness, as far as they are there."""
    try:
        card = json.loads(data)
        findings = card["findings"] or {}
        metrics = {_METRICS.get(name, name): _figure(value) for name, value in findings.get("metrics", {}).items()}
        fairness = [
            {"attribute": item["attribute"], "cut_off": item["cut_off"], **_comparison(each)}
            for item in findings.get("fairness", ())
            for each in item["comparisons"]
        ]
        return {"purpose": str(card["purpose"]), "metrics": metrics, "fairness": fairness}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"purpose": "unreadable", "metrics": {}, "fairness": []}


def _figure(value: Any) -> str:
    if value["value"] is None:
        return "withheld"
    error = "" if value["se"] is None else f" ± {float(value['se']):.3f}"
    return f"{float(value['value']):.3f}{error}"


def _comparison(value: Any) -> dict[str, Any]:
    found = "withheld" if value["value"] is None else f"{float(value['value']):.3f}"
    verdict = {True: "holds", False: "does not hold"}.get(value["holds"], "cannot be compared")
    doubt = ", within the margin of noise and chance" if value["uncertain"] else ""
    broken = value["holds"] is False and not value["uncertain"]
    limit = float(value["limit"])
    return {"title": value["title"], "found": found, "limit": limit, "result": verdict + doubt, "broken": broken}


def _epsilon(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "∞"


def _claimed(value: object) -> str:
    """A figure that a party stated."""
    return _epsilon(value) if isinstance(value, float) else str(value)[:20]


def _day(value: datetime) -> str:
    return f"{value:%Y-%m-%d}"


def _time(unix: int | None) -> str | None:
    return None if unix is None else f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M} UTC"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nothing(url: str, *_: Any, **__: Any) -> Any:
    """The page loads nothing; whatever would is refused."""
    raise ValueError(f"nothing is loaded: {url[:100]}")
