"""HOME/replay: one file with the seed of each attempt, encrypted, and one with where the attempt stands.

ID.seed   seed and nonce, AES-256-GCM under HOME/keys/replay.key, bound to the attempt; written once, never rewritten
ID.json   commitment, stage, input model: nothing secret; replaced in one step

Destroying a seed overwrites its file, removes it and has that on disk. What then remains: copies that a file system, a
disk or a backup made of its own accord, encrypted under replay.key. Where that is not enough, the key has to go as
well: keep HOME/replay and HOME/keys out of backups, or on a volume whose key can be destroyed.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from federation.errors import ConfigurationError
from federation.oversight.replay import Place, ReplayCommitment
from federation.runtime.private_files import (
    erase_private,
    keep_private,
    private_directory,
    read_private,
    sync_folder,
    write_private,
    write_public,
)
from protocols.canonical import canonical, digest
from protocols.errors import StageError
from protocols.replay import Attempt, SeedSecret, Stage

KEY_FILE = "replay.key"
_LABEL = "fedscore/v1/replay/sealed"
_KEY_BYTES, _NONCE_BYTES = 32, 12


@dataclass(frozen=True)
class Sealed:
    """An attempt as it is kept: `until` is when its seed goes, Unix time (s); `model` is the input, as sent."""

    commitment: ReplayCommitment
    until: int
    attempt: Attempt = field(default_factory=Attempt)
    model: bytes = field(default=b"", repr=False)

    @property
    def place(self) -> Place:
        return self.commitment.place

    def to_json(self) -> dict[str, object]:
        return {
            "attempt": {**asdict(self.attempt), "stage": self.attempt.stage.value},
            "commitment": self.commitment.to_json(),
            "model": base64.b64encode(self.model).decode(),
            "until": self.until,
        }

    @classmethod
    def read(cls, data: bytes) -> Sealed:
        value = json.loads(data)
        kept = value["attempt"]
        attempt = Attempt(**{**kept, "stage": Stage(kept["stage"])})
        commitment = ReplayCommitment.from_json(value["commitment"])
        return cls(commitment, int(value["until"]), attempt, base64.b64decode(value["model"], validate=True))


class SealedStore:
    """One home's attempts. Everything a method changed is on disk when it returns."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._cipher = private_directory(folder), AESGCM(key)

    @classmethod
    def open(cls, home: Path) -> SealedStore:
        """That of the home at `home`; its key is drawn when first used. Raises ConfigurationError for a shared file."""
        key = read_private(keep_private(home / "keys" / KEY_FILE, lambda: secrets.token_bytes(_KEY_BYTES)))
        return cls(home / "replay", key)

    def commit(self, sealed: Sealed, secret: SeedSecret) -> None:
        """Keep a new attempt. Raises StageError for one that is there: an attempt has one seed."""
        path = self._path(sealed.place, "seed")
        if self.get(sealed.place) is not None or path.exists():
            raise StageError("replay.commitment", got="a second seed", expected="one seed for each attempt")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        write_private(path, nonce + self._cipher.encrypt(nonce, secret.seed + secret.nonce, _bound(sealed.place)))
        self.keep(sealed)

    def get(self, place: Place) -> Sealed | None:
        """None for an attempt that was never committed to. Raises ConfigurationError for an unreadable file."""
        path = self._path(place, "json")
        return _read(path) if path.exists() else None

    def require(self, place: Place) -> Sealed:
        """The attempt. Raises StageError for one that was never committed to."""
        found = self.get(place)
        if found is None:
            raise StageError("replay.attempt", got="no commitment", expected="one before the round")
        return found

    def keep(self, sealed: Sealed) -> None:
        """Replace what is known of an attempt."""
        write_public(self._path(sealed.place, "json"), canonical(sealed.to_json()), mode=0o600)  # type: ignore[arg-type]
        sync_folder(self._folder)

    def secret(self, place: Place) -> SeedSecret:
        """The seed. Raises StageError where it was destroyed, ConfigurationError where the file is another's."""
        path = self._path(place, "seed")
        if not path.exists():
            raise StageError("replay.seed", got="none: destroyed", expected="a sealed seed")
        data = read_private(path)
        try:
            plain = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(place))
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(str(path), got="bytes that do not open", expected="this attempt's seed") from error
        return SeedSecret(plain[:32], plain[32:])

    def hold(self, place: Place, until: int) -> None:
        """It was drawn: its seed stays at least `until`. Raises StageError for an attempt that was never used."""
        sealed = self.require(place)
        self.keep(replace(sealed, attempt=sealed.attempt.draw(), until=max(sealed.until, until)))

    def destroy(self, place: Place) -> None:
        """The seed goes; that it was there stays."""
        erase_private(self._path(place, "seed"))
        sealed = self.require(place)
        self.keep(replace(sealed, attempt=sealed.attempt.destroy()))

    def expire(self, now: float) -> tuple[Place, ...]:
        """Destroy every seed whose time is over; which."""
        over = [each.place for each in self if each.until <= now and each.attempt.stage is not Stage.DESTROYED]
        for place in over:
            self.destroy(place)
        return tuple(over)

    def __iter__(self) -> Iterator[Sealed]:
        return (_read(path) for path in sorted(self._folder.glob("*.json")))

    def _path(self, place: Place, suffix: str) -> Path:
        return self._folder / f"{_bound(place).hex()[:32]}.{suffix}"


def _bound(place: Place) -> bytes:
    return digest(_LABEL, canonical(asdict(place)))


def _read(path: Path) -> Sealed:
    try:
        return Sealed.read(path.read_bytes())
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(str(path), got="an unreadable file", expected="a sealed attempt") from error
