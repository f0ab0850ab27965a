"""Engines of the private score query with what they need from this machine."""

from __future__ import annotations

import os
from typing import Any

from protocols.lookup.engines import Engine, engine


def load(name: str) -> Engine:
    """The engine a manifest names, ready for use. Raises MessageError for an unknown name."""
    return engine(name, **_dependencies(name))


def _dependencies(name: str) -> dict[str, Any]:
    if name != "lwe":
        return {}
    from federation.lookup.int8 import fastest  # imports torch: only where it is needed

    return {"product": fastest().product, "process_id": os.getpid}
