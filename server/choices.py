"""What an operator chooses of a run by name; apart, so that the command line can name it without the trainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Method: TypeAlias = Literal["fedavg", "a", "g", "gp"]
Noise: TypeAlias = Literal["local", "secagg"]
LEAST_SHARING = 3  # members: with two, each would know the other's part of a sum


@dataclass(frozen=True)
class NoiseChoice:
    """Whose noise, and why, in words that follow "because"."""

    noise: Noise
    because: str


def choose_noise(asked: Noise | None, members: int, contradiction: str | None) -> NoiseChoice:
    """As asked; else shared noise for `LEAST_SHARING` members or more, unless something contradicts it.

    `contradiction` says what only local noise has, None where nothing like it is asked for.

    >>> choose_noise(None, 4, None)
    NoiseChoice(noise='secagg', because='4 institutions joined')
    >>> choose_noise(None, 2, None).because
    '2 institutions joined, and sharing noise takes 3'
    """
    if asked is not None:
        return NoiseChoice(asked, "it was asked for")
    if members < LEAST_SHARING:
        joined = f"{members} institution{'s' if members != 1 else ''} joined"
        return NoiseChoice("local", f"{joined}, and sharing noise takes {LEAST_SHARING}")
    if contradiction is not None:
        return NoiseChoice("local", f"{contradiction}, which shared noise does not allow")
    return NoiseChoice("secagg", f"{members} institutions joined")
