"""The engines of the private score query, by name.

>>> engine("mirror").name
'mirror'

`bfv` (SEAL) is the default, `lwe` serves millions of subjects at a high rate, `mirror` downloads the padded table.
Each is imported when first asked for. What an engine needs from its surroundings is passed in: `lwe` takes an exact
int8 matrix product and the identity of the running process. Programs get an engine with all it needs from
`federation.lookup.engines.load`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from protocols.errors import MessageError
from protocols.lookup.engines.base import Client, Engine, Geometry, Pending, Prepared
from protocols.lookup.parameters import ENGINES

__all__ = ["Client", "Engine", "Geometry", "Pending", "Prepared", "engine"]

_CLASSES = {
    "bfv": ("protocols.lookup.engines.bfv", "BfvEngine"),
    "lwe": ("protocols.lookup.engines.lwe", "LweEngine"),
    "mirror": ("protocols.lookup.engines.mirror", "MirrorEngine"),
}


def engine(name: str, **dependencies: Any) -> Engine:
    """The engine a manifest names. Raises MessageError for an unknown name, TypeError for a missing dependency."""
    if name not in _CLASSES:
        raise MessageError("engine", got=name, expected=" or ".join(ENGINES))
    module, made_by = _CLASSES[name]
    made: Engine = getattr(import_module(module), made_by)(**dependencies)
    return made
