"""The last entries of a ledger that ended are said in the log: no node will run on its home any more.

say_end(old_home)          # after `retire`, before the new ledger begins
"""

from __future__ import annotations

import time

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.outbox import Outbox
from federation.errors import ConfigurationError, Refused
from federation.ledger import Ledger
from federation.runtime.logging import get_logger
from protocols.transparency import VerifierKey

PATIENCE_S = 10.0
_log = get_logger("oversight")


def say_end(home: InstitutionHome, ledger: Ledger, *, patience: float = PATIENCE_S) -> bool:
    """Whether the log has promised all of `ledger`, which is `home`'s. False where nobody is to be told: a home that
    never enrolled, or one that the coordinator takes for no member any more, which is told in the program's log.

    Raises Unreachable where the log does not answer: what ended silently looks like a ledger that may go on.
    """
    try:
        home.coordinator()
        log_key = VerifierKey.of(home.log_key)
    except ConfigurationError:
        return False
    folder = OversightFolder(home.path)
    kept = KeptStore.open(folder.database_url)
    try:
        with LogClient(home, patience=patience) as log:
            Outbox(ledger, kept, folder, log_key, home.signing_key.public, time.time).flush(log)
    except Refused as error:
        _log.warning("the log takes nothing of the old ledger", institution=home.name, error=error)
        return False
    finally:
        kept.close()
    return True
