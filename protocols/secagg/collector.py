"""The coordinator's side of the set-up: it passes adverts on, and keeps shares that it cannot open.

collector = Collector(plan)
collector.advert(name, data)          # for every member; then `collector.adverts` goes to all of them
collector.shares(name, data)          # for every member; then rounds can start
total = collector.round(number, width, basis, word_bytes)     # a `RoundSum`
"""

from __future__ import annotations

from protocols.errors import StageError
from protocols.secagg.advert import Advert, Setup
from protocols.secagg.messages import parse
from protocols.secagg.plan import SecaggPlan
from protocols.secagg.round_sum import RoundSum
from protocols.secagg.sharing import Shares
from protocols.wire.secagg_pb2 import SecaggSetup

MAX_BYTES = 2**31 - 1


class Collector:
    """What members of `plan` sent for the set-up. Everything is verified as it comes in, and named after its sender."""

    def __init__(self, plan: SecaggPlan) -> None:
        self.plan = plan
        self._adverts: dict[str, bytes] = {}
        self._shares: dict[str, bytes] = {}
        self._setup: Setup | None = None
        self._dealt: dict[str, Shares] = {}

    def advert(self, name: str, data: bytes) -> None:
        """Raises Fault naming `name` for a bad advert, StageError for a second, different one."""
        if self._adverts.get(name, data) != data:
            raise StageError(f"advert of {name}", got="a second one", expected="one for the whole run")
        Advert.open(self.plan, name, data)
        self._adverts[name] = data

    @property
    def adverts(self) -> dict[str, bytes]:
        """What every member gets. Raises StageError while one is missing."""
        self._opened()
        return dict(self._adverts)

    def shares(self, name: str, data: bytes) -> None:
        """Raises Fault naming `name` for bad shares, StageError for a second, different message."""
        if self._shares.get(name, data) != data:
            raise StageError(f"shares of {name}", got="a second message", expected="one for the whole run")
        self._dealt[name] = Shares.open(self._opened(), name, data)
        self._shares[name] = data

    @property
    def missing(self) -> tuple[str, ...]:
        """Whose shares have not come: no round can start without them."""
        return tuple(name for name in self.plan.names if name not in self._dealt)

    def round(self, number: int, width: int, basis: bytes = b"", word_bytes: int = 8) -> RoundSum:
        """The sum of round `number`, of vectors computed from `basis`, in words of 4 or of 8 bytes.

        Raises StageError while shares are missing, MessageError for numbers out of range.
        """
        if self.missing:
            raise StageError("secagg.shares", got=f"none of {', '.join(self.missing)}", expected="every member's")
        return RoundSum(self._opened(), self._dealt, number, width, basis, word_bytes)

    def to_bytes(self) -> bytes:
        """For the coordinator's store; nothing in it is secret."""
        return SecaggSetup(adverts=self._adverts, shares=self._shares).SerializeToString(deterministic=True)

    @classmethod
    def from_bytes(cls, plan: SecaggPlan, data: bytes) -> Collector:
        """Verified again, message by message. Raises what `advert` and `shares` raise, and MessageError."""
        collector, stored = cls(plan), parse(data, SecaggSetup, MAX_BYTES)
        for name, advert in sorted(stored.adverts.items()):
            collector.advert(name, advert)
        for name, shares in sorted(stored.shares.items()):
            collector.shares(name, shares)
        return collector

    def _opened(self) -> Setup:
        if self._setup is None:
            self._setup = Setup.open(self.plan, self._adverts)
        return self._setup
