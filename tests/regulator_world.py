"""A regulator's home over the honest federation of `oversight_federation`: its copy filled, its pages served.

home = regulator_home(tmp_path)              # keys are the federation's: key_of("regulator"), ...
fill(home, honest())                         # as `watch` leaves it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from oversight_replays import replayed
from oversight_world import BANKS, NOW, World, key_of, log_key, policy_values, witness_key

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.settings import settings_text
from federation.oversight.replay import ReplayCommitment
from federation.runtime.private_files import private_directory, write_private
from protocols.transparency import WitnessState, attach, cosign, open_checkpoint, read_entry, split_note
from server.log import LogHost, LogStore, Which
from server.log.hosting import serve_http

LATER = NOW + 20_000


def policy_text(**changes: Any) -> str:
    """policy.toml of the federation's policy."""
    values = {**policy_values(), **changes}
    lines = []
    for name in ("keys", "caps", "accounting"):
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values[name].items())]
    for witness in values["witnesses"]:
        lines += ["[[witnesses]]", *(f"{key} = {_toml(value)}" for key, value in witness.items())]
    return "\n".join(lines) + "\n"


def regulator_home(folder: Path, log_url: str = "http://127.0.0.1:1", **policy: Any) -> RegulatorHome:
    """A home whose keys are the ones that the federation's log names."""
    path = private_directory(folder / "regulator")
    keys = private_directory(path / "keys")
    write_private(keys / "signing.pem", key_of("regulator").to_pem())
    write_private(keys / "beacon.seed", hashlib.sha256(b"chain").hexdigest().encode())  # oversight_replays.CHAIN
    write_private(keys / "witness.pem", witness_key("regulator").to_pem())
    text = settings_text(name="regulator", log_url=log_url, log_authority="", port=0, written=datetime.now(UTC))
    text = text.replace("chain_length = 100000", "chain_length = 100")
    home = RegulatorHome.create(path, text, log=key_of("log").public, coordinator=key_of("coordinator").public)
    (path / "policy.toml").write_text(policy_text(**policy))
    return RegulatorHome.open(home.path)


def fill(home: RegulatorHome, world: World) -> MirrorStore:
    """The copy of `world`, verified as far as its own checkpoint says, with its documents."""
    store = MirrorStore.open(home.database_url)
    store.stage(0, list(world.entries))
    store.accept(world.note(), len(world.entries), LATER)
    for name, data in world.documents.items():
        path = home.documents / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return store


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


class RealLog:
    """The coordinator's log host over a database, with the members' witnesses; the regulator is the one under test."""

    def __init__(
        self,
        url: str,
        entries: Iterable[bytes],
        *,
        patience: float = 0.0,
        clock: Callable[[], float] = lambda: float(LATER),
    ) -> None:
        self.store, self._clock = LogStore.open(url, log_key(), clock), clock
        self.store.extend([read_entry(data) for data in entries])
        self.host = LogHost(self.store, log_key().public, key_of("coordinator").public, patience=patience)
        self.host.tick()
        self._seen = dict.fromkeys(BANKS, WitnessState())

    def grow(self, *entries: bytes) -> None:
        self.store.extend([read_entry(data) for data in entries])
        self.host.tick()

    def witness(self, names: Sequence[str] = BANKS) -> None:
        """The candidate, checked and cosigned by members."""
        note = self.host.note(Which.CANDIDATE)
        assert note is not None
        size = open_checkpoint(note, log_key().public).size
        for name in names:
            proof = self.store.consistency(self._seen[name].size, size)
            self._seen[name] = self._seen[name].consider(note, proof, log_key().public)
            self.host.cosign(attach(note, [cosign(split_note(note)[0], witness_key(name), int(self._clock()))]))
        self.host.tick()


@contextmanager
def served(
    log: RealLog, documents: Mapping[str, bytes] | None = None, letters: Callable[[bytes], bytes] | None = None
) -> Iterator[str]:
    """The address of `log` over HTTP, which serves `documents` by their hashes; `letters`: the regulator's door."""
    by_hash = {hashlib.sha256(data).hexdigest(): data for data in (documents or {}).values()}
    with serve_http(log.host, "127.0.0.1", 0, tls=None, documents=by_hash.get, letters=letters) as port:
        yield f"http://127.0.0.1:{port}"


@cache
def trained() -> World:
    """A federation whose two rounds can be replayed, under this regulator: its beacons 1 and 2 are in the log."""
    return replayed().world()


def overseen() -> World:
    """And a commitment to a round of the next run, which waits for a beacon."""
    said = ReplayCommitment("bank-a", "summer", "train", 1, 1, "11" * 32, "22" * 32, "33" * 32)
    return trained().inserted(len(trained().entries), said.entry(key_of("bank-a")).data)
