"""What the relay and the pool keep in the coordinator's home, besides the record in its database.

HOME/keys/   pool.pem                   signs answers
HOME/lookup/ pool.wanted                while an epoch needs the pool; the supervisor looks for it
             relay.trouble pool.trouble what keeps one of them from its next step, while it does
             epochs/N/z                 the relay's secret of one epoch, erased once it is closing
             epochs/N/blobs/            what members uploaded
             epochs/N/progress.json     how far the relay's own work is
             epochs/N/findings.json     what did not fit when the epoch was settled
             epochs/N/pool/             tables, their sum, evaluation keys; erased when it closes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from federation.runtime.private_files import (
    erase_private,
    keep_private,
    private_directory,
    read_private,
    remove_folder,
)
from protocols.oprf.group import random_scalar
from protocols.signing import SigningKey

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class LookupFolders:
    """Paths below a coordinator's `home`; made when first used."""

    home: Path

    @property
    def root(self) -> Path:
        return private_directory(self.home / "lookup")

    def epoch(self, counter: int) -> Path:
        private_directory(self.root / "epochs")
        return private_directory(self.root / "epochs" / str(counter))

    def pool(self, counter: int) -> Path:
        return private_directory(self.epoch(counter) / "pool")

    def progress(self, counter: int) -> Path:
        return self.epoch(counter) / "progress.json"

    def findings(self, counter: int) -> Path:
        return self.epoch(counter) / "findings.json"

    def trouble(self, party: str) -> Path:
        return self.root / f"{party}.trouble"

    @property
    def pool_wanted(self) -> Path:
        return self.home / "lookup" / "pool.wanted"

    def relay_secret(self, counter: int, random: Random) -> bytes:
        """z of one epoch, drawn at the first call: whoever starts anew goes on with the same one."""
        return read_private(keep_private(self.epoch(counter) / "z", lambda: random_scalar(random)))

    def existing_relay_secret(self, counter: int) -> bytes | None:
        """z, or None once it is erased."""
        file = self.epoch(counter) / "z"
        return read_private(file) if file.exists() else None

    def erase_relay_secret(self, counter: int) -> None:
        """z is overwritten and gone; safe to repeat."""
        erase_private(self.epoch(counter) / "z")

    def erase_pool(self, counter: int) -> None:
        """Remove tables, sum and keys of an epoch; safe to repeat. Raises OSError for what stays."""
        remove_folder(self.epoch(counter) / "pool")

    def pool_key(self) -> SigningKey:
        """The key under which the pool's answers and steps are signed."""
        return SigningKey.from_pem(
            read_private(keep_private(self.home / "keys" / "pool.pem", lambda: SigningKey.generate().to_pem()))
        )
