"""A new home after an old one: what was spent there counts here, and there it ends.

Used by `fedscore institution init --carry OLD`. The old ledger is verified and ends with a signed entry that names the
new key; the new one begins with a signed entry that holds what was spent. Budget cannot be spent from both.
"""

from __future__ import annotations

from collections.abc import Callable

from clients.institution.home import InstitutionHome
from clients.institution.oversight.ending import say_end
from federation.errors import ConfigurationError, LedgerError
from federation.ledger import Carried, Ledger, Successor


def carrying(old: InstitutionHome) -> Callable[[InstitutionHome], None]:
    """For `InstitutionHome.create(..., opening=)`: the new home opens with what `old` has spent."""

    def opening(new: InstitutionHome) -> None:
        carry(old, new)

    return opening


def carry(old: InstitutionHome, new: InstitutionHome) -> Carried:
    """End the ledger of `old` and begin that of `new` with what it says; may be repeated after an interruption.

    1. The new ledger is empty, or began with this very carrying: nothing is ended for nothing.
    2. The old ledger verifies: order, hashes, signatures by the old home's key, amounts, replies.
    3. It ends, in favour of the new key. From here on nothing can be reserved in it.
    4. The log is told so, where the old home is a member's: its last entry is logged as all others.
    5. The new ledger begins with all that it had charged, by year.

    Raises Unreachable where the log is away; LedgerError naming the entry at fault, or where the old home was carried
    to another key before.
    """
    if old.database_url == new.database_url:
        raise ConfigurationError("database_url", got="one database for both homes", expected="one for each")
    after = _open(new)
    try:
        _check_unused(after, old)
        before = _open(old)
        try:
            before.verify()
            carried = before.retire(Successor(new.name, new.signing_key.public.hex))
            say_end(old, before)
        finally:
            before.close()
        after.carry(carried)
    finally:
        after.close()
    return carried


def _check_unused(ledger: Ledger, old: InstitutionHome) -> None:
    first = next(iter(ledger.entries()), None)
    if first is not None and (first.entry.carry is None or first.entry.carry.key != old.signing_key.public.hex):
        raise LedgerError("carry", got="a ledger with entries of its own", expected="a new one")


def _open(home: InstitutionHome) -> Ledger:
    return Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps(), recover=False)
