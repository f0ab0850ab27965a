"""A recorded summary and its evidence, small and complete: what a finished demonstration hands to the report."""

from __future__ import annotations

from typing import Any

NAMES = ("aurora", "borealis", "cassiopeia")
MODELS = ("federated", "alone_best", "alone_mean", "central_additive", "central_boosting")


def summary() -> dict[str, Any]:
    figures = {model: 0.78 - 0.004 * i for i, model in enumerate(MODELS)}
    return {
        "format": "fedscore/v1/demo-summary",
        "run_id": "demo",
        "finished": "2030-01-01T00:00:00+00:00",
        "data": {
            "description": "60,000 synthetic persons",
            "oracle_records": 24_000,
            "oracle_left_out": 17,
            "oracle_reason": "these people do not exist",
        },
        "catalogue": {"name": "synthetic", "version": "1.0.0", "hash": "ab" * 32},
        "auc": figures,
        "ks": figures,
        "ece": figures,
        "epsilon": {"pld": 0.95, "prv": 0.96, "rdp": 1.04, "replace_one": 2.0},
        "epsilon_person": {str(m): {"pld": 0.5 + m / 2, "prv": 0.5 + m / 2, "rdp": 0.6 + m / 2} for m in (2, 3)},
        "delta": 3.3e-6,
        "adjacency": "add_or_remove_one",
        "noise": "secagg",
        "recipe": "gp",
        "trust": "the coordinator sees sums, and no institution's update",
        "rounds": 4,
        "seconds_per_round": 3.4,
        "seconds_to_first_round": 9.1,
        "institutions": [
            {
                "name": name,
                "records": 30_000,
                "nominal_records": 24_000,
                "quarantined": 2,
                "default_rate": 0.1,
                "auc_alone": 0.77,
                "auc_federated": 0.78,
            }
            for name in NAMES
        ],
        "ledgers": {
            name: {"spent": 0.95, "cap": 1.0, "verified": name != "borealis", "entries": 42, "refusals": 0}
            for name in NAMES
        },
        "refused": {"by_nodes": 0, "by_driver": 0, "total": 0},
        "lookup": {
            "left_out": None,
            "engine": "bfv",
            "queries": 4,
            "correct": 3,
            "outcomes": {"no_hit": 1, "scored": 3},
            "bytes_up": 124_775,
            "bytes_down": 75_552,
            "once_up": 1_106_436,
            "once_down": 27_526,
            "seconds": {"append": 0.003, "ticket": 0.056, "query": 0.14},
            "auc_own": 0.7571,
            "auc_joint": 0.7942,
            "auc_plaintext_joint": 0.7941,
            "auc_reason": None,
            "persons": 11_990,
            "subjects": 12_054,
            "rows": 12,
            "epoch_id": "12" * 32,
            "auditors": ["aurora", "borealis"],
            "identifiers_found": 0,
            "erased": True,
            "tickets": dict.fromkeys(NAMES, 4),
        },
        "consent": {
            "holds": True,
            "authorities": ["e-id"],
            "receipts": 4,
            "refused": {"no receipt": "missing", "a revoked receipt": "revoked"},
        },
        "spot_check": {
            "holds": True,
            "rate": 1.0,
            "inquiries": 5,
            "drawn": {"aurora": 2, "borealis": 1, "cassiopeia": 2},
            "opened": {"aurora": 2, "borealis": 1, "cassiopeia": 2},
            "broken": {"aurora": [], "borealis": [], "cassiopeia": ["unknown_key"]},
            "bypassed": {"institution": "cassiopeia", "known_to": 3},
            "chance": {"10%": {"1": 0.1, "10": 0.651}, "30%": {"1": 0.3, "10": 0.972}},
        },
        "inquiries": {
            "holds": True,
            "holders": ["ombudsman", "regulator"],
            "asked": 5,
            "not_asked": 0,
            "found": [
                {"querier": "aurora", "purpose": "credit-application", "inquiry": "hard"},
                {"querier": "cassiopeia", "purpose": "credit-application", "inquiry": "unknown"},
            ],
            "seconds": 1.23,
        },
        "blind": {
            "holds": True,
            "owner": "aurora",
            "lender": "acme",
            "score": 612.41,
            "band": "fair",
            "plain": 611.97,
            "difference": 0.44,
            "plus_minus": 2.27,
            "answered": 1,
            "left": 22,
            "lifetime": 23,
            "smallest_part": 24,
            "weights_protected": True,
        },
        "dispute": {
            "holds": True,
            "institution": "borealis",
            "jurisdiction": "eu",
            "about": "payment_ratio_3m",
            "score_before": 541.2,
            "score_after": 573.8,
            "result": "corrected",
            "due": "2030-02-01",
            "state": "closed",
            "steps": ["opened", "corrected", "notified", "told"],
            "notices": {"aurora": 1, "cassiopeia": 1},
            "read": {"aurora": 1, "cassiopeia": 1},
            "delivered": {"aurora": True, "cassiopeia": True},
            "after_epoch": 1,
        },
        "oversight": {
            "holds": False,
            "steps": 2,
            "steps_passed": 1,
            "verify_seconds": 6.2,
            "entries": 1_384,
            "export_bytes": 429_737,
            "quorum": {"witnesses": 5, "needed": 4, "cosigned": 5},
            "epsilon": {name: {"pld": 0.95, "prv": 0.96, "rdp": 1.04, "delta": 3.3e-6, "cap": 1.0} for name in NAMES},
            "audits": [
                {
                    "institution": name,
                    "kind": "contract",
                    "claimed": 0.42,
                    "measured": 0.44 if name == "borealis" else 0.42,
                    "passed": name != "borealis",
                    "requested": name != "aurora",
                }
                for name in NAMES
            ],
            "replayed": [{"institution": "aurora", "phase": "train", "round": 2, "attempt": 1, "matches": True}],
        },
        "recomputed": {
            name: {"follows": name != "borealis", "rounds": 4, "own": 4, "unchecked": ["something"]} for name in NAMES
        },
        "masked": {
            "rounds": 4,
            "members": 3,
            "droppers": 0,
            "survivors": 3,
            "bytes_received": 61_440,
            "received_p": 0.4213,
            "bare_p": 0.0,
        },
        "model_hash": "cd" * 32,
        "plan_hash": "ef" * 32,
        "seconds": {"files": 1.0, "training": 80.0},
    }


def sound() -> dict[str, Any]:
    """The same where everything holds."""
    found = summary()
    for name in NAMES:
        found["ledgers"][name]["verified"] = found["recomputed"][name]["follows"] = True
    found["lookup"]["correct"] = found["lookup"]["queries"]
    found["oversight"]["holds"] = True
    return found


def evidence() -> dict[str, Any]:
    curve = [[0.0, 0.0], [0.2, 0.6], [1.0, 1.0]]
    shown = ("federated", "alone_best", "central_boosting")
    estimate = {"value": 0.77, "se": 0.02}
    return {
        "roc": dict.fromkeys(shown, curve),
        "calibration": {name: [[0.05, 0.04], [0.3, 0.28]] for name in shown},
        "scores": {
            "edges": [350, 550, 750, 950],
            "goods": [5, 60, 20],
            "bads": [4, 5, 1],
            "cuts": [550, 600, 650, 700],
        },
        "bands": {"names": ["poor", "good"], "shares": [0.2, 0.8], "rates": [0.3, 0.05]},
        "card": {"auc": estimate, "ks": estimate, "ece": {"value": 0.04, "se": None}, "source": "a charged histogram"},
        "cap": 1.0,
        "budget": {name: [0.4, 0.6, 0.8, 0.9, 0.95] for name in NAMES},
        "timeline": [[f"round {i}", 9.0 + 4 * i, 12.0 + 4 * i] for i in range(4)],
        "lookup": {
            "asked": [
                {
                    "institution": NAMES[i % 3],
                    "members": i,
                    "outcome": "scored" if i else "no_hit",
                    "score": 600.0 + i if i else None,
                    "band": "good" if i else None,
                    "correct": i != 2,
                }
                for i in range(4)
            ],
            "seen": [
                {"party": party, "kind": f"what reaches a {party}", "messages": 3, "bytes": 77_001, "identifiers": 0}
                for party in ("querier", "member", "relay", "pool")
            ],
            "distribution": {
                "edges": [350, 550, 750, 950],
                "shares": {"1": [0.2, 0.5, 0.3], "2": [0.1, 0.6, 0.3], "3": [0.3, 0.3, 0.4]},
                "persons": {"1": 3_000, "2": 5_000, "3": 3_990},
            },
        },
        "oversight": {
            "steps": [
                {"number": 1, "title": "Files are those of the manifest", "outcome": "holds", "facts": ["9 files"]},
                {"number": 8, "title": "Caps are the policy's", "outcome": "fails", "facts": []},
            ],
            "entries": {"ledger-entry": 126, "round": 21},
        },
        "masked": {
            "rounds": [
                {
                    "round": number,
                    "stage": "mains",
                    "survivors": 3,
                    "bytes": 1_280,
                    "received_p": 0.9 / number,
                    "received_bits": 63,
                    "bare_p": 0.0,
                    "bare_bits": 41,
                    "bare_size": 4.25,
                    "opened_bits": 42,
                    "opened_size": 3.5,
                }
                for number in range(1, 5)
            ],
            "bytes": {"received": [240] * 256, "bare": [30_000, *[1] * 254, 31_186]},
        },
        "released_groups": [3, 14],
        "fairness": {"groups": [["sex", "female", 0.8], ["sex", "male", 0.5]], "cut_off": 600.0},
        "influence": {
            "index": {"defaults": 100.0, "income": 40.0},
            "dimensions": {"defaults": "history", "income": "capacity"},
        },
    }
