"""What the demonstration found: `summary.json` for everybody, `evidence.json` for the report's plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from clients.institution.home import InstitutionHome
from federation.catalogue import load_catalogue
from federation.ledger.audit import read_ledger
from federation.ledger.budget import Scope
from federation.ledger.entries import Kind
from federation.ledger.persons import for_person
from federation.models import PublishedModel
from federation.privacy import epsilons
from federation.privacy.event import Event, read_event
from federation.scorecard.scaling import Scaling
from server.plans import method_of, trust
from workbench.demo import consent, lookup, oversight, rights
from workbench.demo.cast import RUN, Homes, Trained
from workbench.demo.inputs import Inputs
from workbench.demo.lookup import Queried
from workbench.demo.masked import Sight
from workbench.demo.oracle import Judgement
from workbench.demo.regulator import Overseen

FORMAT = "fedscore/v1/demo-summary"
_FIGURES = ("auc", "ks", "ece")
_SAME = 1e-6  # epsilon


@dataclass(frozen=True)
class Found:
    """Everything that the two documents are made of."""

    inputs: Inputs
    homes: Homes
    model: PublishedModel
    card: Mapping[str, Any]
    judgement: Judgement
    trained: Trained
    homes_facts: Mapping[str, Mapping[str, Any]]
    ledgers: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    queried: Queried | None
    left_out: str | None  # why nothing was queried
    overseen: Overseen
    sight: Sight | None  # None: noise was local
    recomputed: Mapping[str, Mapping[str, Any]]


def summarise(found: Found) -> dict[str, Any]:
    """The document `summary.json`; every figure of quality is the judge's, the card's own are under `card`."""
    plan = found.model.plan
    rounds = _rounds(found.homes.events())
    spent = {name: _run_amount(ledger) for name, ledger in found.ledgers.items()}
    most = max(spent.values(), key=lambda amount: amount["pld"])
    claims = plan.privacy.claims()
    return {
        "format": FORMAT,
        "run_id": plan.run_id,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {
            "description": found.inputs.description,
            "oracle_records": len(found.judgement.target),
            "oracle_left_out": found.judgement.left_out,
            "oracle_reason": found.inputs.oracle_reason,
            **found.inputs.facts,
        },
        "catalogue": plan.catalogue.model_dump(),
        **{name: {model: getattr(m, name) for model, m in found.judgement.models.items()} for name in _FIGURES},
        "epsilon": {name: most[name] for name in ("pld", "prv", "rdp")} | {"replace_one": claims.replace_one},
        "epsilon_plan": {"asked": plan.privacy.epsilon, "pld": claims.pld, "prv": claims.prv, "rdp": claims.rdp},
        "epsilon_person": _per_person(found),
        "delta": plan.privacy.delta,
        "adjacency": plan.privacy.adjacency,
        "noise": plan.privacy.noise,
        "recipe": method_of(plan.recipe),
        "trust": trust(plan),
        "rounds": plan.rounds,
        "seconds_per_round": _per_round(rounds),
        "seconds_to_first_round": round(rounds[0][1] - found.trained.started, 2) if rounds else None,
        "institutions": [_institution(found, given.name) for given in found.inputs.institutions],
        "ledgers": {name: _ledger(ledger, spent[name], plan.privacy.delta) for name, ledger in found.ledgers.items()},
        "refused": _refused(found),
        "recomputed": {name: _recomputed(said) for name, said in found.recomputed.items()},
        "masked": None if found.sight is None else found.sight.summary(),
        "lookup": lookup.summary(found.queried, found.left_out),
        "consent": _consent(found.queried),
        **rights.summary(None if found.queried is None else found.queried.shown),
        "oversight": oversight.summary(found.overseen, RUN),
        "card": _card_figures(found.card),
        "model_hash": found.model.hash,
        "plan_hash": plan.hash,
        "seconds": {stage: round(seconds, 2) for stage, seconds in found.seconds.items()},
    }


def shortcomings(summary: Mapping[str, Any]) -> list[str]:
    """The keys of `summary.json` that say of something that it does not hold; the demonstration fails by them."""
    asked = summary["lookup"]
    held = {
        "ledgers": all(ledger["verified"] for ledger in summary["ledgers"].values()),
        "recomputed": all(said["follows"] for said in summary["recomputed"].values()),
        "oversight": summary["oversight"]["holds"],
        "lookup": bool(asked["left_out"])
        or (asked["correct"] == asked["queries"] and asked["erased"] and not asked["identifiers_found"]),
    }
    shown = {name: summary[name] for name in ("consent", *rights.NAMES)}
    held |= {name: part["holds"] for name, part in shown.items() if part is not None}
    return [name for name, holds in held.items() if not holds]


def evidence(found: Found) -> dict[str, Any]:
    """The document `evidence.json`: what the report draws."""
    rounds = _rounds(found.homes.events())
    start = found.trained.started
    return found.judgement.evidence(Scaling()) | {
        "card": _card_figures(found.card),
        "cap": _run_amount(next(iter(found.ledgers.values())))["cap"],
        "budget": {given.name: _burn_down(found, given.name) for given in found.inputs.institutions},
        "timeline": [[label, begin - start, end - start] for label, begin, end in rounds],
        "released_groups": _released_groups(found.card),
        "influence": _influence(found),
        "lookup": lookup.evidence(found.queried),
        "oversight": oversight.evidence(found.overseen),
        "masked": None if found.sight is None else found.sight.evidence(),
    }


def _consent(queried: Queried | None) -> dict[str, Any] | None:
    if queried is None:
        return None
    return consent.summary(queried.status["consent"], len(queried.cases), queried.refused)


def _rounds(events: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """(label, start, end), Unix time (s), of each attempt at a round or the evaluation."""
    spans = []
    for event in events:
        if event.get("event") == "round":
            label = f"round {event['round']}" if event["phase"] == "train" else "evaluation"
            spans.append((label, event["at"] - event["seconds"], event["at"]))
    return spans


def _per_round(rounds: list[tuple[str, float, float]]) -> float | None:
    training = [(start, end) for label, start, end in rounds if label != "evaluation"]
    if not training:
        return None
    return round((training[-1][1] - training[0][0]) / len(training), 3)


def _per_person(found: Found) -> dict[str, Any]:
    """Epsilon of a person whom m institutions know: every one of them releases something about that person.

    Under shared noise the person moves one sum m times.
    """
    privacy = found.model.plan.privacy
    claims = {
        m: epsilons(for_person(privacy.events(), m) * m, privacy.delta)
        for m in range(2, len(found.inputs.institutions) + 1)
    }
    return {str(m): {"pld": claim.pld, "prv": claim.prv, "rdp": claim.rdp} for m, claim in claims.items()}


def _institution(found: Found, name: str) -> dict[str, Any]:
    facts = found.homes_facts[name]
    given = next(item for item in found.inputs.institutions if item.name == name)
    judged = found.judgement.per_institution[name]
    return {
        "name": name,
        "nominal_records": facts["nominal_records"],
        "quarantined": given.rows - judged["records"],
        **judged,
        "features": len(facts["features"]),
        "fingerprint": facts["fingerprint"],
    }


def _run_amount(ledger: Mapping[str, Any]) -> dict[str, Any]:
    amount: dict[str, Any] = next(a for a in ledger["amounts"] if (a["scope"], a["key"]) == ("run", RUN))
    return amount


def _ledger(ledger: Mapping[str, Any], amount: Mapping[str, Any], delta: float) -> dict[str, Any]:
    """`verified`: the chain is whole (else it could not be read) and its last amount is what its releases cost."""
    events = [_event(line) for line in ledger["runs"] if line["run_id"] == RUN]
    again = epsilons(events, delta).pld
    return {
        "spent": amount["pld"],
        "cap": amount["cap"],
        "verified": bool(ledger["verified"]) and abs(again - amount["pld"]) < _SAME,
        "entries": ledger["entries"],
        "head": ledger["head"],
        "refusals": len(ledger["refusals"]),
    }


def _event(line: Mapping[str, Any]) -> Event:
    """All releases of one phase of a run as one event: whatever was reserved counts."""
    one = read_event(line["event"])
    return replace(one, steps=one.steps * int(line["reserved"]))


def _refused(found: Found) -> dict[str, int]:
    """Requests that nodes refused, and answers that the round driver refused."""
    nodes = sum(len(ledger["refusals"]) for ledger in found.ledgers.values())
    answers = sum(len(event.get("refused", {})) for event in found.homes.events() if event.get("event") == "round")
    return {"by_nodes": nodes, "by_driver": answers, "total": nodes + answers}


def _recomputed(said: Mapping[str, Any]) -> dict[str, Any]:
    """What `verify-model` said to one institution."""
    return {
        "follows": said["difference"] is None and said["published"],
        **{name: said[name] for name in ("rounds", "own", "unchecked")},
    }


def _card_figures(card: Mapping[str, Any]) -> dict[str, Any] | None:
    """The charged release's own figures, each with its standard error; None where there was no release."""
    findings = card["findings"]
    if findings is None:
        return None
    figures = {name: {part: findings["metrics"][name][part] for part in ("value", "se")} for name in _FIGURES}
    return {**figures, "source": findings["source"]}


def _burn_down(found: Found, name: str) -> list[float]:
    """Cumulative epsilon (PLD) of the run after each reservation in the ledger."""
    home = InstitutionHome.open(found.homes.institution(name))
    reading = read_ledger(home.database_url, institution=home.name, key=home.signing_key.public)
    reserved = [signed.entry for signed in reading.entries if signed.entry.kind is Kind.RESERVE]
    amounts = [entry.amount(Scope.RUN) for entry in reserved]
    return [round(amount.pld, 5) for amount in amounts if amount is not None]


def _released_groups(card: Mapping[str, Any]) -> list[int]:
    """[protected groups whose figures the charged histogram could show, all of them]."""
    reports = card["findings"]["fairness"] if card["findings"] else []
    shown = [group["approval_rate"]["value"] is not None for report in reports for group in report["groups"]]
    return [sum(shown), len(shown)]


def _influence(found: Found) -> dict[str, Any] | None:
    influence = found.card["influence"]
    if influence is None:
        return None
    dimensions = {feature.name: feature.dimension.value for feature in load_catalogue(found.inputs.catalogue).features}
    return {"index": {row["feature"]: row["index"] for row in influence["features"]}, "dimensions": dimensions}
