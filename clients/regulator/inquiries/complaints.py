"""Revocations that persons have shown the regulator, and which inquiries they forbid.

    complaints = Complaints.read(home.complaints, copied.taken)
    complaints.take(data)                                    # a file; kept
    complaints.forbidding(leaf, index)                       # revocations known to have come before this inquiry
    complaints.undecided(leaf)                               # ... of which nobody can tell whether the querier had them

What decides is the order of two places in the log: that of the institution's commitment, and that of the inquiry. Her
word decides nothing, nor does a time that anybody states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from federation.inquiries.acknowledged import Complaint
from federation.oversight.inquiries import RevocationTaken
from federation.runtime.private_files import private_directory, write_public
from protocols.consent.check import Revocations
from protocols.lookup.leaf import SignedLeaf

_SUFFIX = ".complaint"


@dataclass(frozen=True)
class Standing:
    """What a complaint is worth: the place in the log at which its acknowledgement was committed to, if it was."""

    complaint: Complaint
    index: int | None

    def to_json(self) -> dict[str, Any]:
        said = None if self.index is None or self.complaint.acknowledged is None else self.complaint.acknowledged.said
        return {
            "serial": self.complaint.revocation.revocation.serial,
            "institution": None if said is None else said.institution,
            "acknowledged": self.index,
            "served": None if said is None else said.leaf is not None,
        }


class Complaints:
    """Those of one home. `taken`: what institutions committed to, each at its first place in the log."""

    def __init__(self, folder: Path, taken: Mapping[RevocationTaken, int]) -> None:
        self._folder, self._taken = private_directory(folder), taken
        self._by_serial: dict[str, list[Standing]] = {}

    @classmethod
    def read(cls, folder: Path, taken: Mapping[RevocationTaken, int]) -> Complaints:
        """With all that was kept."""
        found = cls(folder, taken)
        for path in sorted(found._folder.glob(f"*{_SUFFIX}")):
            found._add(path.read_bytes())
        return found

    def take(self, data: bytes) -> Standing:
        """Keep a complaint. Raises MessageError, EncodingError or SignatureError for what is none of a person's."""
        standing = self._add(data)
        write_public(self._folder / f"{sha256(data).hexdigest()[:32]}{_SUFFIX}", data, mode=0o600)
        return standing

    def forbidding(self, leaf: SignedLeaf, index: int) -> Revocations:
        """What its querier had acknowledged before the log had this inquiry, which is not the one that it names."""
        found = []
        for each in self._of(leaf):
            said = None if each.complaint.acknowledged is None else each.complaint.acknowledged.said
            if said is not None and each.index is not None and each.index < index:
                found += [each.complaint.revocation] * said.forbids(leaf.leaf.querier, leaf.hash)
        return Revocations.standing(found)

    def undecided(self, leaf: SignedLeaf) -> Revocations:
        """What no acknowledgement in the log shows its querier to have, or not to have had yet."""
        return Revocations.standing(each.complaint.revocation for each in self._of(leaf) if not _decides(each, leaf))

    def _of(self, leaf: SignedLeaf) -> tuple[Standing, ...]:
        """By the number in the leaf; whose key the receipt is under is held against the opening."""
        return tuple(self._by_serial.get(leaf.leaf.receipt_serial, ()))

    def _add(self, data: bytes) -> Standing:
        complaint = Complaint.decode(data)
        complaint.revocation.verify()
        shown, index = complaint.acknowledged, None
        if shown is not None and shown.said.revocation == complaint.revocation.hash:
            index = self._taken.get(shown.taken)  # its signature was verified at its place, with the roster there
        standing = Standing(complaint, index)
        self._by_serial.setdefault(complaint.revocation.revocation.serial, []).append(standing)
        return standing


def _decides(standing: Standing, leaf: SignedLeaf) -> bool:
    shown = standing.complaint.acknowledged
    return standing.index is not None and shown is not None and shown.said.institution == leaf.leaf.querier
