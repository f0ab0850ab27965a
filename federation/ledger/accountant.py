"""The accountants that deployments have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from federation.ledger.budget import Epsilons
from federation.ledger.renyi import renyi_epsilon
from federation.privacy.event import Event


def published_accountant(events: Sequence[Event], delta: float, order: int | None = None) -> Epsilons:
    """`federation.privacy.epsilons`, imported when first asked: who only reads a ledger needs no accountant."""
    from federation.privacy import epsilons

    claims = epsilons(events, delta)
    return claims if order is None else replace(claims, rdp=renyi_epsilon(events, delta, order))
