"""An epoch of the private query under the keys of `oversight_world`, and the entries in which a relay logs it.

context = epoch_of(opens_at=now - DAY, authorities=(Authority("e-id", key),))
log.grow(*steps_of(context))
"""

from __future__ import annotations

from collections.abc import Sequence

from membership_world import catalogue
from oversight_world import BANKS, key_of

from protocols.canonical import canonical
from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedEpoch
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Authority, Roster, RosterMember
from protocols.oprf.group import base, hash_to_scalar
from protocols.transparency import Entry
from server.lookup.relay import LOG_KIND, log_body, own_step

DAY = 86_400


def epoch_of(
    opens_at: int,
    *,
    authorities: Sequence[Authority] = (),
    oversight: bool = True,
    counter: int = 1,
    model: bytes = bytes(32),
) -> EpochContext:
    """Open for a week; every bank signed it. Its public keys are the same each time, as nothing is opened with them."""
    roster = Roster(
        members=tuple(
            RosterMember(name, key_of(name).public, base(hash_to_scalar(name.encode())), 1000) for name in BANKS
        ),
        coordinator_key=key_of("coordinator").public,
        log_key=key_of("log").public,
        parameters=Parameters(engine="mirror"),
        oversight=base(hash_to_scalar(b"oversight")) if oversight else None,
        authorities=tuple(authorities),
    )
    layout = LayoutHeader(
        roster_id=roster.id,
        catalogue=bytes.fromhex(catalogue().hash),
        model=model,
        pads={name: base(hash_to_scalar(b"pad" + name.encode())) for name in BANKS},
        masks={name: base(hash_to_scalar(b"mask" + name.encode())) for name in BANKS},
        relay=base(hash_to_scalar(b"relay")),
        pool=key_of("pool").public,
        counter=counter,
    )
    header = EpochHeader(layout.id, bytes(32), BANKS[:2], 1, 1, 1, opens_at, opens_at + 7 * DAY)
    signatures = {name: header.sign(key_of(name)) for name in BANKS}
    return EpochContext.of(roster, SignedEpoch(layout, header, signatures))


def steps_of(context: EpochContext, counter: int = 1) -> tuple[bytes, ...]:
    """What the relay logs of an epoch, as far as inquiries are judged by it."""
    proposed = canonical({"pool_key": key_of("pool").public.hex})
    said = {"propose": proposed, "roster": context.roster.encode(), "epoch": context.signed.encode()}
    steps = (own_step(key_of("coordinator"), counter, kind, body) for kind, body in said.items())
    return tuple(Entry(LOG_KIND, log_body(counter, step)).data for step in steps)
