"""This institution's part in the closing of the current epoch: `python -m ...closing_process HOME`.

A child of the node's process, and gone with it: what it does can be done again.
"""

from __future__ import annotations

import os
import sys

from clients.institution.home import InstitutionHome
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.publishing import alone, refresh, say_what_is_owed
from federation.errors import FederationError
from federation.runtime.logging import configure_process, get_logger
from federation.runtime.processes import die_with_parent
from protocols.errors import ProtocolError

WAIT_MS = 15_000
_log = get_logger("lookup")


def main() -> int:
    """0 when an epoch was closed, 1 where that was not possible: it is tried again."""
    die_with_parent(os.getppid())
    configure_process()
    home = InstitutionHome.open(sys.argv[1])
    configure_process(home.logs / "lookup.jsonl")
    try:
        with RelayClient(home) as relay:
            close(home, relay)
    except (FederationError, ProtocolError) as error:
        _log.error("closing interrupted", error=error)
        return 1
    return 0


def close(home: InstitutionHome, relay: RelayClient) -> None:
    """Follow the current epoch until it is closed, or is not closing at all. Raises what a step raises."""
    record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
    part = Part(home, relay, record, no_snapshot)
    refresh(part)
    while record.phase == "closing":
        if record.owed:
            with alone(part.folders):
                refresh(part)
                say_what_is_owed(part)
            refresh(part)
        else:
            refresh(part, WAIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
