"""The end of an epoch's secrets at this institution. It asks nobody: not the relay, not another member.

1. The guard ends the epoch, durably: whoever still holds a key in memory answers no ticket with it.
2. Secrets are overwritten, the folder removed, both on disk and checked.
3. Only then does this institution remember, and say, that they are gone.

A relay that never says that an epoch is closing does not keep secrets alive: GRACE_S after `closes_at` they go anyway.
"""

from __future__ import annotations

from dataclasses import replace

from clients.institution.home import InstitutionHome
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.serving_database import lookup_database
from federation.runtime.database import open_engine
from federation.runtime.logging import get_logger

GRACE_S = 24 * 3600
"""Seconds after `closes_at` in which members and auditors can settle an epoch; then it is erased, settled or not."""
_log = get_logger("lookup")


def erase_epoch(home: InstitutionHome, counter: int) -> int:
    """Erase one epoch; how many tickets were answered in it. Raises ConfigurationError for what stays.

    Which epoch it is, this institution knows from what it signed: a relay that shows a shorter record when it closes
    must not have forgotten that tickets were answered, or another epoch could follow at once.
    """
    folders = LookupFolders(home)
    signed = next((past for past in folders.past() if past.counter == counter), None)
    tickets = 0 if signed is None else _ended(home, signed.epoch_id)
    folders.epoch_if_there(counter).erase()
    if signed is not None:
        folders.remember(replace(signed, tickets=max(tickets, signed.tickets), erased=True))
    return tickets


def _ended(home: InstitutionHome, epoch_id: bytes) -> int:
    """The tickets of an epoch in which none is answered any more."""
    guard = GuardStore(open_engine(lookup_database(home)), epoch_id)
    guard.close()
    return len(guard.leaves())


def erase_overdue(home: InstitutionHome, now: float) -> tuple[int, ...]:
    """Erase every epoch that should have been closed by `now` (Unix s); their numbers."""
    if not LookupFolders(home).exists:
        return ()
    overdue = [past for past in LookupFolders(home).past() if not past.erased and past.closes_at + GRACE_S <= now]
    for past in overdue:
        erase_epoch(home, past.counter)
        _log.warning("epoch erased that nobody closed", round=past.counter)
    return tuple(past.counter for past in overdue)
