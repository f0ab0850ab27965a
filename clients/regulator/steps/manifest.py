"""Step 1: the files are those of the manifest, to the byte."""

from __future__ import annotations

from clients.regulator.archive import ArchiveError
from clients.regulator.layout import DEPLOYMENT, LOG_FILES, MANIFEST, Manifest, is_document
from clients.regulator.steps.base import Step
from federation.errors import FederationError


class ManifestStep(Step):
    """Whole, and nothing beside it. A manifest is no proof: it tells damage from what the other steps find."""

    number = 1
    title = "Files are those of the manifest"
    reads_entries = False

    def finish(self) -> None:
        archive = self.case.archive
        # a. No name twice, none outside the layout.
        for name in archive.repeated:
            self.fail(name, "more than one file of this name", "one")
        allowed = {*LOG_FILES, DEPLOYMENT, MANIFEST}
        for name in sorted(set(archive.names)):
            if name not in allowed and not is_document(name):
                self.fail(name, "a file outside the layout", "log/, runs/RUN/, deployment.json, manifest.json")
        try:
            manifest = Manifest.read(archive.read(MANIFEST))
        except FederationError as error:
            self.fail_with(error, where=MANIFEST)
            return
        # b. Every file of the layout is there, listed, and has its hash.
        present = set(archive.names) - {MANIFEST}
        for name in sorted({*present, *manifest.files, *LOG_FILES, DEPLOYMENT}):
            self._check(name, manifest.files.get(name), name in present)
        # c. It is about this log, and as many entries as there are.
        if manifest.origin != self.case.policy.log.name:
            self.fail(f"{MANIFEST}: origin", manifest.origin, self.case.policy.log.name)
        if self.case.broken is None and manifest.size != self.case.tree.size:
            self.fail(f"{MANIFEST}: size", manifest.size, f"{self.case.tree.size} entries, as in the file")
        self.fact(f"{len(manifest.files)} files")

    def _check(self, name: str, expected: str | None, present: bool) -> None:
        if not present:
            self.fail(name, "no such file", "a file of the manifest" if expected else "a file of every export")
        elif expected is None:
            self.fail(name, "a file that is not in the manifest", "files of the manifest only")
        else:
            try:
                found = self.case.archive.digest(name)
            except ArchiveError as error:
                self.fail_with(error)
                return
            if found != expected:
                self.fail(f"{name}: SHA-256", found, expected)
