"""Helpers beside this file (`rounds_world`, ...) can be imported by every test.

With this folder on the path, tests/clients and its neighbours would pass for the packages of those names: the
repository comes first.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
