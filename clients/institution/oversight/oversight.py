"""What the node has to do with the log: one object, three threads.

    oversight = Oversight(home)
    oversight.check_start(ledger)        # before anything is written: raises LedgerBehind
    oversight.start(ledger, stop)
    oversight.begin(); ...; oversight.settle()

outbox    says every entry of the ledger; woken when one is written, looks for others' (the SuperNode records refusals)
          and for signed results of audits
witness   cosigns what the log puts to its witnesses
receipts  holds the log to its promises, by what a quorum has cosigned

An outage is waited out. While one lasts nothing is reserved, and nothing that was computed leaves: the answer is kept,
and leaves when it is asked for again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import WAIT_MS, LogClient
from clients.institution.oversight.outbox import Outbox, check_not_behind
from clients.institution.oversight.receipts import Receipts
from clients.institution.oversight.statements import Statements
from clients.institution.oversight.witness import Witness
from federation.errors import FederationError, LedgerBehind, Refused
from federation.ledger import Ledger
from federation.observability import metrics
from federation.observability.health import beat
from federation.rounds.refusals import Code
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError
from protocols.transparency import VerifierKey, WitnessKey, split_note

COLLECT_S = 2.0  # between two looks for proofs: nobody waits for them, and one look serves several checkpoints
LOOK_S = 0.5  # between two looks for what other processes wrote into the ledger
PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0  # after an error; doubles
PATIENCE_S = 3.0  # how long an answer waits for its promise
START_S = 2.0  # how long a start waits for the log
Work = Callable[[LogClient, threading.Event], None]  # until the event is set; what it raises ends one connection
_log = get_logger("oversight")


class Turns:
    """Whoever waits for the outbox to go through the ledger once more, from a moment on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted = self._done = 0

    def want(self) -> int:
        """Ask for a turn; its number."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()
            return self._wanted

    def wait(self, turn: int, seconds: float) -> bool:
        """Whether that turn, or a later one, was done in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= turn, seconds)

    def next(self, seconds: float) -> int:
        """The turn to be done now: when one is wanted, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted > self._done, seconds)
            return self._wanted

    def done(self, turn: int) -> None:
        with self._changed:
            self._done = max(self._done, turn)
            self._changed.notify_all()


class Oversight:
    """One home's. `dial` opens a connection to the log, `clock` is Unix time (s), `patience` how long a promise is
    waited for (s). `failed` says why the node must end, once it must.
    """

    def __init__(
        self,
        home: InstitutionHome,
        *,
        dial: Callable[[], LogClient] | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_S,
    ) -> None:
        self._home, self._clock, self._patience = home, clock, patience
        self._dial = dial or (lambda: LogClient(home))
        self._log_key = VerifierKey.of(home.log_key)
        self._folder = OversightFolder(home.path)
        self._kept = KeptStore.open(self._folder.database_url)
        self._statements = Statements(home.path, self._log_key, clock)
        self._turns = Turns()
        self.failed: LedgerBehind | None = None

    def check_start(self, ledger: Ledger) -> None:
        """Raises LedgerBehind where `ledger` lacks what is known to be logged: by what is kept here, and by the log
        itself if it answers. Before anything is written into it.
        """
        for head in (self._folder.included(), self._kept.last()):
            check_not_behind(ledger, head)
        try:
            with LogClient(self._home, patience=START_S) as log:
                self._outbox(ledger).check(log)
        except LedgerBehind:
            raise
        except (FederationError, ProtocolError, OSError) as error:
            _log.warning("the log is away, its memory is asked later", code=type(error).__name__)

    def start(self, ledger: Ledger, stop: threading.Event, beside: Mapping[str, Work] | None = None) -> None:
        """Start the threads, `beside` among them; they end soon after `stop`, which they set themselves where the node
        must end.
        """
        witness = Witness(
            self._folder, WitnessKey.from_pem(self._home.witness_key.to_pem()), self._log_key, self._clock
        )
        works: dict[str, Work] = {
            "outbox": lambda log, stop: self._say(self._outbox(ledger), log, stop),
            "witness": lambda log, stop: _cosign(witness, log, stop),
            "receipts": self._collect,
            **(beside or {}),
        }
        for name, work in works.items():
            threading.Thread(target=self._keep, args=(name, work, stop), name=name, daemon=True).start()

    def begin(self) -> None:
        self._turns.want()

    def settle(self) -> None:
        if not self._turns.wait(self._turns.want(), self._patience):
            expected = f"the log's promise within {self._patience:g} s"
            raise Refused(Code.LOG_UNAVAILABLE, "log", got="no promise for what was written", expected=expected)

    @property
    def kept(self) -> KeptStore:
        """What can be shown of the log."""
        return self._kept

    @property
    def folder(self) -> OversightFolder:
        return self._folder

    def _outbox(self, ledger: Ledger) -> Outbox:
        return Outbox(ledger, self._kept, self._folder, self._log_key, self._home.signing_key.public, self._clock)

    def _say(self, outbox: Outbox, log: LogClient, stop: threading.Event) -> None:
        outbox.check(log)
        while not stop.is_set():
            turn = self._turns.next(LOOK_S)
            outbox.flush(log)
            self._turns.done(turn)
            self._statements.flush(log)

    def _collect(self, log: LogClient, stop: threading.Event) -> None:
        receipts = Receipts(self._kept, self._folder, self._log_key, self._home.coordinator_key, self._clock)
        after = 0
        while not stop.is_set():
            note = log.cosigned(after=after, wait_ms=WAIT_MS)
            beat("log")
            if note:
                after = receipts.collect(log, note)
            stop.wait(COLLECT_S)

    def _keep(self, name: str, work: Work, stop: threading.Event) -> None:
        """`work` until `stop`, over a new connection after an error."""
        pause, away = PAUSE_S, False
        while not stop.is_set():
            began = time.monotonic()
            try:
                with self._dial() as log:
                    work(log, stop)
            except LedgerBehind as error:
                self.failed = error
                _log.error("the ledger is behind the log", institution=self._home.name, error=error)
                stop.set()
            except (FederationError, ProtocolError, OSError) as error:
                if not away:
                    _log.warning("the log does not answer as it should", kind=name, code=type(error).__name__)
            except Exception as error:  # whatever the log sends, there is a next time, and it must come
                _log.error("the log was not followed", kind=name, error=error)
            quick = time.monotonic() - began < LONGEST_PAUSE_S
            away, pause = quick, min(2 * pause, LONGEST_PAUSE_S) if quick else PAUSE_S
            stop.wait(pause)


def _cosign(witness: Witness, log: LogClient, stop: threading.Event) -> None:
    """The first time also what was seen before: this process may have died before it handed its cosignature in."""
    after, seen = 0, b""
    while not stop.is_set():
        note = log.candidate(after=after, wait_ms=WAIT_MS)
        text = split_note(note)[0] if note else b""
        if text == seen:
            continue
        if not witness.consider(log, note):
            stop.wait(LONGEST_PAUSE_S)
            continue
        after, seen = witness.size, text
        metrics.put("fedscore_witness_checked_entries", witness.size)
