"""Holding the log to its word: every promise this institution acted on, and everything it has shown before.

1. The log's checkpoint, under the key of the roster.
2. It continues the checkpoint that this institution saw last; a log with two histories shows here.
3. Every leaf this institution charged stands where the log promised.

What does not hold is a finding, and the signed notes stay as proof: HOME/lookup/checkpoint-KEY.note is the last that
was consistent, conflict-COUNTER.note the one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clients.institution.lookup.part import Part
from clients.institution.oversight.log_client import LogClient
from federation.errors import Refused
from federation.runtime.private_files import write_public
from federation.runtime.rpc import Unreachable
from protocols.errors import MessageError, ProofError, ProtocolError, StageError
from protocols.lookup.reconcile import Finding, Kind
from protocols.transparency import (
    Checkpoint,
    Promise,
    VerifierKey,
    check_kept,
    open_checkpoint,
    verify_consistency,
)

LOG = "log"


def last_checkpoint(part: Part) -> Checkpoint | None:
    """The last checkpoint that was consistent with all before, or None."""
    file = _file(part)
    return open_checkpoint(file.read_bytes(), _verifier(part)) if file.exists() else None


@dataclass(frozen=True)
class LogCheck:
    """The log's checkpoint and its note, None if there is none that holds; and what was found."""

    findings: tuple[Finding, ...]
    checkpoint: Checkpoint | None = None
    note: bytes = b""

    def remember(self, part: Part) -> None:
        """Keep the checkpoint for the next time; last of all, so that what was interrupted is done again in full."""
        if self.checkpoint is not None:
            write_public(_file(part), self.note, mode=0o600)


def check_log(part: Part, log: LogClient, promises: Mapping[bytes, bytes], until: float) -> LogCheck:
    """What `log` shows now, and whether it holds. Asks no longer than `until` (monotonic clock, s)."""
    try:
        note = log.current()
        checkpoint = open_checkpoint(note, _verifier(part))
    except (Refused, Unreachable, ProtocolError) as error:
        return LogCheck((Finding(Kind.NOT_CHECKED, LOG, b"", f"no checkpoint: {error}"),))
    try:
        _check_continues(part, log, checkpoint)
    except (Refused, Unreachable) as error:
        return LogCheck((Finding(Kind.NOT_CHECKED, LOG, b"", f"no proof of consistency: {error}"),))
    except ProtocolError as error:
        write_public(part.folders.path / f"conflict-{part.record.counter:06d}.note", note, mode=0o600)
        return LogCheck((Finding(Kind.HISTORY_CHANGED, LOG, b"", str(error)),))
    findings = tuple(
        found
        for leaf, promise in sorted(promises.items())
        if (found := _broken(part, log, checkpoint, leaf, promise, until)) is not None
    )
    return LogCheck(findings, checkpoint, note)


def _check_continues(part: Part, log: LogClient, new: Checkpoint) -> None:
    """Raises ProofError or MessageError unless the log that was seen last is the beginning of this one."""
    old = last_checkpoint(part)
    if old is None:
        return
    if new.size < old.size:
        raise ProofError("checkpoint", got=f"a tree of {new.size}", expected=f"at least the {old.size} seen before")
    path = log.consistency(old.size, new.size)
    verify_consistency(path, old.size, new.size, old.root, new.root)


def _broken(
    part: Part, log: LogClient, checkpoint: Checkpoint, leaf: bytes, promise: bytes, until: float
) -> Finding | None:
    """The finding for one promise; None where the log kept it."""
    if time.monotonic() > until:
        return Finding(Kind.NOT_CHECKED, LOG, leaf, "no time left")
    try:
        made = Promise.decode(promise)
        _, path = log.inclusion(leaf, checkpoint.size)
        check_kept(made, checkpoint, path)
    except Unreachable as error:
        return Finding(Kind.NOT_CHECKED, LOG, leaf, str(error))
    except StageError as error:
        late = part.clock() > made.issued_at + made.merge_delay_s
        return Finding(Kind.PROMISE_BROKEN if late else Kind.NOT_CHECKED, LOG, leaf, str(error))
    except (Refused, ProofError, MessageError) as error:
        if isinstance(error, Refused) and error.code != "unknown":  # too many calls say nothing of the promise
            return Finding(Kind.NOT_CHECKED, LOG, leaf, str(error))
        return Finding(Kind.PROMISE_BROKEN, LOG, leaf, str(error))
    return None


def _verifier(part: Part) -> VerifierKey:
    return VerifierKey.of(part.context.log_key)


def _file(part: Part) -> Path:
    return part.folders.path / f"checkpoint-{part.context.log_key.key_id}.note"
