"""A revocation acknowledged: kept, committed to in the log, and handed to the person with the log's promise.

    store.revoke(signed, now)                                   # in force from here on, whatever becomes of the rest
    acknowledge(home, store, signed, log, now).encode()         # to her; the same however often it is asked for

The commitment is what fixes the order: an inquiry that is logged behind it was not permitted any more, and no later
acknowledgement stands before an inquiry that is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clients.institution.home import InstitutionHome
from clients.institution.lookup.consent_store import ConsentStore
from federation.inquiries.acknowledged import Acknowledged
from federation.oversight.inquiries import RevocationTaken
from protocols.consent.acknowledgement import commitment
from protocols.consent.receipt import SignedRevocation
from protocols.transparency import Entry, Promise, VerifierKey, verify_promise


class Log(Protocol):
    """What is asked of the log; `clients.institution.oversight.log_client.LogClient` is one."""

    def append(self, entries: Sequence[Entry]) -> list[bytes]: ...


def acknowledge(
    home: InstitutionHome, store: ConsentStore, signed: SignedRevocation, log: Log, now: float
) -> Acknowledged:
    """Raises Refused or Unreachable (the log is away: it is said later), SignatureError for what is no promise of it.

    ConfigurationError before the revocation was kept.
    """
    nonce, said = store.acknowledgement(signed, home.name)
    entry = RevocationTaken(home.name, commitment(nonce, said).hex()).entry(home.signing_key)
    [answer] = log.append([entry])
    promise = Promise.decode(answer)
    verify_promise(promise, entry.hash, VerifierKey.of(home.log_key), now)
    return Acknowledged(said, nonce, entry, promise)
