"""The complete verification of the own copy: it is exported as for anybody else, and judged by the ten steps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from clients.regulator.export import write_export
from clients.regulator.findings import Verdict
from clients.regulator.home import RegulatorHome
from clients.regulator.layout import MAX_KEPT
from clients.regulator.mirror.roster import roster_of
from clients.regulator.mirror.store import MirrorStore
from clients.regulator.policy import Policy, Seen
from clients.regulator.trail import Trail
from clients.regulator.verify import verify
from federation.errors import ConfigurationError
from protocols.errors import ProtocolError
from protocols.transparency import Succession, open_checkpoint


def trail_of(home: RegulatorHome, store: MirrorStore) -> Trail:
    """The copy as a trail, own promises and documents included. Raises ConfigurationError if it is empty.

    It ends at the newest checkpoint with a quorum of the policy: the last one may still wait for witnesses. Without any
    it ends at the newest, and verification says who is missing. Of what a reader takes only so many of, the newest.
    """
    policy, notes = home.policy, store.notes()
    if not notes:
        raise ConfigurationError("copy of the log", got="nothing yet", expected="`fedscore regulator watch` first")
    *_, last = notes
    chain = roster_of(store, policy.coordinator).successions
    newest = next((note for note in reversed(notes) if is_quorate(policy, note, chain)), last)
    size = open_checkpoint(newest, policy.log).size
    promises = tuple(said.promise for said in store.said() if said.promise is not None)[-MAX_KEPT:]
    earlier = tuple(notes[: notes.index(newest)])[-MAX_KEPT:]
    trail = Trail(policy.log.name, lambda: store.entries(0, size), newest, earlier, promises)
    return trail.with_documents(home.documents)


def verify_copy(home: RegulatorHome, store: MirrorStore, now: float) -> Verdict:
    """The ten steps over the copy as it is, held against the checkpoint cosigned last; the verdict is kept."""
    trail = trail_of(home, store)
    with tempfile.TemporaryDirectory(dir=home.path) as folder:
        path = Path(folder) / "export.zip"
        size = write_export(path, trail).size
        verdict = verify(path, _with_memory(home, size))
    store.judge(size, verdict.to_json(), now)
    return verdict


def is_quorate(policy: Policy, note: bytes, successions: Iterable[Succession]) -> bool:
    """Whether a quorum of the policy's witnesses, or of those they handed over to, cosigned `note`."""
    try:
        policy.quorum.following(successions).check(note, policy.log)
    except ProtocolError:
        return False
    return True


def _with_memory(home: RegulatorHome, size: int) -> Policy:
    """The policy, remembering what this home cosigned, unless people wrote something else into it.

    What it cosigned behind the first `size` entries waits for other witnesses; `Mirror` holds it to this very copy.
    """
    policy = home.policy
    if policy.seen is not None or not home.anchor.exists():
        return policy
    seen = open_checkpoint(home.anchor.read_bytes(), policy.log)
    if seen.size > size:
        return policy
    return policy.model_copy(update={"seen": Seen(size=seen.size, root=seen.root.hex())})
