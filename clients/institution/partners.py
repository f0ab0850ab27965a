"""Whom this institution shares its noise with: only institutions whose keys a person here has accepted.

    accept_partner(home.path, "c6a1 90f2 ...")         # read out by that institution, over a channel of its own
    strangers(plan, "bank-a", partners(home.path))     # of a plan: who is not accepted, with fingerprints

Under secure aggregation an institution adds a share of the noise and counts on the others for the rest. The members of
a plan and their keys are the coordinator's word: one that invents K - 1 of them, under whatever names, subtracts what
they sent and holds the last one's update with a share of its noise (docs/secagg.md). Nobody counts before a person here
has said so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from federation.errors import ConfigurationError
from federation.rounds.plan import Member, TrainingPlan
from federation.runtime.pki import key_fingerprint
from federation.runtime.private_files import write_public

_FILE = "partners.json"
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


def partners(home: Path) -> frozenset[str]:
    """Fingerprints (32 digits) accepted here. Raises ConfigurationError for a file that says something else."""
    file = home / _FILE
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return frozenset()
    except ValueError as error:
        raise ConfigurationError(str(file), got="unreadable", expected="what `accept-partner` wrote") from error
    if not isinstance(found, list) or not all(isinstance(each, str) and _FINGERPRINT.fullmatch(each) for each in found):
        raise ConfigurationError(str(file), got="something else", expected="what `accept-partner` wrote")
    return frozenset(found)


def accept_partner(home: Path, fingerprint: str) -> None:
    """Count on the institution with this key, from the next request on. ConfigurationError for no fingerprint."""
    _write(home, partners(home) | {bare(fingerprint)})


def withdraw_partner(home: Path, fingerprint: str) -> None:
    """Count on it no more: rounds with it are refused. Raises ConfigurationError for one that was not accepted."""
    known, gone = partners(home), bare(fingerprint)
    if gone not in known:
        raise ConfigurationError("fingerprint", got=fingerprint[:80], expected="one that was accepted")
    _write(home, known - {gone})


def strangers(plan: TrainingPlan, own: str, accepted: AbstractSet[str]) -> dict[str, str]:
    """{institution: fingerprint} of the other members of a plan with shared noise whose keys are not `accepted`."""
    if plan.privacy.sharing is None:
        return {}
    others = {member.institution: fingerprint_of(member) for member in plan.members if member.institution != own}
    return {name: fingerprint for name, fingerprint in others.items() if bare(fingerprint) not in accepted}


def fingerprint_of(member: Member) -> str:
    """As that institution's `init` showed it."""
    return key_fingerprint(member.verifying_key)


def bare(fingerprint: str) -> str:
    """A fingerprint without what people put between its digits. Raises ConfigurationError for anything else."""
    found = re.sub(r"[\s:]", "", fingerprint).lower()
    if not _FINGERPRINT.fullmatch(found):
        raise ConfigurationError("fingerprint", got=fingerprint[:80], expected="32 hexadecimal digits, in full")
    return found


def _write(home: Path, accepted: AbstractSet[str]) -> None:
    write_public(home / _FILE, json.dumps(sorted(accepted), indent=2).encode(), mode=0o600)
