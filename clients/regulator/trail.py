"""The trail: everything that was said in the log, as its reader kept it, before it is packed into an export.

A trail is read from a folder laid out like an export (`Trail.of_folder`), from tiles (`clients.regulator.log_client`),
or put together from anything that gives entries in log order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from clients.regulator.layout import CHECKPOINT, CHECKPOINTS, ENTRIES, PROMISES, is_document, read_note_line
from federation.errors import ConfigurationError

Bytes = Callable[[], bytes]


@dataclass(frozen=True)
class Trail:
    """What an export is made of. Nothing here is believed: verification starts from the export.

    origin       of the log, as its checkpoints name it
    entries      gives every entry's bytes, in log order, each time it is called
    checkpoint   the newest note, with the cosignatures that its reader knows of
    checkpoints  earlier notes, oldest first
    promises     the log's promises, as encoded, that anybody handed in
    documents    {runs/RUN/NAME.json: its bytes}: what was published, read when it is packed
    """

    origin: str
    entries: Callable[[], Iterable[bytes]]
    checkpoint: bytes
    checkpoints: tuple[bytes, ...] = ()
    promises: tuple[bytes, ...] = ()
    documents: Mapping[str, Bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.documents:
            if not is_document(path):
                raise ConfigurationError("trail.documents", got=path, expected="runs/RUN/NAME.json")

    @classmethod
    def of_folder(cls, folder: Path) -> Trail:
        """A copy of the log kept as files, laid out as in an export. Raises ConfigurationError where there is none."""
        note = _read(folder / CHECKPOINT)
        earlier = _lines(folder / CHECKPOINTS) if (folder / CHECKPOINTS).exists() else ()
        promises = _lines(folder / PROMISES) if (folder / PROMISES).exists() else ()
        _read(folder / ENTRIES, 0)
        return cls(
            origin=note.split(b"\n", 1)[0].decode(errors="replace"),
            entries=lambda: _lines(folder / ENTRIES),
            checkpoint=note,
            checkpoints=tuple(read_note_line(line) for line in earlier),
            promises=tuple(promises),
        ).with_documents(folder)

    def with_documents(self, folder: Path | None) -> Trail:
        """With the published documents in runs/RUN/ below `folder`; without one, as it is."""
        if folder is None:
            return self
        found = ((path.relative_to(folder).as_posix(), path) for path in sorted((folder / "runs").glob("*/*.json")))
        return replace(self, documents={name: path.read_bytes for name, path in found if is_document(name)})


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def _read(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise ConfigurationError(str(path), got=type(error).__name__, expected="a file of the trail") from error
