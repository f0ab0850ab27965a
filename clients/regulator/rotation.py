"""The regulator hands its witness key over: made, said in the log, and once that holds, the old one erased.

said = begin(home, store, now)                   # the next key on disk, then the statement of both, to be sent
key = cosigning_key(home, successions, size)     # of a checkpoint of `size` entries: by the place of the statement
conclude(home, successions, quorum_size)         # True once: the next key is the key

Ended at any moment, each of them goes on when it is called again. The old key is there until a quorum has cosigned a
checkpoint that covers the statement: until then the log may still ask for it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror.roster import roster_of
from clients.regulator.mirror.store import MirrorStore, Said
from federation.errors import ConfigurationError
from federation.oversight import RegulatorStatement
from federation.oversight.handover import HANDOVER, Handover, hand_over
from federation.runtime.private_files import erase_private, read_private, replace_private
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Succession, WitnessKey


def is_own(home: RegulatorHome, named: RegulatorStatement | None) -> bool:
    """Whether the log names this home as regulator: under its witness key, or the one that it hands over to."""
    own, following = home.registration, home.next_witness_key
    return named == own or (following is not None and named == replace(own, witness_key=following.public.key.hex))


def begin(home: RegulatorHome, store: MirrorStore, now: float) -> Said:
    """The handover, kept to be sent; the one that was begun, where its next key is there.

    Raises ConfigurationError where the copy of the log does not name this home, or the log has promised a handover to
    a key that is not here. One that it did not take binds nobody: without its next key, it makes way for another.
    """
    named = roster_of(store, home.policy.coordinator).regulator
    if not is_own(home, named):
        got = "no regulator" if named is None else f"{named.name}, witness key {named.witness_key}"
        expected = f"this home's, witness key {home.witness_key.public.key.hex}"
        raise ConfigurationError("copy of the log: regulator", got=got, expected=expected)
    for said in store.said(HANDOVER):
        old = Handover.read(said.entry, home.policy.coordinator).old
        lost = lost_heir(home, said.entry)
        if said.promise is not None and old == home.witness_key.public.key and lost is not None:
            raise lost
    entry, heir = propose(home)
    return store.keep(f"{HANDOVER}/{heir.hex}", entry, now)


def propose(home: RegulatorHome) -> tuple[Entry, VerifyingKey]:
    """The handover to the next key, which is made where there is none, and that key. Raises ConfigurationError or
    SignatureError.
    """
    with _alone(home):
        _finish(home)
        if not home.next_witness_file.exists():
            replace_private(home.next_witness_file, WitnessKey.generate().to_pem())  # all of it, or nothing
        old, new = (SigningKey.from_pem(read_private(file)) for file in (home.witness_file, home.next_witness_file))
        return hand_over(home.policy.coordinator, old, new), new.public


def lost_heir(home: RegulatorHome, entry: Entry) -> ConfigurationError | None:
    """Why a handover must not be said: the key that it names is not here, and the log would wait for it for ever."""
    named, following = Handover.read(entry, home.policy.coordinator).new, home.next_witness_key
    if named in (home.witness_key.public.key, None if following is None else following.public.key):
        return None
    got, expected = "another key, or none", f"{named.key_id}, which a handover names that was begun: from a backup"
    return ConfigurationError(str(home.next_witness_file), got=got, expected=expected)


def cosigning_key(home: RegulatorHome, successions: Iterable[Succession], size: int) -> WitnessKey:
    """The key of this home that counts in a checkpoint of `size` entries."""
    succession, following = _own(home, successions), home.next_witness_key
    if succession is None or following is None or size <= succession.place:
        return home.witness_key
    return following


def conclude(home: RegulatorHome, successions: Iterable[Succession], quorum_size: int) -> bool:
    """Let the next key be the key, once a quorum cosigned a checkpoint of `quorum_size` entries that covers the
    handover; True where it became it now. Raises OSError where the old one stays.
    """
    if home.next_witness_key is None:
        return False
    with _alone(home):
        _finish(home)
        succession = _own(home, successions)
        if succession is None or succession.place >= quorum_size:
            return False
        replace_private(home.witness_file, read_private(home.next_witness_file))
        _finish(home)
        return True


def _finish(home: RegulatorHome) -> None:
    """Erase the next key where it is the key already: `conclude` was ended between the two."""
    following = home.next_witness_key
    if following is not None and following.public == home.witness_key.public:
        erase_private(home.next_witness_file)


def _own(home: RegulatorHome, successions: Iterable[Succession]) -> Succession | None:
    """From the key of this home to its next one, where the log says so."""
    following = home.next_witness_key
    if following is None:
        return None
    pair = home.witness_key.public, following.public
    return next((each for each in successions if (each.old, each.new) == pair), None)


@contextmanager
def _alone(home: RegulatorHome) -> Iterator[None]:
    """One process at a time: two next keys would be one statement and the other key."""
    descriptor = os.open(home.witness_file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
