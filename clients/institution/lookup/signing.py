"""The one step that stands between a relay that lies and every record: the layout, checked before it is signed.

1. The header names this institution's own keys, and those that every member published.
2. The layout is the one the epoch names: points valid, none the identity, strictly increasing.
3. Every public dummy has a place.
4. Every own customer's Q is z times its P, proven against L; its place is found by own search.
5. The epoch is this institution's next one: no number twice, no emergency, the last one erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from clients.institution.lookup.epoch_record import RELAY
from clients.institution.lookup.joining import own_points, workers
from clients.institution.lookup.part import Part
from federation.lookup.parallel import spread
from protocols.errors import MessageError
from protocols.lookup.cadence import PastEpoch, check_turn
from protocols.lookup.dummies import dummy_points
from protocols.lookup.fields import from_hex
from protocols.lookup.layout import Layout, check_points
from protocols.lookup.manifest import EpochHeader
from protocols.lookup.placement import PlacesChunk, check_places, own_places, proof_chunks

SIZE, PROOF = 32, 64
LAYOUT_FILE, LIFTED_FILE = "layout.bin", "lifted.bin"


def sign(part: Part) -> dict[str, Any]:
    """The signature on epoch_id. Raises ProofError, MessageError or StageError, and nothing is signed then."""
    epoch = EpochHeader.from_json(part.record.body("layout", RELAY)["epoch"])
    epoch.check(part.header, part.roster)
    part.secrets.check_named(part.header)
    layout = fetch_layout(part, epoch)
    for _ in in_processes(part, "checking the layout", partial(check_points, layout.layout_id), list(layout.chunks())):
        pass
    layout.check_holds(dummy_points(part.header, part.roster.parameters.dummies), "dummy")
    lifted = _checked_places(part)
    own_places(layout, lifted)
    past = [entry for entry in part.folders.past() if entry.epoch_id != epoch.id]
    check_turn(past, part.header, epoch, part.roster.parameters, part.clock())
    part.folder.keep(LIFTED_FILE, lifted)
    part.folders.remember(
        PastEpoch(part.record.counter, epoch.id, epoch.opens_at, epoch.closes_at, tickets=0, erased=False)
    )
    return {"signature": epoch.sign(part.home.signing_key).hex()}


def fetch_layout(part: Part, epoch: EpochHeader) -> Layout:
    """The layout that `epoch` names, from this institution's folder or from the relay, by its digest."""
    points = part.folder.read(LAYOUT_FILE)
    if points is None:
        name = from_hex(part.record.body("layout", RELAY)["layout"], "layout.layout", 32)
        most = SIZE * (sum(member.customers for member in part.roster.members) + part.roster.parameters.dummies)
        points = part.relay.fetch(name, most=most, progress=partial(part.report, "fetching the layout"))
    layout = Layout(part.header.id, points, epoch.slots)
    layout.check_named(epoch)
    part.folder.keep(LAYOUT_FILE, points)
    return layout


def _checked_places(part: Part) -> bytes:
    """Q of every own customer, in the order of its sorted P, every proof verified."""
    points = own_points(part)
    proofs = part.record.body("layout", RELAY)["proofs"]
    most = SIZE * len(points) + PROOF * len(list(proof_chunks(points)))
    blob = part.relay.fetch(from_hex(proofs.get(part.institution), "layout.proofs", 32), most=most)
    chunks = list(_places(points, blob))
    check = partial(check_places, part.header, part.institution)
    for _ in in_processes(part, "checking own places", check, chunks):
        pass
    return b"".join(chunk.lifted for chunk in chunks)


def _places(points: list[bytes], blob: bytes) -> Iterator[PlacesChunk]:
    """The relay's answer, cut as `docs/lookup-wire.md` says: all Q, then the proofs."""
    numbered = list(proof_chunks(points))
    if len(blob) != SIZE * len(points) + PROOF * len(numbered):
        raise MessageError("places", got=f"{len(blob)} bytes", expected="one point for each customer, and the proofs")
    proofs = blob[SIZE * len(points) :]
    for number, (first, chunk) in enumerate(numbered):
        lifted = blob[SIZE * first : SIZE * (first + len(chunk))]
        yield PlacesChunk(first, b"".join(chunk), lifted, proofs[PROOF * number : PROOF * (number + 1)])


def in_processes(part: Part, what: str, function: Callable[..., Any], chunks: list[Any]) -> Iterator[Any]:
    """`function` of every chunk, in order, on all cores, with progress. A few chunks are not worth a process."""
    processes = max(1, min(workers(), len(chunks) // 2))
    return spread(function, chunks, processes=processes, progress=lambda done: part.report(what, done, len(chunks)))
