"""The thread of the node that keeps this institution reachable for notices: it publishes the key, and collects letters.

Until this institution takes part in private queries there is nobody to write to it, and the thread only looks.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from federation.runtime.logging import get_logger

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome

LOOK_S = 1.0
EVERY_S = 60.0
_log = get_logger("post")


def post_behind(home: InstitutionHome, stop: threading.Event, *, every: float = EVERY_S) -> None:
    """Start the thread; it ends soon after `stop`."""
    threading.Thread(target=_post, args=(home, stop, every), name="post", daemon=True).start()


def _post(home: InstitutionHome, stop: threading.Event, every: float) -> None:
    while not (home.path / "lookup" / "approved-roster.json").exists():
        if stop.wait(LOOK_S):
            return
    from clients.institution.person.mailbox_client import MailboxClient
    from clients.institution.person.post import Post

    published = False
    while not stop.is_set():
        try:
            with MailboxClient(home) as client:
                post = Post(home, client)
                if not published:
                    post.publish()
                    published = True
                count = post.collect(time.time())
            if count:
                _log.info("notices came", count=count)
        except Exception as error:  # whatever a mailbox sends, the node goes on and asks again
            _log.warning("the mailbox was not read", kind=type(error).__name__)
        stop.wait(every if published else LOOK_S * 5)
