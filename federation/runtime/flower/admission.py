"""Which bundles a SuperNode runs: those its institution has allowed, by SHA-256, decided before any of their code runs.

Flower can have bundles countersigned by trusted entities and refuses the others itself, with an error reply, before
it unpacks them. So each SuperNode process makes a key of its own, names it as the only trusted entity, and signs the
bundles on the institution's list as they arrive. Signatures that arrive with a bundle count for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Collection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.supercore.fab import Fab
from flwr.supercore.primitives.asymmetric_ed25519 import create_message_to_sign

from federation.runtime.private_files import write_public

GetFab = Callable[[str, int], Fab]
_ENTITY = "fpk_institution"


class Admission:
    """`allowed` is asked at each new run; `on_refused` is told the hash of a bundle it does not name, once per run."""

    def __init__(self, allowed: Callable[[], Collection[str]], on_refused: Callable[[str], None]) -> None:
        self._allowed = allowed
        self._on_refused = on_refused
        self._refused: set[tuple[int, str]] = set()
        self._key = Ed25519PrivateKey.generate()

    def trust(self, file: Path) -> Path:
        """Write the trusted entities for Flower's `--trusted-entities`: this admission's key, and no other."""
        public = self._key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        write_public(file, json.dumps({_ENTITY: public}).encode())  # JSON is YAML
        return file

    def guard(self, get_fab: GetFab) -> GetFab:
        """`get_fab`, whose bundles carry this admission's signature if they are allowed, and none if not."""

        def admitted(fab_hash: str, run_id: int) -> Fab:
            fab = get_fab(fab_hash, run_id)
            found = hashlib.sha256(fab.content)
            if found.hexdigest() in self._allowed():
                return Fab(found.hexdigest(), fab.content, self._signed(found.digest()))
            if (run_id, found.hexdigest()) not in self._refused:
                self._refused.add((run_id, found.hexdigest()))
                self._on_refused(found.hexdigest())
            return Fab(found.hexdigest(), fab.content, {})

        return admitted

    def _signed(self, digest: bytes) -> dict[str, str]:
        now = int(time.time())
        signature = base64.urlsafe_b64encode(self._key.sign(create_message_to_sign(digest, now))).decode()
        return {"valid_license": "allowed", _ENTITY: json.dumps({"signed_at": now, "signature": signature})}
