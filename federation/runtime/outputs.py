"""Files that a command writes for a person: what is there already is theirs.

>>> refuse_existing(Path("no-such-file.zip"), overwrite=False)
"""

from __future__ import annotations

import os
from pathlib import Path

from federation.errors import ConfigurationError


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raises ConfigurationError where something is at `path` and was not said to be in the way."""
    if not overwrite and (path.exists() or path.is_symlink()):
        raise ConfigurationError(str(path), got="something that exists", expected="a new file, or --overwrite")


def must_be_new(path: Path) -> None:
    """Raises ConfigurationError where something is at `path`, or no file can be made there: asked before anything is
    made that belongs to it."""
    if path.exists() or path.is_symlink():
        raise ConfigurationError(str(path), got="something that exists", expected="a new file: nothing is overwritten")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(str(path), got="no folder that can be written to", expected="one that is there")
