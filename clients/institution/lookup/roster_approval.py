"""Whom this institution takes part with: only a roster that somebody here has approved, by its fingerprint.

    approval = RosterApproval(folders.path, home.settings.lookup.identifiers)
    approval.approve(proposal, "3f2a 77c1 ...", now)       # a person, after comparing it with the other members
    approval.check(proposal)                               # a program, before anything is drawn or signed

Keys of other members, log and pool reach an institution through the coordinator alone. A coordinator that made the
other members up reads every record with a ticket for it, so nothing it proposes is believed unseen. One roster is
approved at a time; epochs under it need no more. Whoever goes back to an earlier roster asks again, and so does whoever
wants another joint key under the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.errors import ConfigurationError
from federation.lookup.settings import check_identifiers
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.lookup.proposal import roster_fingerprint
from protocols.signing import VerifyingKey

_KEYS = ("coordinator_key", "log_key", "pool_key", "oversight")
_TERMS = ("members", "parameters", "authorities", *_KEYS)
_COMPARED = "that of the roster that waits, as you compared it with the other members"  # typed here, never copied
_NEW_KEY = "a new joint key of the same members: all their customers enrolled again, counted from nothing; --new-key"
_log = get_logger("lookup")


class RosterNotApproved(ConfigurationError):  # noqa: N818 (the name is what the user reads)
    """The roster waits for a person. `fingerprint` is its name, `changes` what differs from the approved one."""

    def __init__(self, fingerprint: str, changes: tuple[str, ...]) -> None:
        self.fingerprint, self.changes = fingerprint, changes
        super().__init__(
            "roster",
            got=f"{fingerprint}, not approved here ({'; '.join(changes)})",
            expected="one approved with `fedscore institution lookup approve` after comparing it with other members",
        )


@dataclass(frozen=True)
class RosterApproval:
    """HOME/lookup/approved-roster.json: the one approval that is in force, with what was approved.

    identifiers   the scheme by which this institution writes identifiers: under another one it takes no part
    """

    folder: Path
    identifiers: str

    def approve(self, proposal: Mapping[str, Any], fingerprint: str, now: float, *, new_key: bool = False) -> None:
        """Approve `proposal`; on disk when this returns. What is approved already stays so, with its joint key, unless
        `new_key` says that another one may be made.

        Raises ConfigurationError unless `fingerprint` is its own, and its scheme of identifiers the one used here.
        """
        found = roster_fingerprint(proposal)
        if digits(fingerprint) != digits(found):
            raise ConfigurationError("fingerprint", got=fingerprint, expected=_COMPARED)
        check_identifiers(self.identifiers, proposal["parameters"]["identifiers"])
        kept = self._kept
        key = kept["joint_key"] if kept is not None and kept["fingerprint"] == found and not new_key else ""
        terms = {name: proposal[name] for name in _TERMS}
        self._keep({"version": 1, "fingerprint": found, "approved_at": int(now), "joint_key": key, "roster": terms})
        _log.info("roster approved", count=len(terms["members"]))

    def check(self, proposal: Mapping[str, Any]) -> None:
        """Raises RosterNotApproved unless `proposal` is of the approved roster, ConfigurationError where identifiers
        are written in another way here since."""
        found, approved = roster_fingerprint(proposal), self.approved
        if approved is None or roster_fingerprint(approved) != found:
            raise RosterNotApproved(found, changes(approved, proposal))
        check_identifiers(self.identifiers, proposal["parameters"]["identifiers"])

    @property
    def joint_key(self) -> str:
        """The roster (its id, hexadecimal) whose joint key was made under the approval in force; "" before."""
        kept = self._kept
        return "" if kept is None else kept["joint_key"]

    def check_key(self, roster: str, proposal: Mapping[str, Any]) -> None:
        """Raises RosterNotApproved where another joint key than that of `roster` was made under this approval.

        With every new key all members enrol anew and count from nothing: a coordinator that made one whenever it liked
        would have a member of its own enrol as many people as it liked.
        """
        if self.joint_key not in ("", roster):
            raise RosterNotApproved(roster_fingerprint(proposal), (_NEW_KEY,))

    def bind(self, roster: str) -> None:
        """Remember, on disk, the roster whose joint key was made; after `check_key`."""
        kept = self._kept
        if kept is not None and kept["joint_key"] != roster:
            self._keep(kept | {"joint_key": roster})

    @property
    def approved(self) -> dict[str, Any] | None:
        """What was approved last, or None. Raises ConfigurationError for a file that says something else."""
        kept = self._kept
        return None if kept is None else dict(kept["roster"])

    @property
    def _kept(self) -> dict[str, Any] | None:
        try:
            kept = json.loads(self._file.read_bytes())
            return {name: kept[name] for name in ("version", "fingerprint", "approved_at", "joint_key", "roster")}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                str(self._file), got=type(error).__name__, expected="what approve wrote"
            ) from error

    def _keep(self, document: dict[str, Any]) -> None:
        write_public(self._file, json.dumps(document, indent=2).encode(), mode=0o600)

    @property
    def _file(self) -> Path:
        return self.folder / "approved-roster.json"


def digits(fingerprint: str) -> str:
    """A fingerprint as people type it, without its spaces."""
    return "".join(fingerprint.split()).lower()


def changes(approved: Mapping[str, Any] | None, proposal: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between two rosters, a line each."""
    if approved is None:
        return ("no roster was approved before",)
    return tuple(_changes(approved, proposal))


def key_id(key: str) -> str:
    """A short name of an Ed25519 key in hexadecimal, as elsewhere in the product."""
    return VerifyingKey.from_hex(key).key_id


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old["members"].keys() | new["members"].keys()):
        before, now = old["members"].get(name), new["members"].get(name)
        if before is None:
            yield f"{name} joins with key {key_id(now['key'])} and {now['customers']} customers"
        elif now is None:
            yield f"{name} leaves"
        else:
            if before["key"] != now["key"]:
                yield f"key of {name}: {key_id(now['key'])} for {key_id(before['key'])}"
            if before["customers"] != now["customers"]:
                yield f"customers of {name}: {now['customers']} for {before['customers']}"
    for name in sorted(old["parameters"].keys() | new["parameters"].keys()):
        was, is_now = (side["parameters"].get(name) for side in (old, new))
        if was != is_now:
            yield f"{name}: {is_now} for {was}"
    for name in sorted(old["authorities"].keys() | new["authorities"].keys()):
        before, now = old["authorities"].get(name), new["authorities"].get(name)
        if before != now:
            told = "none" if now is None else key_id(now)
            yield f"identity authority {name}: {told} for {'none' if before is None else key_id(before)}"
    if bool(old["authorities"]) != bool(new["authorities"]):
        yield "questions need consent from now on" if new["authorities"] else "questions need NO consent any more"
    for name in _KEYS:
        if old[name] != new[name]:
            yield f"{name}: another one"
