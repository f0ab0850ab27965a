"""This institution as a witness: it cosigns a checkpoint of the log only if that appends to the last one it has seen.

    witness = Witness(folder, witness_key, log_key, time.time)
    witness.consider(log, note)          # checked, remembered on disk, cosigned, handed in: in this order

A log that forks or goes back is an alarm: both notes are kept, the log is shown its own, and this witness cosigns
nothing until a person removes HOME/oversight/alarm.json. Protocol: `protocols.transparency.witness`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from federation.errors import FederationError
from federation.runtime.logging import get_logger
from protocols.errors import ProofError, StageError
from protocols.transparency import VerifierKey, WitnessKey, WitnessState, attach, cosign, open_checkpoint, split_note

NOTE = "witness.note"
_log = get_logger("oversight")


class Witness:
    """`clock` is Unix time (s). One thread at a time; one process per home, for two would be two witnesses."""

    def __init__(
        self, folder: OversightFolder, key: WitnessKey, log_key: VerifierKey, clock: Callable[[], float]
    ) -> None:
        self._folder, self._key, self._log_key, self._clock = folder, key, log_key, clock
        note = folder.read(NOTE)
        self._state = WitnessState() if note is None else WitnessState.seen(note, log_key)

    @property
    def size(self) -> int:
        """Of the largest tree it has checked."""
        return self._state.size

    @property
    def alarmed(self) -> bool:
        """Whether it has stopped."""
        return self._folder.alarm.exists()

    def consider(self, log: LogClient, note: bytes) -> bool:
        """Check and cosign `note`; False where it raised an alarm. An alarmed witness considers nothing.

        Raises Refused or Unreachable (no proof, not taken), MessageError or SignatureError for what is no note.
        """
        if self.alarmed:
            return False
        checkpoint = open_checkpoint(note, self._log_key)
        try:
            proof = log.consistency(self._state.size, checkpoint.size) if checkpoint.size > self._state.size else []
            state = self._state.consider(note, proof, self._log_key)
        except (StageError, ProofError) as error:
            self._raise_alarm(log, note, error)
            return False
        text, _ = split_note(note)
        self._folder.keep(NOTE, note)
        self._state = state
        log.cosign(attach(note, [cosign(text, self._key, self._clock())]))
        return True

    def _raise_alarm(self, log: LogClient, note: bytes, error: StageError | ProofError) -> None:
        """Keep both notes, stop, and show the log what it signed before."""
        seen = self._folder.read(NOTE) or b""
        code = "log_went_back" if isinstance(error, StageError) else "log_forked"
        evidence = {"code": code, "seen": seen.decode(), "shown": note.decode(), "at": int(self._clock())}
        self._folder.keep(self._folder.alarm.name, json.dumps(evidence, indent=2).encode())
        self._folder.find(code, got=error.got, expected=error.expected)
        _log.error("this witness cosigns nothing any more", code=code)
        with suppress(FederationError):
            log.cosign(attach(seen, [cosign(split_note(seen)[0], self._key, self._clock())]))
