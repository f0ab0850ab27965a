"""The demonstration from first to last: files, processes, training, scores, judgement, report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.models import PublishedModel
from server.card import CARD, CARD_PAGE
from server.checkpoint_store import CheckpointStore
from workbench.demo import cast, inputs, lookup, masked, regulator
from workbench.demo.cast import Homes, Terms
from workbench.demo.epoch import ENGINES
from workbench.demo.oracle import judge
from workbench.demo.processes import DemoFailed, Processes
from workbench.demo.summary import Found, evidence, summarise
from workbench.report import render

MARK = ".fedscore-demo"  # a folder that has it was made by a demonstration and may be made anew

Progress = Callable[[str, int, int], None]  # (stage, steps done, steps in all)


@dataclass(frozen=True)
class Request:
    """What is to be shown. Without `data`, `persons` are drawn; with it, `catalogue` says what the file means."""

    out: Path = Path("out/demo")
    data: Path | None = None
    catalogue: str | None = None
    persons: int = 60_000
    seed: int = 7
    terms: Terms = field(default_factory=Terms)
    engine: str = "bfv"  # of the private queries

    def __post_init__(self) -> None:
        if self.data is not None and self.catalogue is None:
            raise ConfigurationError("--catalogue", got="none", expected="the catalogue of the data file")
        if self.data is None and self.catalogue not in (None, "synthetic"):
            raise ConfigurationError("--data", got="none", expected=f"a file for the catalogue {self.catalogue}")
        if self.engine not in ENGINES:
            raise ConfigurationError("--engine", got=self.engine, expected=" or ".join(ENGINES))


def demo(request: Request, *, progress: Progress = lambda stage, done, total: None) -> dict[str, Any]:
    """Play it; the document `summary.json`. Writes summary.json, evidence.json, card.json, card.html, report.html.

    Raises DemoFailed with the tail of the log at fault, and what the federation refuses (TooFewRecords, RecordsError,
    CatalogueError, ConfigurationError). Whatever happens, no process is left behind. Main thread only.
    """
    out = _fresh(request.out)
    clock = _Stages(progress)
    with clock.stage("files"):
        given = _inputs(request, out)
        catalogue = load_catalogue(given.catalogue)
    homes, reason = Homes(out), lookup.left_out(catalogue)
    with lookup.recorded(out) as (recordings, environment):
        with Processes(out / "logs", environment) as processes:
            with clock.stage("federation"):
                facts = cast.found(processes, homes, given, request.terms)
                regulator.found(processes, homes, facts, request.terms)
                cast.serve(processes, homes)
                regulator.watch(processes, homes)
            with clock.stage("enrolment"):
                cast.join(processes, homes, given, facts)
            with clock.stage("training") as step:
                trained = cast.train(processes, homes, given, request.terms, on_round=step)
            with clock.stage("scores"):
                cast.score(processes, homes, given)
                ledgers = cast.ledgers(processes, homes, given)
                again = cast.verify_model(processes, homes, given)
            if reason is None:
                asking = (request.engine, request.seed, clock.stage)
                queried = lookup.query(processes, homes, given, catalogue, facts, *asking)
            overseen = regulator.oversee(processes, homes, given, trained.facts["plan_hash"], clock.stage)
        with clock.stage("judgement"):
            model = _published(CheckpointStore(homes.run))
            scored = {item.name: homes.scores(item.name) for item in given.institutions}
            judgement = judge(given, catalogue, model, scored)
            card = _card(homes, model)
            sight = masked.look(homes, model.plan, catalogue)
            asked = queried(recordings) if reason is None else None
    found = Found(
        given,
        homes,
        model,
        card,
        judgement,
        trained,
        facts,
        ledgers,
        clock.seconds,
        asked,
        reason,
        overseen,
        sight,
        again,
    )
    with clock.stage("report"):
        return _write(out, found)


class _Stages:
    """Times every stage and tells whoever shows the progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[Callable[[int, int], None]]:
        started, last = time.perf_counter(), steps
        self._progress(name, 0, steps)

        def step(done: int, total: int) -> None:
            nonlocal last
            last = total
            self._progress(name, done, total)

        yield step
        self.seconds[name] = time.perf_counter() - started
        self._progress(name, last, last)


def _fresh(out: Path) -> Path:
    """An empty folder; what an earlier demonstration left is removed, anything else is not touched."""
    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise ConfigurationError(str(out), got="a folder with other things in it", expected="none, or a former demo's")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).write_text("Made by `fedscore demo`, which will make it anew.\n")
    return out


def _inputs(request: Request, out: Path) -> inputs.Inputs:
    if request.data is None or request.catalogue is None:
        return inputs.synthesise(out, request.persons, request.seed)
    return inputs.split_file(out, request.data, request.catalogue, request.seed)


def _published(store: CheckpointStore) -> PublishedModel:
    model = store.model()
    if model is None:
        raise DemoFailed(str(store.folder), got="no model.json", expected="a published model")
    model.verify()
    return model


def _card(homes: Homes, model: PublishedModel) -> dict[str, Any]:
    """The card that the coordinator wrote when training ended: quality from the charged release alone."""
    card: dict[str, Any] = json.loads((homes.run / CARD).read_bytes())
    if card["model"]["model_hash"] != model.hash:
        raise DemoFailed(str(homes.run / CARD), got=card["model"]["model_hash"], expected=model.hash)
    return card


def _write(out: Path, found: Found) -> dict[str, Any]:
    """All documents and both pages; the summary as it is on disk."""
    documents = {"summary.json": summarise(found), "evidence.json": evidence(found)}
    for name, document in documents.items():
        (out / name).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    for name in (CARD, CARD_PAGE):
        shutil.copyfile(found.homes.run / name, out / name)
    (out / "report.html").write_text(render(documents["summary.json"], documents["evidence.json"]))
    return documents["summary.json"]
