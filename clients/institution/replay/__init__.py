"""Replay at an institution: seeds sealed before a round, randomness drawn from them, drawn rounds computed again.

rooms = SealedStore.open(home.path)
randomness = SealedRandomness(rooms, home.name, records=record_root(...), code=running_code())
commitment = randomness.commit(place)                     # to be logged
randomness.learn(place, beacon)                           # the log's and the regulator's
noise = randomness.noise(place, context, model)           # the node's noise source for this attempt
randomness.seal(place, update_hash)                       # stored: the same request gets the same bytes
result = Replayer(...).replay(draw)                       # when the regulator draws it
"""

from clients.institution.replay.randomness import SealedRandomness
from clients.institution.replay.recompute import Replayer
from clients.institution.replay.sealed_store import Sealed, SealedStore

__all__ = ["Replayer", "Sealed", "SealedRandomness", "SealedStore"]
