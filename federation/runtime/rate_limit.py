"""Token buckets per caller: what keeps a stranger from keeping the enrolment port busy.

>>> limit = RateLimit(burst=2, per_second=1.0)
>>> [limit.allows("a", 0.0), limit.allows("a", 0.0), limit.allows("a", 0.0), limit.allows("a", 1.0)]
[True, True, False, True]
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import unquote

from federation.runtime.network import network_of

MAX_CALLERS = 10_000


def origin(peer: str) -> str:
    """Whose a gRPC peer is: its IPv4 address, the /64 network of its IPv6 address, or all of a peer that has neither.

    >>> origin("ipv4:192.0.2.7:4711"), origin("ipv6:%5B2001:db8:1:2:3::4%5D:4711"), origin("ipv6:[::ffff:192.0.2.7]:1")
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    >>> origin("unix:@")
    'unix:@'
    """
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    return network_of(host) or peer[:64]


@dataclass
class RateLimit:
    """At most `burst` calls at once and `per_second` sustained, for each caller; memory for MAX_CALLERS of them."""

    burst: int
    per_second: float
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allows(self, caller: str, now: float) -> bool:
        """Whether `caller` may call at `now` (seconds, monotonic); a call that is allowed is counted."""
        with self._lock:
            tokens, since = self._buckets.pop(caller, (float(self.burst), now))
            tokens = min(self.burst, tokens + (now - since) * self.per_second)
            allowed = tokens >= 1.0
            self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
            return allowed
