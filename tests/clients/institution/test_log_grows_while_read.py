"""A log that grows between two kinds of entries: what was read of the later kind waits for what is before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from one_node import COORDINATOR, HONEST, LOG, Served, member
from oversight_world import BANKS, NOW, World, key_of, witness_key

from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.proved import read_proved
from clients.institution.oversight.receipts import Receipts
from clients.institution.replay.trail import ReplayTrail
from federation.oversight.handover import HANDOVER, hand_over
from protocols.transparency import WitnessVerifier

# The handover, and behind it a member that claims the heir's key: known before the handover, it would forbid that.
LANDING = (hand_over(COORDINATOR.public, key_of("witness regulator"), key_of("witness new")).data, member("z", "new"))
OLD = WitnessVerifier.of(witness_key("regulator").public.key)
NEW = WitnessVerifier.of(witness_key("new").public.key)


class Growing(Served):
    """Says `landing` once its handovers were read for the first time."""

    def __init__(self, *entries: bytes, landing: tuple[bytes, ...]) -> None:
        super().__init__(*entries)
        self._landing = landing

    def entries(self, kind: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
        yield from list(super().entries(kind, start))
        if kind == HANDOVER:
            self._entries, self._landing = (*self._entries, *self._landing), ()
            self.logged = self._entries

    def cosigned(self) -> bytes:
        """Its newest, by the regulator's key of then."""
        regulator = "regulator" if self._landing else "new"
        return World(self._entries, {}, cosigners=(regulator, *BANKS)).note(at=NOW)


def test_a_trail_folds_a_handover_before_what_follows_it() -> None:
    trail, log = ReplayTrail("bank-a", key_of("bank-a").public, COORDINATOR.public), Growing(*HONEST, landing=LANDING)
    for _ in range(2):
        trail.read(log)
    assert trail.quorum.at(6).required == (NEW,)


def test_receipts_fold_a_handover_before_what_follows_it(tmp_path: Path) -> None:
    folder = OversightFolder(tmp_path)
    node = Receipts(KeptStore.open(folder.database_url), folder, LOG, COORDINATOR.public, lambda: float(NOW))
    log = cast(LogClient, Growing(*HONEST, landing=LANDING))
    assert node.collect(log, World(HONEST, {}, cosigners=("regulator", *BANKS)).note(at=NOW)) == 4
    assert node.collect(log, World((*HONEST, *LANDING), {}, cosigners=("new", *BANKS)).note(at=NOW)) == 6
    assert folder.findings() == []


def test_what_is_proved_is_of_one_size() -> None:
    log = Growing(*HONEST, landing=LANDING)
    before, after = (read_proved(log, (), LOG, COORDINATOR.public, NOW) for _ in range(2))
    assert (before.checkpoint.size, before.entries[HANDOVER], before.roster.quorum.at(4).required) == (4, [], (OLD,))
    assert (after.checkpoint.size, after.roster.quorum.at(6).required) == (6, (NEW,))
    assert [at for at, _ in after.entries[HANDOVER]] == [4]
