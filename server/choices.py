"""What an operator chooses of a run by name; apart, so that the command line can name it without the trainers."""

from __future__ import annotations

from typing import Literal, TypeAlias

Method: TypeAlias = Literal["fedavg", "a", "g", "gp"]
Noise: TypeAlias = Literal["local", "secagg"]
