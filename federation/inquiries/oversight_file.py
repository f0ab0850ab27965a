"""oversight.json, as operator and members read it: the holders' joint key, proved, and for this federation.

key = read_oversight(path, log=home.log_key, coordinator=home.coordinator_key)
key.public.hex()                                # what a proposal and the roster say; MessageError for another
"""

from __future__ import annotations

from pathlib import Path

from federation.errors import ConfigurationError
from protocols.consent.holders import OversightKey
from protocols.signing import VerifyingKey


def read_oversight(path: Path, *, log: VerifyingKey, coordinator: VerifyingKey) -> OversightKey:
    """Raises ConfigurationError (no such file, another federation's), MessageError, EncodingError, ProofError or
    SignatureError (a holder that does not possess its share, or did not sign).
    """
    try:
        key = OversightKey.decode(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="oversight.json of the holders") from error
    for name, said, own in (("log", key.log, log), ("coordinator", key.coordinator, coordinator)):
        if said != own:
            raise ConfigurationError(f"{path}: {name}", got=f"key {said.key_id}", expected=f"key {own.key_id}")
    return key
