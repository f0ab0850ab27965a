"""The pseudonyms of an institution's own customers: subject -> P = H(identifier)^k, in Parquet files of its owner's.

    store = PseudonymStore(home.lookup / "pseudonyms" / roster_id)
    missing = store.missing(identifiers)              # what has to be enrolled: deltas only
    store.add(identifiers, pseudonyms)                # one more part file, whole or not there at all
    store.load().of(identifiers)                      # uint8 [n, 32]

One folder per joint key: a roster change means a new k, and pseudonyms under the old one are worth nothing. A part is
written per finished batch, so that an enrolment that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.errors import ConfigurationError
from federation.runtime.private_files import private_directory, write_public

ELEMENT_BYTES = 32
_SCHEMA = {"identifier": pl.Binary, "pseudonym": pl.Binary}


@dataclass(frozen=True)
class Pseudonyms:
    """What is enrolled so far; `frame` has one row per identifier."""

    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    def of(self, identifiers: Sequence[bytes]) -> NDArray[np.uint8]:
        """Pseudonyms uint8 [n, 32] in the order of `identifiers`. Raises ConfigurationError if one is not enrolled."""
        wanted = pl.DataFrame({"identifier": pl.Series(list(identifiers), dtype=pl.Binary)})
        found = wanted.join(self.frame, on="identifier", how="left", maintain_order="left")["pseudonym"]
        absent = found.null_count()
        if absent:
            raise ConfigurationError("pseudonyms", got=f"{absent} customers not enrolled", expected="all of them")
        return np.frombuffer(b"".join(found.to_list()), np.uint8).reshape(-1, ELEMENT_BYTES)


class PseudonymStore:
    """The folder of one joint key's pseudonyms; mode 0700, its files 0600."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_directory(folder)

    def load(self) -> Pseudonyms:
        """Everything enrolled. Raises ConfigurationError for a part that cannot be read."""
        parts = sorted(self._folder.glob("part-*.parquet"))
        try:
            frames = [pl.read_parquet(part) for part in parts]
            frame = pl.concat([pl.DataFrame(schema=_SCHEMA), *frames], how="vertical")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ConfigurationError(
                str(self._folder), got=type(error).__name__, expected="parts as written"
            ) from error
        return Pseudonyms(frame.unique("identifier", keep="first", maintain_order=True))

    def missing(self, identifiers: Sequence[bytes]) -> list[bytes]:
        """Those of `identifiers` without a pseudonym, each once, in their order."""
        wanted = pl.DataFrame({"identifier": pl.Series(list(identifiers), dtype=pl.Binary)})
        absent = wanted.unique(maintain_order=True).join(
            self.load().frame, on="identifier", how="anti", maintain_order="left"
        )
        return absent["identifier"].to_list()

    def add(self, identifiers: Sequence[bytes], pseudonyms: Sequence[bytes]) -> None:
        """Keep one batch durably. Raises ConfigurationError unless every pseudonym has 32 bytes."""
        if len(identifiers) != len(pseudonyms) or any(len(point) != ELEMENT_BYTES for point in pseudonyms):
            raise ConfigurationError("pseudonyms", got="another form", expected="32 bytes for each identifier")
        frame = pl.DataFrame({"identifier": list(identifiers), "pseudonym": list(pseudonyms)}, schema=_SCHEMA)
        number = len(list(self._folder.glob("part-*.parquet")))
        buffer = _parquet(frame)
        write_public(self._folder / f"part-{number:06d}.parquet", buffer, mode=0o600)


def _parquet(frame: pl.DataFrame) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    frame.write_parquet(buffer, compression="uncompressed")  # random bytes do not compress
    return buffer.getvalue()
