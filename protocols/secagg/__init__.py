"""Secure aggregation: the coordinator learns the sum of the members' vectors, and no vector.

Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning" (CCS 2017), with one set-up for
all rounds of a run. `docs/secagg.md` is the protocol, with proofs; these are its parts:

plan                     who takes part, how many may drop, how many shares open a secret
secrets, keys            what a member draws for each round; what is made of it
advert                   public keys, signed by enrolled keys; all of them: a set-up
shamir, sharing          shares of every secret, committed to and sealed
masks                    keystreams added to vectors
unmasking                which survivors' and droppers' secrets a round opens
member, member_state     a member's side; its private file
collector, round_sum     the coordinator's side

Pure: no sockets, files, clock or randomness. Vectors are uint64 modulo 2^64, or uint32 modulo 2^32; a signed integer is
its two's complement (`int64.view(uint64)`), and sums are exact while they stay below 2^63, or 2^31, in absolute value.
Which of the two is what members agree on before they mask; masks of words of different sizes do not cancel.
"""

from protocols.lookup.fault import Fault
from protocols.secagg.collector import Collector
from protocols.secagg.masks import Words, from_wire, to_wire
from protocols.secagg.member import Member
from protocols.secagg.plan import SecaggPlan, threshold
from protocols.secagg.round_sum import RoundSum
from protocols.secagg.unmasking import Unmasking

__all__ = [
    "Collector",
    "Fault",
    "Member",
    "RoundSum",
    "SecaggPlan",
    "Unmasking",
    "Words",
    "from_wire",
    "threshold",
    "to_wire",
]
