"""The beacon: what the log and the regulator add to a seed after it was committed to, so that nobody could choose it.

    value = H(size, root of the first quorum-cosigned checkpoint that contains the commitment, index, preimage)

The regulator publishes the end of a hash chain (SHA-256 under a label) beforehand and reveals one element more with
each beacon. Neither can be ground: whoever orders the log does not know the preimage when the checkpoint is cosigned,
and the preimage is fixed by the chain. A beacon's index is the number of elements between it and the anchor, so none is
skipped unnoticed, and a commitment's beacon is the FIRST one whose checkpoint contains it: no choice of several.

>>> chain = BeaconChain(bytes(32), 3)
>>> check_preimage(chain.anchor, 2, chain.preimage(2))
>>> chain.preimage(2) == _step(chain.preimage(3))
True
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.canonical import canonical, digest
from protocols.errors import MessageError, ProofError, StageError

BEACON_LABEL = "fedscore/v1/replay/beacon"
CHAIN_LABEL = "fedscore/v1/replay/beacon-chain"
HASH_BYTES = 32
MAX_CHAIN = 2**20  # elements; a beacon a minute for two years


def _step(element: bytes) -> bytes:
    return digest(CHAIN_LABEL, element)


class BeaconChain:
    """The regulator's secret: element `length` is a seed of 32 bytes, element i - 1 the hash of element i.

    Element 0 is the anchor, which is published. Raises MessageError for a seed or a length out of range.
    """

    def __init__(self, seed: bytes, length: int) -> None:
        if len(seed) != HASH_BYTES or not 1 <= length <= MAX_CHAIN:
            got = f"{len(seed)} bytes, length {length}"
            raise MessageError("beacon.chain", got=got, expected=f"{HASH_BYTES} bytes, length 1 to {MAX_CHAIN}")
        elements = [seed]
        for _ in range(length):
            elements.append(_step(elements[-1]))
        self._elements = elements[::-1]

    @property
    def anchor(self) -> bytes:
        """32 bytes, published when the regulator joins."""
        return self._elements[0]

    def preimage(self, index: int) -> bytes:
        """Element `index`, from 1. Raises StageError where the chain has come to its end."""
        if not 1 <= index < len(self._elements):
            raise StageError("beacon.index", got=index, expected=f"1 to {len(self._elements) - 1}")
        return self._elements[index]


def check_preimage(anchor: bytes, index: int, preimage: bytes) -> None:
    """Raises ProofError unless `preimage` is element `index` of the chain that ends in `anchor`."""
    element = preimage
    if 1 <= index <= MAX_CHAIN and len(preimage) == HASH_BYTES:
        for _ in range(index):
            element = _step(element)
        if element == anchor:
            return
    raise ProofError("beacon.preimage", got=f"no element {index}", expected="one of the regulator's chain")


@dataclass(frozen=True)
class Beacon:
    """One beacon: `size` and `root` of a quorum-cosigned checkpoint, `index` and `preimage` of the regulator's chain.

    Raises MessageError for figures out of range. Whether the checkpoint was cosigned, whoever reads it must check.
    """

    size: int
    root: bytes
    index: int
    preimage: bytes = field(repr=False)

    def __post_init__(self) -> None:
        fits = self.size >= 1 and self.index >= 1 and len(self.root) == len(self.preimage) == HASH_BYTES
        if not fits:
            raise MessageError("beacon", got=f"size {self.size}, index {self.index}", expected="two hashes, from 1 on")

    @property
    def value(self) -> bytes:
        """32 bytes: what seeds are mixed with."""
        content: dict[str, str | int] = {
            "index": self.index,
            "preimage": self.preimage.hex(),
            "root": self.root.hex(),
            "size": self.size,
        }
        return digest(BEACON_LABEL, canonical(content))


def first_covering(anchor: bytes, beacons: Sequence[Beacon], position: int) -> Beacon:
    """The beacon of the commitment at log position `position` (from 0): the first whose checkpoint contains it.

    `beacons` are ALL of the regulator's, in the order of the log. Raises ProofError where an index is skipped or said
    twice, a checkpoint does not grow or a preimage is not the chain's; StageError where no checkpoint contains it yet.
    """
    trail = BeaconTrail(anchor)
    for beacon in beacons:
        trail.follow(beacon)
    return trail.covering(position)


class BeaconTrail:
    """The beacons of one chain, as they come: each one must be the next."""

    def __init__(self, anchor: bytes) -> None:
        self._element = anchor
        self._beacons: list[Beacon] = []

    def follow(self, beacon: Beacon) -> None:
        """Raises ProofError where an index is skipped or said twice, a size does not grow, a preimage is another."""
        number, before = len(self._beacons) + 1, self._beacons[-1].size if self._beacons else 0
        if beacon.index != number or beacon.size <= before or _step(beacon.preimage) != self._element:
            got = f"index {beacon.index}, size {beacon.size}"
            raise ProofError("beacon", got=got, expected=f"the chain's element {number}, a size above {before}")
        self._beacons.append(beacon)
        self._element = beacon.preimage

    def covering(self, position: int) -> Beacon:
        """The first whose checkpoint contains log position `position`. Raises StageError where none does yet."""
        at = bisect_right(self._beacons, position, key=lambda beacon: beacon.size)
        if at == len(self._beacons):
            got = f"checkpoints up to size {self._beacons[-1].size if self._beacons else 0}"
            raise StageError("beacon", got=got, expected=f"one above {position}")
        return self._beacons[at]
