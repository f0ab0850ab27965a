"""Rounds, models, and what is known of their quality and fairness."""

from __future__ import annotations

from typing import Any

from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value

_RUN = Column("run_id", "Run", choice=True)


def rounds(view: View, _now: float) -> Table:
    rows = []
    for position, said in view.material.rounds:
        values: dict[str, Value] = {
            "run_id": said.run_id,
            "phase": said.phase,
            "round": said.round,
            "entry": position,
            "updates": ", ".join(sorted(said.updates)),
            "refused": ", ".join(f"{name} ({code})" for name, code in sorted(said.refused.items())),
            "model_hash": said.model_hash[:16],
            "result_hash": said.result_hash[:16],
        }
        red = [p.text for p in view.problems if p.what == "step 9" and f"log entry {position}:" in p.text]
        rows.append(Row(values, "; ".join(red[:2])))
    columns = (
        _RUN,
        Column("phase", "Phase", choice=True),
        Column("round", "Round", number=True),
        Column("entry", "Log entry", number=True),
        Column("updates", "Updates of"),
        Column("refused", "Not taken"),
        Column("model_hash", "Model sent", code=True),
        Column("result_hash", "Model after", code=True),
    )
    return Table("rounds", "Rounds, as the coordinator stated them", columns, tuple(rows))


def models(view: View, _now: float) -> Table:
    latest = {str(content.get("run_id")): content for kind, content in view.published if kind == "model"}
    evaluated = {str(content.get("run_id")) for kind, content in view.published if kind == "evaluation"}
    rows = []
    for run, content in latest.items():
        held = view.documents.get(run)
        card = held["card"] if held else {}
        claims = _at(card, "privacy", "claims") or {}
        values: dict[str, Value] = {
            "run_id": run,
            "family": _text(_at(card, "model", "family")),
            "model_hash": str(content.get("model_hash"))[:16],
            "members": len(_at(card, "members") or ()) or None,
            "epsilon": _number(claims.get("prv") or claims.get("pld")),
            "auc": _number(_at(card, "findings", "metrics", "auc", "value")),
            "ks": _number(_at(card, "findings", "metrics", "ks", "value")),
            "ece": _number(_at(card, "findings", "metrics", "ece", "value")),
            "evaluated": "yes" if run in evaluated else "no",
            "card": "not handed over" if held is None else held["problem"] or "as logged",
        }
        # A card that is not logged may be read, and proves nothing; another one than the logged one is a lie.
        rows.append(Row(values, held["problem"] if held and "no entry" not in held["problem"] else ""))
    columns = (
        _RUN,
        Column("family", "Family", choice=True),
        Column("model_hash", "Model", code=True),
        Column("members", "Members", number=True),
        Column("epsilon", "Epsilon (PRV)", number=True),
        Column("auc", "AUC", number=True),
        Column("ks", "KS", number=True),
        Column("ece", "Calibration error", number=True),
        Column("evaluated", "Evaluated"),
        Column("card", "Model card"),
    )
    return Table("models", "Published models; figures are those of their cards", columns, tuple(rows))


def fairness(view: View, _now: float) -> Table:
    rows = []
    for run, card in _cards(view):
        for attribute in _at(card, "findings", "fairness") or ():
            for group in attribute.get("groups", ()):
                values: dict[str, Value] = {
                    "run_id": run,
                    "attribute": _text(attribute.get("attribute")),
                    "group": _text(group.get("group")),
                    "records": _number(group.get("records")),
                    **{name: _number(_at(group, name, "value")) for name in ("approval_rate", "bad_rate")},
                    **{name: _number(_at(group, name, "value")) for name in ("auc", "tpr", "fpr")},
                }
                rows.append(Row(values))
    columns = (
        _RUN,
        Column("attribute", "Attribute", choice=True),
        Column("group", "Group"),
        Column("records", "Records counted", number=True),
        Column("approval_rate", "Approved", number=True),
        Column("bad_rate", "Bad", number=True),
        Column("auc", "AUC", number=True),
        Column("tpr", "Bads refused", number=True),
        Column("fpr", "Goods refused", number=True),
    )
    return Table("fairness", "Figures by protected group", columns, tuple(rows), "No card states any.")


def comparisons(view: View, _now: float) -> Table:
    rows = []
    for run, card in _cards(view):
        for attribute in _at(card, "findings", "fairness") or ():
            for each in attribute.get("comparisons", ()):
                holds, uncertain = each.get("holds"), bool(each.get("uncertain"))
                verdict = "cannot be compared" if holds is None else "holds" if holds else "does not hold"
                values: dict[str, Value] = {
                    "run_id": run,
                    "attribute": _text(attribute.get("attribute")),
                    "profile": _text(each.get("title")),
                    "value": _number(each.get("value")),
                    "limit": _number(each.get("limit")),
                    "verdict": f"{verdict}, within the error" if uncertain else verdict,
                }
                red = "the profile's limit is not kept" if holds is False and not uncertain else ""
                rows.append(Row(values, red))
    columns = (
        _RUN,
        Column("attribute", "Attribute", choice=True),
        Column("profile", "Profile", choice=True),
        Column("value", "Value", number=True),
        Column("limit", "Limit", number=True),
        Column("verdict", "Verdict"),
    )
    return Table("comparisons", "Fairness profiles", columns, tuple(rows), "No card states any.")


def calibration(view: View, _now: float) -> Table:
    rows = [
        Row({"run_id": run, **{name: _number(point.get(name)) for name in ("predicted", "observed", "records", "se")}})
        for run, card in _cards(view)
        for point in _at(card, "findings", "calibration") or ()
    ]
    columns = (
        _RUN,
        Column("predicted", "Predicted rate of bad", number=True),
        Column("observed", "Observed", number=True),
        Column("records", "Records", number=True),
        Column("se", "Standard error", number=True),
    )
    return Table("calibration", "Calibration, by predicted rate", columns, tuple(rows), "No card states any.")


def _cards(view: View) -> list[tuple[str, dict[str, Any]]]:
    return [(run, held["card"]) for run, held in view.documents.items()]


def _at(value: Any, *path: str) -> Any:
    """What is at `path` in a document that may have any form."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return "" if value is None else str(value)[:100]
