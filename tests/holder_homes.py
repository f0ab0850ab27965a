"""The homes of both holders of the oversight key, made and joined in this process: twelve seconds of commands less.

homes = holder_homes(folder, persons, log=..., coordinator=..., signing=regulator.signing_key)
with serving(homes["ombudsman"]): ...
"""

from __future__ import annotations

from pathlib import Path

from wallets import Persons

from federation.inquiries.holder_cli import make
from federation.inquiries.holder_home import HolderHome
from federation.runtime.pki import key_fingerprint
from federation.runtime.ports import free_ports
from protocols.signing import SigningKey


def holder_homes(
    folder: Path, persons: Persons, *, log: str, coordinator: str, signing: SigningKey | None = None
) -> dict[str, HolderHome]:
    """As their commands make them: `folder`/ombudsman, and the regulator's, signed with its key `signing`."""
    authority, ports = persons.authority.authority, free_ports(2)
    places = {"ombudsman": folder / "ombudsman", "regulator": folder / "regulator" / "holder"}
    homes = {
        name: make(
            place,
            name=name,
            log=log,
            coordinator=coordinator,
            host="127.0.0.1",
            bind="127.0.0.1",
            port=ports + number,
            authorities=[f"{authority.name}={authority.key.hex}"],
            signing=signing if name == "regulator" else None,
        )
        for number, (name, place) in enumerate(places.items())
    }
    first, second = homes.values()
    for one, other in ((first, second), (second, first)):
        one.join(other.statement, key_fingerprint(other.statement.key))
    return homes
