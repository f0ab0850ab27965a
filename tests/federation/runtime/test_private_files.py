from __future__ import annotations

import os
from pathlib import Path

import pytest

from federation.errors import ConfigurationError
from federation.runtime import private_files
from federation.runtime.private_files import (
    draft_of,
    erase_private,
    keep_private,
    private_directory,
    read_private,
    remove_folder,
    replace_private,
    write_private,
    write_public,
)


def test_a_secret_is_its_owners_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert read_private(tmp_path / "key") == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_a_secret_that_others_could_touch_is_refused(tmp_path: Path, mode: int) -> None:
    write_private(tmp_path / "key", b"secret")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigurationError, match=f"mode 0{mode:o}"):
        read_private(tmp_path / "key")


def test_a_secret_that_is_erased_is_overwritten_first(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    (tmp_path / "other").hardlink_to(tmp_path / "key")  # what is left on a disk once the name is gone
    erase_private(tmp_path / "key")
    assert not (tmp_path / "key").exists()
    assert len((tmp_path / "other").read_bytes()) == 6
    assert (tmp_path / "other").read_bytes() != b"secret"
    erase_private(tmp_path / "key")


def test_a_secret_that_is_replaced_is_overwritten_and_its_new_name_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, synced = tmp_path / "key", list[Path]()
    replace_private(key, b"secret")
    (tmp_path / "other").hardlink_to(key)
    draft_of(key).write_bytes(b"left by a process that was killed")
    monkeypatch.setattr(private_files, "sync_folder", synced.append)
    replace_private(key, b"newer")
    assert read_private(key) == b"newer"
    assert (tmp_path / "other").read_bytes() != b"secret"
    assert synced[-1] == tmp_path
    assert not draft_of(key).exists()


def test_a_folder_that_cannot_be_removed_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()

    def fails(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr("os.unlink", fails)
        with pytest.raises(PermissionError):
            remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    remove_folder(tmp_path / "folder")


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        write_private(tmp_path / "key", b"other")
    assert read_private(tmp_path / "key") == b"secret"


def test_links_missing_and_large_files_are_refused(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    for name in ("link", "absent"):
        with pytest.raises(ConfigurationError, match="readable key file"):
            read_private(tmp_path / name)
    write_private(tmp_path / "large", bytes(private_files.MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="more than"):
        read_private(tmp_path / "large")


def test_a_secret_of_another_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "key", b"secret")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match="owner"):
        read_private(tmp_path / "key")


def test_a_shared_directory_is_refused(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "home")
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o750)
    with pytest.raises(ConfigurationError, match="mode 0750"):
        private_directory(made)


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_public(tmp_path / "file", b"old")

    def fail(_descriptor: int) -> None:
        raise OSError("disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk"):
        write_public(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_secret_that_is_kept_is_drawn_once(tmp_path: Path) -> None:
    draws = iter([b"first", b"second"])
    file = keep_private(tmp_path / "salt", lambda: next(draws))
    assert read_private(keep_private(file, lambda: next(draws))) == b"first"
    assert next(draws) == b"second"
