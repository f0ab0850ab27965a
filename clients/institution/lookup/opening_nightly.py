"""The thread of the node that hands drawn inquiries to the regulator by itself, where institution.toml says so.

[lookup]
open_drawn = true

Once a day, and an hour later again while a receipt of the regulator's is awaited. It opens what `institution open
--drawn` would, after the same checks of the draw, and no more.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from federation.errors import FederationError
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome

DAY_S, AGAIN_S = 86_400.0, 3_600.0
FIRST_S = 60.0  # a node that starts has other things to do
_log = get_logger("lookup")


def open_behind(home: InstitutionHome, stop: threading.Event, *, first: float = FIRST_S) -> None:
    """Start the thread, if this home wants it; it ends soon after `stop`."""
    if home.settings.lookup.open_drawn:
        threading.Thread(target=_nightly, args=(home, stop, first), name="opening", daemon=True).start()


def _nightly(home: InstitutionHome, stop: threading.Event, pause: float) -> None:
    while not stop.wait(pause):
        try:
            pause = DAY_S if open_drawn(home, time.time()) else AGAIN_S
        except Exception as error:  # whatever log and mailbox answer, the node goes on and asks again
            _log.warning("drawn inquiries were not opened", kind=type(error).__name__)
            pause = AGAIN_S


def open_drawn(home: InstitutionHome, now: float) -> bool:
    """Hand over all that was drawn; whether the regulator has signed for all of it that can be opened.

    Raises what the log and the mailbox raise.
    """
    from clients.institution.lookup.asked_store import AskedStore
    from clients.institution.lookup.delivering import Delivery
    from clients.institution.lookup.drawn import LoggedDraws
    from clients.institution.lookup.opening import Opener
    from clients.institution.lookup.serving_database import lookup_database
    from clients.institution.oversight.folder import OversightFolder
    from clients.institution.oversight.log_client import LogClient
    from clients.institution.person.mailbox_client import MailboxClient
    from federation.runtime.database import open_engine

    if not (home.path / "lookup").is_dir():
        return True
    with ExitStack() as stack:
        log, mailbox = stack.enter_context(LogClient(home)), stack.enter_context(MailboxClient(home))
        engine = open_engine(lookup_database(home))
        stack.callback(engine.dispose)  # a node does this for years
        draws = LoggedDraws.read(log, home, now, OversightFolder(home.path).overseers())
        opener = Opener(home, AskedStore(engine), draws)
        delivery = Delivery(home, opener, mailbox)
        able = []
        for leaf, draw in draws.drawn():
            try:
                delivery.seal(leaf, draw)
                able.append((leaf, draw))
            except (FederationError, ProtocolError) as error:
                _log.error("a drawn inquiry cannot be opened", kind=type(error).__name__)
        has = delivery.turn(able)
    if able:
        _log.info("drawn inquiries handed over", count=len(able))
    return all(has)
