"""Zips that nobody packed for reading: damaged, encrypted, overlapping, or far larger inside than outside."""

from __future__ import annotations

import io
import random
import resource
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from lzma import LZMAError
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oversight_federation import honest
from test_tampered_files import Files, repack

from clients.regulator.archive import Archive, ArchiveError
from clients.regulator.case import Case
from clients.regulator.findings import Outcome, Verdict
from clients.regulator.layout import CHECKPOINTS, ENTRIES, MAX_KEPT, PROMISES
from clients.regulator.steps.manifest import ManifestStep
from clients.regulator.steps.quorum import QuorumStep
from clients.regulator.verify import verify

STEPS = (ManifestStep, QuorumStep)  # what mutated zips need no accountants for


@cache
def packed(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The honest export, its files compressed by `method`."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in (("log/entries.jsonl", b"\n".join(honest().entries) + b"\n"), ("manifest.json", b"{}")):
            archive.writestr(name, data)
        archive.writestr("log/checkpoint.note", honest().note())
        archive.writestr("log/checkpoints.jsonl", b"")
        archive.writestr("log/promises.jsonl", b"")
    return held.getvalue()


def judged(folder: Path, data: bytes) -> Verdict:
    path = folder / "export.zip"
    path.write_bytes(data)
    return verify(path, honest().policy(), STEPS)


@given(
    changes=st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=6), tail=st.booleans()
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_every_mutated_zip_gets_a_verdict(tmp_path: Path, changes: list[tuple[int, int]], tail: bool) -> None:
    data = bytearray(packed())
    start = data.index(b"PK\x01\x02") if tail else 0  # half of them in the directory, where there is most to break
    for place, value in changes:
        data[start + place % (len(data) - start)] = value
    verdict = judged(tmp_path, bytes(data))
    assert not verdict.holds  # its manifest lists nothing
    assert all(finding.where for step in verdict.steps for finding in step.findings)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_methods_are_refused_by_name(tmp_path: Path, method: int) -> None:
    verdict = judged(tmp_path, packed(method))
    assert verdict.step(1).findings[0].where == "manifest.json: manifest.json"
    assert verdict.step(1).findings[0].got.startswith(f"compression method {method}")


def test_a_flipped_lzma_stream_would_end_in_no_verdict(tmp_path: Path) -> None:
    """What the reader of the zip raises then is no error of a zip."""
    data = bytearray(packed(zipfile.ZIP_LZMA))
    draw = random.Random(3)
    for _ in range(40):
        data[draw.randrange(200, 4000)] ^= 255
    with pytest.raises(LZMAError), zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        archive.read("log/entries.jsonl")
    assert not judged(tmp_path, bytes(data)).holds


def test_a_name_that_is_no_text_is_a_verdict(tmp_path: Path) -> None:
    data = bytearray(packed())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 8, 0x800)  # its name is UTF-8, it says
    data[at + 46] = 0xFF
    verdict = judged(tmp_path, bytes(data))
    assert verdict.step(1).findings[0].got == "damaged (UnicodeDecodeError)"


def test_an_encrypted_file_is_a_verdict(tmp_path: Path) -> None:
    data = bytearray(packed())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 8, 1)
    assert not judged(tmp_path, bytes(data)).holds
    with Archive.open(tmp_path / "export.zip") as archive, pytest.raises(ArchiveError, match="flags 0x1"):
        archive.read(ENTRIES)


def test_files_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A thousand names for one file: what is inside would be a million times what is outside."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log/entries.jsonl", b"\0" * 2**20)
        first = archive.infolist()[0]
        for number in range(1000):
            twin = zipfile.ZipInfo(f"runs/r{number}/card.json")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(twin, name, getattr(first, name))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
    path = tmp_path / "export.zip"
    path.write_bytes(held.getvalue())
    with pytest.raises(ArchiveError, match="files side by side"):
        Archive.open(path)


def bare(change: Callable[[Files], None], path: Path) -> Path:
    return repack(honest().export(path), change, manifest=True)


@pytest.mark.parametrize("name", [CHECKPOINTS, PROMISES])
def test_lines_are_counted_before_one_is_read(tmp_path: Path, name: str) -> None:
    path = bare(lambda files: files.update({name: b"\n" * (MAX_KEPT + 1)}), tmp_path / "export.zip")
    verdict = verify(path, honest().policy())
    found = [finding for step in verdict.steps for finding in step.findings]
    assert [(each.where, each.got) for each in found] == [(name, f"{MAX_KEPT + 1} lines")]


def test_lines_that_are_kept_keep_no_frames(tmp_path: Path) -> None:
    path = bare(lambda files: files.update({PROMISES: b"\n" * 100}), tmp_path / "export.zip")
    with Archive.open(path) as archive:
        errors = Case.open(archive, honest().policy()).promises
    assert len(errors) == 100
    assert all(isinstance(each, Exception) and each.__traceback__ is each.__cause__ is None for each in errors)


def test_a_plan_of_the_wrong_size_is_not_even_inflated(tmp_path: Path) -> None:
    """`json.loads` of that file alone takes over a gigabyte, and minutes."""
    path = tmp_path / "export.zip"
    bare(lambda files: files.update({"runs/spring/plan.json": b"[" + b"[]," * 2**22 + b"[]]"}), path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict = verify(path, honest().policy())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [step.number for step in verdict.steps if step.outcome is Outcome.FAILS] == [9]
    assert grown < 2**17, "KiB"
