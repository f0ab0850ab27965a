"""A regulator's home over the honest federation of `oversight_federation`: its copy filled, its pages served.

home = regulator_home(tmp_path)              # keys are the federation's: key_of("regulator"), ...
fill(home, honest())                         # as `watch` leaves it
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oversight_world import NOW, World, key_of, policy_values, witness_key

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.settings import settings_text
from federation.runtime.private_files import private_directory, write_private

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
