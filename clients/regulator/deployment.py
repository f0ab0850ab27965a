"""deployment.json: the federation as the OpenDP Deployments Registry describes deployments (registry.opendp.org).

The registry's blocks are product, dp_flavor, privacy_loss, model, accounting and implementation; what it asks for in
words and a trail cannot know (intended use, region, sector) is left out, for the federation to fill in. Everything that
stands here follows from the entries, so whoever verifies an export recomputes the file and compares it.
"""

from __future__ import annotations

import math
from typing import Any

from clients.regulator.account import Account, LedgerAccount
from federation.ledger.budget import Amount, Scope
from federation.ledger.release import ADJACENCY, UNIT
from federation.privacy.event import Event

FORMAT = "fedscore/v1/deployment"


def describe(account: Account) -> dict[str, Any]:
    """JSON-ready."""
    ledgers = [account.ledgers[key] for key in sorted(account.ledgers)]
    period = account.period
    return {
        "format": FORMAT,
        "registry": "https://registry.opendp.org",
        "status": "Draft",
        "tier": 3,
        "deployment": {
            "product": {
                "name": "Federated credit scores",
                "data_curators": sorted({ledger.institution for ledger in ledgers}),
                "data_product_type": "Machine learning model and summary statistics",
                "description": "Models trained over the members' records, and histograms of their evaluation.",
                "publication_date": None if period is None else period[1].date().isoformat(),
            },
            "dp_flavor": {
                "name": "Approximate DP",
                "input_metric": ADJACENCY,
                "data_domain": "Records of one institution, validated against a catalogue, at most one per subject",
                "unprotected_quantities": "nominal numbers of records, members of a run, dates and numbers of rounds",
            },
            "privacy_loss": {
                "privacy_unit": UNIT,
                "privacy_unit_description": "A person known to several institutions has a record at each.",
                "privacy_parameters": [_loss(ledger) for ledger in ledgers],
            },
            "model": {
                "model_name": "Local",
                "model_name_description": "Every institution adds all the noise of its own guarantee before it sends.",
                "actors": ["institutions", "coordinator", "regulator"],
                "release_type": "Many releases",
                "release_type_description": [_run(account, run) for run in sorted(account.plans)],
                "data_source_type": "Dynamic",
                "access_type": "Non-interactive",
            },
            "accounting": {
                "post_processing": "Averages of updates, tail averaging, scaling to scores",
                "composition": "A run by PLD (dp-accounting), beside Opacus' PRV; years and lifetimes by a Renyi "
                "filter of one order, fixed by the cap",
            },
            "implementation": {
                "mechanisms": sorted({_mechanism(event) for ledger in ledgers for event in ledger.mechanisms}),
                "pre_processing_eda_hyperparameter_tuning": "Public catalogue; whatever is tuned on records is charged",
            },
        },
    }


def _mechanism(event: Event) -> str:
    name = str(event.to_json()["mechanism"]).replace("_", " ")
    return f"{name}, sampling rate {event.sampling_rate:g}, noise multiplier {event.noise_multiplier:g}"


def _loss(ledger: LedgerAccount) -> dict[str, Any]:
    """The lifetime of a ledger, and its years."""
    listed = [amount for (scope, _), amount in sorted(ledger.amounts.items()) if scope is not Scope.RUN]
    return {
        "institution": ledger.institution,
        "key_id": ledger.key_id,
        "scopes": [_amount(amount) for amount in listed],
        "refused": dict(sorted(ledger.refusals.items())),
    }


def _amount(amount: Amount) -> dict[str, Any]:
    epsilon = max(amount.pld, amount.prv)  # the larger of two upper bounds is still one
    return {
        "scope": amount.scope.value,
        "period": amount.key,
        "epsilon": epsilon if math.isfinite(epsilon) else None,
        "epsilon_renyi_filter": amount.rdp if math.isfinite(amount.rdp) else None,
        "delta": amount.delta,
        "cap": amount.cap,
    }


def _run(account: Account, run: str) -> dict[str, Any]:
    privacy = account.plans[run].get("privacy")
    return {
        "run": run,
        "rounds": account.rounds[run, "train"],
        "evaluations": account.rounds[run, "evaluate"],
        "privacy": privacy if isinstance(privacy, dict) else None,
    }
