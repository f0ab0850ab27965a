"""Tampering with an export after it was made: no key is needed, and the manifest may be made anew."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from oversight_federation import honest

from clients.regulator.findings import Outcome, Verdict
from clients.regulator.layout import Manifest
from clients.regulator.steps import STEPS
from clients.regulator.verify import verify

FILES = sorted(
    [
        "deployment.json",
        "log/checkpoint.note",
        "log/checkpoints.jsonl",
        "log/entries.jsonl",
        "log/promises.jsonl",
        "manifest.json",
        "runs/spring/card.json",
        "runs/spring/evaluation.json",
        "runs/spring/model.json",
        "runs/spring/plan.json",
    ]
)
# Who else notices where the manifest fits again: everything in an export is bound to the log or to itself.
OTHERS = {
    "deployment.json": {9},
    "log/checkpoint.note": {4, 6},
    "log/checkpoints.jsonl": {5},
    "log/entries.jsonl": {2, 3, 4, 5, 9},
    "log/promises.jsonl": {4},
    "runs/spring/card.json": {9},
    "runs/spring/evaluation.json": {9},
    "runs/spring/model.json": {9},
    "runs/spring/plan.json": {9},
}
Files = dict[str, bytes]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return honest().export(tmp_path / "export.zip")


def repack(path: Path, change: Callable[[Files], None], *, manifest: bool = False) -> Path:
    """The export with its files changed; `manifest`: and a manifest that fits."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if manifest:
        old = Manifest.read(files.pop("manifest.json"))
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        size = files["log/entries.jsonl"].count(b"\n")
        files["manifest.json"] = old.model_copy(update={"files": hashes, "size": size}).canonical()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def flipped(data: bytes, at: int) -> bytes:
    """One bit of one byte, so that a letter stays a letter."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def failed(verdict: Verdict) -> set[int]:
    return {step.number for step in verdict.steps if step.outcome is not Outcome.HOLDS}


def test_the_honest_export_passes(export: Path) -> None:
    verdict = verify(export, honest().policy())
    assert verdict.holds, verdict.first
    assert [step.number for step in verdict.steps] == list(range(1, 11))
    noted = {step.number for step in verdict.steps if step.notes}
    assert noted == {5, 10}  # no checkpoint seen before; what shared noise would cost


def test_every_file_is_known(export: Path) -> None:
    assert sorted(zipfile.ZipFile(export).namelist()) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_file_changed_by_a_byte(export: Path, name: str) -> None:
    def change(files: Files) -> None:
        files[name] = flipped(files[name], len(files[name]) // 2)

    verdict = verify(repack(export, change), honest().policy())
    assert 1 in failed(verdict)
    assert any(name in finding.where for finding in verdict.step(1).findings)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_file_changed_by_a_byte_under_a_manifest_that_fits(export: Path, name: str) -> None:
    def change(files: Files) -> None:
        places = {
            "log/checkpoint.note": 50,  # in the root; a witness's line more or less is the quorum's matter
            "log/checkpoints.jsonl": 50,
            "log/entries.jsonl": files["log/entries.jsonl"].rindex(b'"signature":"') + 20,
            "log/promises.jsonl": files["log/promises.jsonl"].rindex(b'"signature":"') + 20,
        }
        files[name] = flipped(files[name], places.get(name, len(files[name]) // 2))

    path = repack(export, change, manifest=True)
    found = failed(verify(path, honest().policy()))
    assert found, "nobody noticed"
    assert 1 not in found
    assert found <= OTHERS[name]
    assert verify(path, honest().policy(), [step for step in STEPS if step.number not in found]).holds


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("manifest.json", "runs/spring/plan.json")])
def test_a_file_left_out(export: Path, name: str) -> None:
    path = repack(export, lambda files: files.pop(name) and None)
    assert 1 in failed(verify(path, honest().policy()))
    if name.startswith("runs/") or name == "deployment.json":
        path = repack(path, lambda files: None, manifest=True)
        assert failed(verify(path, honest().policy())) >= {9}


@pytest.mark.parametrize("name", ["runs/autumn/model.json", "log/more.jsonl", "../../etc/passwd", "runs/spring/x.json"])
def test_a_file_beside_the_layout_or_the_log(export: Path, name: str) -> None:
    def change(files: Files) -> None:
        files[name] = b"{}"

    assert 1 in failed(verify(repack(export, change), honest().policy()))
    fits = failed(verify(repack(export, lambda files: None, manifest=True), honest().policy()))
    assert fits == ({9} if name == "runs/autumn/model.json" else {1})


def test_two_files_of_one_name(export: Path) -> None:
    with zipfile.ZipFile(export, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("log/checkpoint.note", b"another\n")
    verdict = verify(export, honest().policy())
    assert verdict.step(1).findings[0].where == "log/checkpoint.note"
    assert 1 in failed(verdict)


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_zip_that_is_cut_short(export: Path, cut: int) -> None:
    export.write_bytes(export.read_bytes()[:cut])
    verdict = verify(export, honest().policy())
    assert verdict.step(1).outcome is Outcome.FAILS
    assert all(step.outcome is Outcome.NOT_JUDGED for step in verdict.steps[1:])


def test_a_zip_damaged_in_the_middle_of_the_entries(export: Path) -> None:
    data = export.read_bytes()
    at = data.index(b"log/entries.jsonl") + 2000
    export.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    verdict = verify(export, honest().policy())
    assert verdict.step(1).findings[0].where == "log/entries.jsonl"
    assert not any(step.outcome is Outcome.HOLDS for step in verdict.steps if step.number not in (1, 6))


def test_a_line_without_an_end(export: Path) -> None:
    def change(files: Files) -> None:
        files["log/entries.jsonl"] = b"x" * (2**20 + 1000)

    verdict = verify(repack(export, change, manifest=True), honest().policy())
    assert verdict.step(2).outcome is Outcome.NOT_JUDGED
    assert "line 1" in verdict.step(2).notes[-1]
    assert not verdict.holds
