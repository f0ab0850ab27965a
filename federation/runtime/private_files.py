"""Files that hold secrets: written once, owner-only, and refused when anyone else could have read them.

>>> import tempfile
>>> folder = Path(tempfile.mkdtemp())
>>> write_private(folder / "key", b"secret")
>>> read_private(folder / "key")
b'secret'
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from federation.errors import ConfigurationError

MAX_BYTES = 64 * 2**10  # a key file is small; a large one is not a key


def private_directory(path: Path) -> Path:
    """`path`, made with mode 0700. Raises ConfigurationError if it exists with group or world bits."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_shared(path, path.stat())
    return path


def check_private_home(home: Path, folders: Iterable[str]) -> None:
    """Raises ConfigurationError naming the first of `home`, its `folders` and its databases that others may touch.

    A folder that is missing is made. Databases are what lies in `home` as *.db, with what SQLite keeps beside it.
    """
    for folder in (home, *(home / name for name in folders)):
        private_directory(folder)
    for file in sorted(home.glob("*.db*")):
        with suppress(FileNotFoundError):  # a write-ahead log goes when the last connection does
            _refuse_shared(file, file.lstat())


def create_private(path: Path) -> None:
    """Make `path`, empty, with mode 0600 whatever the umask, unless something is there already."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def write_private(path: Path, data: bytes) -> None:
    """Create `path` with mode 0600 and sync it. Raises ConfigurationError if it exists: a key is never overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            str(path), got="an existing file", expected="none: keys are not overwritten"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def keep_private(path: Path, make: Callable[[], bytes]) -> Path:
    """`path`, written with `make()` by `write_private` if it is not there yet: a secret that is drawn once."""
    if not path.exists():
        write_private(path, make())
    return path


def read_private(path: Path, *, most: int = MAX_BYTES) -> bytes:
    """The bytes of a secret file, `most` at most.

    Raises ConfigurationError if it is missing, a link, too large or readable by others. The checks are made on the
    opened descriptor, so the file cannot be exchanged between check and read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="a readable key file") from error
    with os.fdopen(descriptor, "rb") as file:
        _refuse_shared(path, os.fstat(file.fileno()))
        data = file.read(most + 1)
    if len(data) > most:
        raise ConfigurationError(str(path), got=f"more than {most} bytes", expected="a key file")
    return data


def replace_private(path: Path, data: bytes) -> None:
    """Replace a secret file in one step. When this returns its name is on disk as well, and the old bytes are gone.

    Without the first a power cut brings back a state that others count on being past; without the second what a newer
    state has forgotten can be read off the disk. What a process that was ended leaves is `draft_of`.
    """
    draft = draft_of(path)
    erase_private(draft)
    write_private(draft, data)
    before = os.open(path, os.O_WRONLY | os.O_NOFOLLOW) if path.exists() else None
    draft.replace(path)
    sync_folder(path.parent)
    if before is not None:
        with os.fdopen(before, "wb", closefd=True) as file:
            _overwrite(file, os.fstat(file.fileno()).st_size)


def draft_of(path: Path) -> Path:
    """Where `replace_private` writes before it renames."""
    return path.with_name(f".{path.name}.draft")


def erase_private(path: Path) -> None:
    """Overwrite a secret file, remove it, and have the removal on disk; nothing where there is none.

    Overwriting cannot reach copies that a file system or a disk makes of its own accord: on such media the promise to
    erase rests on encryption at rest. Raises OSError for what cannot be removed.
    """
    try:
        with path.open("r+b") as file:
            _overwrite(file, os.fstat(file.fileno()).st_size)
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Remove `path` and all that is in it, on disk when this returns; nothing where there is none.

    Raises OSError for what stays: never said to be gone.
    """
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    sync_folder(path.parent)


def write_public(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` in one step: a reader sees the old bytes or the new ones, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _overwrite(file: BinaryIO, size: int) -> None:
    file.write(os.urandom(size))
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Which files `folder` has is on disk when it returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise ConfigurationError(str(path), got=f"mode {mode:04o}", expected="no permission for group or others")
    if status.st_uid != os.geteuid():
        raise ConfigurationError(str(path), got=f"owner {status.st_uid}", expected=f"owner {os.geteuid()}")
