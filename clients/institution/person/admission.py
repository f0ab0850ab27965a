"""One-time codes: an employee has looked at a passport, and lets this one person look at this one record.

    code = admit(home, "4711", now)             # shown to the person once; HOME/desk/ID.code holds it for nobody
    redeem(home, code, now) -> "4711"           # once

The file holds the identifier sealed under the code (ChaCha20-Poly1305), so that neither it nor a copy of the home says
who was admitted; the code has 125 bits and is nowhere but on the person's paper.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from clients.institution.home import InstitutionHome
from federation.errors import ConfigurationError
from federation.runtime.private_files import private_directory, write_public

FOLDER = "desk"
HOURS = 24
MAX_ADMITTED = 1000
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LETTERS = 25
_NAME, _KEY = b"fedscore/v1/person/code-name\x00", b"fedscore/v1/person/code-key\x00"
_NONCE = bytes(12)  # each key seals one identifier, once


def admit(home: InstitutionHome, subject: str, now: float, *, hours: float = HOURS) -> str:
    """A code for this person, good once within `hours`. Raises ConfigurationError where too many are waiting."""
    folder = private_directory(home.path / FOLDER)
    _forget(folder, now)
    if sum(1 for _ in folder.glob("*.code")) >= MAX_ADMITTED:
        raise ConfigurationError("admitted", got=f"{MAX_ADMITTED} people", expected="fewer who have not come yet")
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    until = int(now + hours * 3600)
    sealed = ChaCha20Poly1305(_derived(_KEY, code)).encrypt(_NONCE, subject.encode(), str(until).encode())
    kept = json.dumps({"version": 1, "until": until, "sealed": sealed.hex()})
    write_public(folder / f"{_name(code)}.code", kept.encode(), mode=0o600)
    return "-".join(code[at : at + 5] for at in range(0, _LETTERS, 5))


def redeem(home: InstitutionHome, offered: str, now: float) -> str | None:
    """Whose code it is; None for what is no code, is used or is too old. It is used up by this."""
    code = "".join(letter for letter in offered.upper() if letter in _ALPHABET)[: _LETTERS + 1]
    file = home.path / FOLDER / f"{_name(code)}.code"
    try:
        kept = json.loads(file.read_bytes())
        file.unlink()  # of two who come with it at once, one finds it gone
        until, sealed = int(kept["until"]), bytes.fromhex(kept["sealed"])
        plain = ChaCha20Poly1305(_derived(_KEY, code)).decrypt(_NONCE, sealed, str(until).encode())
    except (OSError, ValueError, KeyError, TypeError, InvalidTag):
        return None
    return plain.decode() if now <= until else None


def _forget(folder: Path, now: float) -> None:
    for file in folder.glob("*.code"):
        try:
            old = json.loads(file.read_bytes())["until"] < now
        except (OSError, ValueError, KeyError, TypeError):
            old = True
        if old:
            file.unlink(missing_ok=True)


def _name(code: str) -> str:
    return _derived(_NAME, code).hex()[:32]


def _derived(label: bytes, code: str) -> bytes:
    return hashlib.sha256(label + code.encode()).digest()
