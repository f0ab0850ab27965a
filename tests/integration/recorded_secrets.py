"""What the tests alone know of everybody, and how to look for it in what others hold."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from recorded_world import Message, RecordedWorld

from clients.institution.lookup.ceremony import Ceremony
from clients.institution.lookup.customers import scheme_of
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.pseudonym_store import PseudonymStore
from protocols.lookup.engines.bfv.messages import SECRET_BYTES
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf.group import hash_to_group
from server.lookup.folders import LookupFolders as CoordinatorFolders

PLANTED = "PLANTED77QX31"  # an identifier of nobody's: asked for, and searched for everywhere
_HEAD = 24 + 32  # label and epoch of what the engine saves


@dataclass(frozen=True)
class Secrets:
    """Read from everybody's private files while the epoch was open. `named`: every secret with its owner's name."""

    z: bytes
    shares: dict[str, bytes]
    named: dict[str, bytes]
    of_epoch: tuple[str, ...]


def read_secrets(world: RecordedWorld) -> Secrets:
    z = CoordinatorFolders(world.coordinator.path).existing_relay_secret(1)
    state = LookupFolders(world.institutions["aurora"]).epoch(1).read("query.key")
    assert z is not None
    assert state is not None
    shares = {}
    named = {"relay z": z, "aurora query": state[_HEAD : _HEAD + SECRET_BYTES][1000:1064]}
    for name, home in world.institutions.items():
        [file] = home.keys.glob("pseudonym-*.key")
        shares[name] = Ceremony.decode(file.read_bytes()).share.secret
        own = EpochSecrets.decode(LookupFolders(home).epoch(1).path.joinpath("secrets.key").read_bytes())
        named |= {f"{name} s": own.pad, f"{name} x": own.mask}
        named[f"{name} seed"] = next((home.path / "lookup" / "rosters").glob("*/seed.key")).read_bytes()
    of_epoch = tuple(owner for owner in named if not owner.endswith("seed"))
    return Secrets(z, shares, named | {f"{name} k": share for name, share in shares.items()}, of_epoch)


def encodings(value: bytes) -> set[bytes]:
    """The ways in which bytes hide in other bytes: as they are, hexadecimal, base64 at any offset, their SHA-256."""
    forms = {value, value.hex().encode(), value.hex().upper().encode(), value[::-1]}
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + value)
        forms.add(coded[4 if shift else 0 : len(coded) - 4])
    return {form for form in forms if len(form) >= 8}


def traces(identifier: bytes) -> set[bytes]:
    """An identifier in every form in which it may not be seen."""
    hashes = [hashlib.new(name, identifier).digest() for name in ("sha256", "sha512", "sha1", "md5")]
    return set().union(*map(encodings, (identifier, identifier.lower(), *hashes, hash_to_group(identifier))))


def found_in(data: bytes, wanted: Iterable[bytes]) -> list[bytes]:
    return [each for each in wanted if each in data]


def everything(messages: Iterable[Message]) -> bytes:
    return b"\n".join(message.data for message in messages)


def normalised(world: RecordedWorld, subject: str) -> bytes:
    return scheme_of(world.institutions["aurora"]).normalise(subject)


def pseudonyms(world: RecordedWorld, name: str) -> dict[str, bytes]:
    """The P's of an institution's own customers, by subject."""
    [roster] = (LookupFolders(world.institutions[name]).path / "rosters").iterdir()
    frame = PseudonymStore(roster / "pseudonyms").load().frame
    return {row["identifier"].decode(): row["pseudonym"] for row in frame.iter_rows(named=True)}
