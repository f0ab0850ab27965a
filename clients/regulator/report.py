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
from federation.errors import ConfigurationError
from federation.ledger.budget import Scope
from federation.ledger.release import ADJACENCY, UNIT
from protocols.canonical import canonical

LIMITS = (
    "The log proves what was claimed and that it was never rewritten. Audits test the trainer that is presented. Only "
    "replayed rounds show what production did."
)


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
    return environment.from_string(template).render(
        verdict=verdict,
        policy=policy,
        export={"name": export.name, "sha256": _sha256(export)},
        checkpoint=verdict.checkpoint,
        witnessed=None if verdict.checkpoint is None else _time(verdict.checkpoint["witnessed"]),
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
        audits=list(paired(account.asked, account.audits, "request", "expires")),
        replays=list(paired(account.drawn, account.replays, "draw", "deadline")),
    )


def paired(
    asked: Sequence[tuple[int, str, Mapping[str, Any]]],
    answers: Sequence[tuple[int, Mapping[str, Any]]],
    names: str,
    due: str,
) -> Iterator[dict[str, Any]]:
    """What was asked for beside what answers it; then answers that nobody asked for. `names`: by which field."""
    by_leaf: dict[str, list[tuple[int | None, Mapping[str, Any] | None]]] = {}
    for index, said in answers:
        by_leaf.setdefault(str(said.get(names)), []).append((index, said))
    for index, leaf, said in asked:
        for at, answer in by_leaf.pop(leaf, [(None, None)]):  # more than one: all are shown
            yield {"asked": index, "due": _due(said.get(due)), "said": said, "at": at, "answer": answer}
    for listed in by_leaf.values():
        for at, answer in listed:
            yield {"asked": None, "due": "", "said": answer, "at": at, "answer": answer}


def _due(unix: object) -> str:
    return day(unix) if isinstance(unix, int) and unix >= 0 else ""


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
        metrics = {name: _figure(value) for name, value in findings.get("metrics", {}).items()}
        fairness = [
            (item["attribute"], item["cut_off"], [_comparison(each) for each in item["comparisons"]])
            for item in findings.get("fairness", ())
        ]
        return {"purpose": str(card["purpose"]), "metrics": metrics, "fairness": fairness}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"purpose": "unreadable", "metrics": {}, "fairness": []}


def _figure(value: Any) -> str:
    if value["value"] is None:
        return "withheld"
    error = "" if value["se"] is None else f" ± {float(value['se']):.3f}"
    return f"{float(value['value']):.3f}{error}"


def _comparison(value: Any) -> str:
    found = "withheld" if value["value"] is None else f"{float(value['value']):.3f}"
    verdict = {True: "holds", False: "does not hold"}.get(value["holds"], "cannot be compared")
    doubt = ", within the margin of noise and chance" if value["uncertain"] else ""
    return f"{value['title']}: {found}, limit {float(value['limit']):g}: {verdict}{doubt}"


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
