"""The whole of it: members ask with consent in an epoch under a shared oversight key, the person finds out who they
were, and persons who do not exist give the sums that were planted. Every party a process;
founding and publishing, which have tests of their own, by calls.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from founding import in_process
from holder_processes import fedscore, join, served
from lookup_deployment import PURPOSE, LookupDeployment
from wallets import Persons

from clients.regulator.canaries.planting import expected, plant
from federation.catalogue import load_catalogue
from federation.inquiries.holder_home import HolderHome
from federation.lookup.canaries import CanaryAnswers, compare
from federation.lookup.identifiers import scheme
from federation.lookup.settings import ScoringSettings
from federation.models import PublishedModel
from protocols.consent.holders import OversightKey

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@dataclass
class Scene:
    world: LookupDeployment
    folder: Path
    persons: Persons
    oversight: OversightKey
    canaries: list[str]
    holders: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def document(self) -> Path:
        return self.folder / "ombudsman" / "oversight.json"

    def log(self) -> tuple[object, ...]:
        settings = self.world.coordinator.settings
        authority = self.folder / "ca.crt"
        authority.write_bytes(self.world.coordinator.authority_pem)
        return ("--log", f"https://{settings.host}:{settings.log}", "--log-authority", authority)

    def institution(self, name: str, *words: object) -> Any:
        process = self.world.start(name, *words)
        out, err = self.world.wait(process, 90)
        assert process.returncode == 0, f"{out.decode()} {err.decode()}"
        return out.decode()

    def receipt(self, subject: str, querier: str) -> Path:
        consent = self.persons.consent(subject, querier)
        file = self.folder / f"{consent.serial}.json"
        file.write_bytes(consent.encode())
        return file


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("whole")
    world = LookupDeployment.create(folder / "world", persons=150, found=in_process)
    persons = Persons.under(folder / "persons")
    log, coordinator = world.coordinator.log_key.public.key.hex, world.coordinator.signing_key.public.hex
    keys = ("--log-key", log, "--coordinator-key", coordinator)
    fedscore("regulator", "init", "--home", folder / "regulator", "--log", "https://127.0.0.1:1", *keys)
    made = Scene(world, folder, persons, join(folder, persons, log, coordinator), planted(world, folder))
    with world:
        for name, role in (("ombudsman", ["ombudsman"]), ("regulator", ["regulator", "holder"])):
            home = HolderHome.open(folder / name / "holder" if name == "regulator" else folder / name)
            command = [sys.executable, "-m", "federation.cli", *role, "serve", "--home", str(folder / name)]
            made.holders.append(served(command, home.settings.port, folder / f"{name}.log"))
        try:
            world.open_epoch("mirror", authorities=persons.authorities, oversight=made.oversight.public.hex())
            world.take_part()
            yield made
        finally:
            for process in made.holders:
                process.terminate()
                process.wait(60)


def planted(world: LookupDeployment, folder: Path) -> list[str]:
    """Nobody's records, entered in the members' own files like customers."""
    given = {each.name: each.records for each in world.inputs.institutions}
    rows = pl.read_csv(next(iter(given.values())), infer_schema=False).head(6)
    names = [f"person-of-nobody-{number}" for number in range(6)]
    rows.with_columns(pl.Series("person_id", names)).write_csv(folder / "rows.csv")
    plant(folder / "rows.csv", sorted(given), each=2, folder=folder / "set", shuffle=Random(4).shuffle, now=0)
    for name, file in given.items():
        table = pl.read_csv(file, infer_schema=False)
        some = pl.read_csv(folder / "set" / f"{name}.csv", infer_schema=False)
        file.write_bytes(gzip.compress(pl.concat([table, some], how="diagonal").write_csv().encode()))
    return names


def test_members_see_who_holds_the_key_before_they_approve(scene: Scene) -> None:
    told = json.loads(scene.institution("aurora", "lookup", "roster", "--oversight", scene.document, "--json"))
    assert told["oversight"] == scene.oversight.public.hex()
    assert told["holders"]["fingerprint"] == scene.oversight.fingerprint
    assert sorted(told["holders"]["keys"]) == ["ombudsman", "regulator"]


def test_she_finds_every_institution_that_asked_about_her_and_no_other(scene: Scene) -> None:
    subject = scene.world.subjects("aurora")[0]
    askers = sorted(scene.world.institutions)[:2]
    leaves = []
    for name in askers:
        receipt = scene.receipt(subject, name)
        words = ("query", subject, "--purpose", PURPOSE, "--receipt", receipt, "--json")
        leaves.append(json.loads(scene.institution(name, *words))["leaf"])
    stranger = scene.world.subjects("aurora")[1]
    words = ("query", stranger, "--purpose", PURPOSE, "--receipt", scene.receipt(stranger, "aurora"), "--json")
    scene.institution("aurora", *words)

    def look_up() -> dict[str, Any]:
        out = scene.folder / f"inquirers-{len(list(scene.folder.glob('inquirers-*')))}.json"
        wallet = ("--wallet", scene.persons.wallet(subject).path, "--out", out, "--json")
        key = ("--oversight", scene.document, "--fingerprint", scene.oversight.fingerprint)
        return dict(json.loads(fedscore("subject", "inquiries", *wallet, *key, *scene.log()).stdout))

    told: dict[str, Any] = {"inquiries": []}

    def found() -> bool:
        nonlocal told
        told = look_up()
        return len(told["inquiries"]) == 2

    scene.world.until(found, 150, "a checkpoint that covers both")  # witnesses cosign within seconds
    assert sorted(each["leaf"] for each in told["inquiries"]) == sorted(leaves)
    assert sorted(each["querier"] for each in told["inquiries"]) == askers
    assert {(each["inquiry"], each["purpose"], each["epoch"]) for each in told["inquiries"]} == {("hard", PURPOSE, 1)}
    assert told["asked"] >= 3
    assert told["not_asked"] == []


def test_persons_who_do_not_exist_give_the_sums_that_were_planted(scene: Scene) -> None:
    questions, out = scene.folder / "questions.csv", scene.folder / "answers.json"
    with questions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "purpose", "receipt"))
        for subject in scene.canaries:
            writer.writerow((subject, PURPOSE, scene.receipt(subject, "aurora").name))
    scene.institution("aurora", "lookup", "canaries", questions, "--out", out)
    answers = CanaryAnswers.verify(out.read_bytes(), scene.world.institutions["aurora"].signing_key.public)
    model = PublishedModel.read(scene.world.model.read_bytes())
    known = expected(scene.folder / "set", model, load_catalogue("synthetic"), ScoringSettings(), scheme("opaque"))
    found = compare(known, answers.answers)
    assert not found.deviating
    assert not found.unanswered
    assert set(found.cleared) == set(scene.world.institutions)
