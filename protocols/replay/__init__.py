"""Replay: how a round's randomness is fixed before anybody knows it, and can be drawn again by whoever holds the seed.

    secret = SeedSecret(seed, nonce)                          # 64 bytes of the operating system's, kept sealed
    commitment = secret.commitment                            # logged BEFORE the round
    beacon = Beacon(size, root, index, preimage).value        # fixed by the log and the regulator AFTER it
    key = step_key(secret.seed, beacon, context, step)        # what masks and noise of a step are drawn from

Pure: values in, values out. The machine of one attempt is `Attempt`; sampling and noise are `federation.privacy.drbg`.
"""

from protocols.replay.attempt import Attempt, Stage
from protocols.replay.beacon import Beacon, BeaconChain, BeaconTrail, check_preimage, first_covering
from protocols.replay.commitment import SeedSecret, code_digest
from protocols.replay.keys import Context, step_key
from protocols.replay.record_root import Opening, RecordTree, check_opening

__all__ = [
    "Attempt",
    "Beacon",
    "BeaconChain",
    "BeaconTrail",
    "Context",
    "Opening",
    "RecordTree",
    "SeedSecret",
    "Stage",
    "check_opening",
    "check_preimage",
    "code_digest",
    "first_covering",
    "step_key",
]
