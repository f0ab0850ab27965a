"""Which epoch each logged inquiry is of: 12 bytes each, for a log of millions."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable


class Asked:
    """Told in log order."""

    def __init__(self) -> None:
        self._places, self._epochs = array("Q"), array("I")
        self._names: dict[str, int] = {}

    def add(self, index: int, epoch: str) -> None:
        self._places.append(index)
        self._epochs.append(self._names.setdefault(epoch, len(self._names)))

    def by_epoch(self, places: Iterable[int]) -> Counter[str]:
        """How many of the inquiries at these places are of which epoch; a place without an inquiry is of none."""
        names, found = list(self._names), Counter[str]()
        for place in places:
            at = bisect_left(self._places, place)
            if at < len(self._places) and self._places[at] == place:
                found[names[self._epochs[at]]] += 1
        return found
