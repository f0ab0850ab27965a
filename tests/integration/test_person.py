"""A dispute from first to last over real processes: corrected record, new score, notices, log; and nobody is named."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from clocks import MovedClock, moved_clock
from founding import in_process
from holder_homes import holder_homes
from lookup_deployment import PURPOSE, LookupDeployment
from planted import PERSON, files_of, forms, plant, shown, traces
from typer import Typer
from typer.testing import CliRunner
from wallets import Persons

from clients.institution.home import InstitutionHome
from clients.institution.ledger_cli import app as ledger
from clients.institution.lookup.customers import read_customers
from clients.institution.lookup.folders import LookupFolders
from clients.institution.person.notices_cli import app as notices
from clients.institution.person.subject_cli import app
from clients.subject.cli import app as wallets
from federation.inquiries.holder_service import serving
from federation.lookup.identifiers import scheme
from federation.models import PublishedModel
from federation.observability.cli import AWAY, health_of
from federation.oversight.cases import Event, check_chain
from federation.scorecard import Scaling
from protocols.consent.holders import OversightKey
from protocols.signing import SigningKey
from protocols.transparency import open_checkpoint, read_entry
from protocols.transparency.merkle import verify_inclusion
from server.log import LogStore
from server.lookup.relay import context_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
CADENCE_S = 2400  # no machine is slow enough for the first epoch to end before the test has it end
CORRECTIONS = {"revolving_balance": "0", "payment_ratio_3m": "1", "age": "61", "monthly_income": "9000"}
STATEMENT = "I repaid that card in March"


class Dispute:
    """The world, its clock, who states her key, what commands said, and everything that was ever printed."""

    def __init__(
        self, world: LookupDeployment, clock: MovedClock, persons: Persons, oversight: OversightKey, folder: Path
    ) -> None:
        self.world, self.clock, self.persons, self.printed = world, clock, persons, b""
        self.oversight, self.folder = oversight, folder
        self.aurora = world.institutions["aurora"]
        self.model = PublishedModel.read(world.model.read_bytes())

    def quickly(self, *words: object, app: Typer = app, at: str = "aurora") -> Any:
        """A command without a process of its own."""
        home = ("--home", str(self.world.institutions[at].path), "--json")
        result = CliRunner().invoke(app, [*map(str, words), *home], input=PERSON)
        self.printed += result.stderr.encode()  # what a desk shows of her is for her
        assert result.exit_code == 0, result.exception
        return json.loads(result.stdout)

    def told(self, name: str, *words: object, fails: bool = False) -> Any:
        process = self.world.start(name, *words, "--json", stdin=PERSON.encode())
        out, err = self.world.wait(process, 150)
        self.printed += out + err
        assert (process.returncode != 0) is fails, (words, out.decode(), err.decode())
        return None if fails else json.loads(out)

    def shows(self) -> dict[str, Any]:
        return dict(self.quickly("show", "-", "--model", self.world.model))

    def asks(self, name: str) -> dict[str, Any]:
        """With a receipt that she gives for this one question."""
        told = self.world.asks(name, PERSON, receipt=self.persons.consent(PERSON, name).encode()).to_json()
        assert told["outcome"] == "scored", told
        return told

    def opens_an_epoch(self) -> None:
        terms = {"authorities": self.persons.authorities, "oversight": self.oversight.public.hex()}
        self.world.open_epoch("mirror", cadence_s=CADENCE_S, **terms)
        self.world.take_part()

    def looks_up(self, expected: int) -> Path:
        """Her wallet's file, once the log shows her so many inquiries."""
        (self.folder / "ca.crt").write_bytes(self.world.coordinator.authority_pem)
        (self.folder / "oversight.json").write_bytes(self.oversight.encode())
        settings, wallet = self.world.coordinator.settings, self.persons.wallet(PERSON)
        said = ("--log", f"https://{settings.host}:{settings.log}", "--log-authority", self.folder / "ca.crt")
        key = ("--oversight", self.folder / "oversight.json", "--fingerprint", self.oversight.fingerprint)
        files = (self.folder / f"inquirers-{number}.json" for number in count())
        file = next(files)

        def found() -> bool:
            nonlocal file
            file = next(files)
            words = ("inquiries", "--wallet", wallet.path, "--out", file, "--json", *said, *key)
            result = CliRunner().invoke(wallets, [*map(str, words)])
            self.printed += result.stderr.encode()
            assert result.exit_code == 0, result.exception
            return len(json.loads(result.stdout)["inquiries"]) == expected

        self.world.until(found, 150, "a checkpoint that covers them")
        return file

    def ends_the_epoch(self) -> None:
        """Its time is over; its secrets go, and only then is it closed."""
        record = self.world.record
        assert record is not None
        self.clock.move_to(context_of(record).signed.epoch.closes_at)
        self.world.until(lambda: self.world.phase == "closed", 150, "the end of the epoch")

    @contextmanager
    def node_starts_anew(self, name: str) -> Iterator[None]:
        """When the block has ended, it has, and asks the relay for tasks."""
        before, home = self.world.supervisor.pids()[name], self.world.institutions[name].path
        yield
        self.world.until(
            lambda: (
                self.world.supervisor.pids().get(name, before) != before
                and health_of(home).get("node", AWAY)["parts"].get("lookup") == "ok"
            ),
            150,
            f"the node of {name} has the records as they are now",
        )

    def published(self, home: InstitutionHome) -> bytes:
        """The snapshot of the newest epoch, as it lies there."""
        folders = LookupFolders(home)
        return folders.epoch_if_there(max(folders.epochs(), default=0)).read("snapshot.parquet") or b""


@pytest.fixture(scope="module")
def dispute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispute]:
    folder = tmp_path_factory.mktemp("person")
    with moved_clock(folder) as clock:
        deployment = LookupDeployment.create(folder, persons=150, found=in_process, clock=clock)
        plant(home.data for home in deployment.institutions.values())
        for name, home in deployment.institutions.items():
            with (home.path / "institution.toml").open("a") as file:
                file.write('\n[person]\njurisdiction = "us-fcra"\n')
            deployment.institutions[name] = InstitutionHome.open(home.path)
        persons, coordinator = Persons.under(folder / "persons", clock=clock), deployment.coordinator
        keys = {"log": coordinator.log_key.public.key.hex, "coordinator": coordinator.signing_key.public.hex}
        holders = holder_homes(folder, persons, **keys, signing=SigningKey.generate())
        with deployment, serving(holders["ombudsman"]), serving(holders["regulator"]):
            made = Dispute(deployment, clock, persons, holders["ombudsman"].oversight, folder)
            made.opens_an_epoch()
            yield made


def test_a_dispute_reaches_the_next_epoch_and_those_who_inquired(dispute: Dispute, tmp_path: Path) -> None:
    world = dispute.world
    # Two members ask about her in epoch 1, and a third one is her bank.
    asked = {name: dispute.asks(name) for name in ("borealis", "cassiopeia")}
    theirs = dispute.looks_up(expected=len(asked))
    first = dispute.shows()
    assert first["score"]["outcome"] == "scored"

    # She disputes, and is right.
    about = [word for name in CORRECTIONS for word in ("--about", name)]
    case = dispute.quickly("dispute", "-", *about, "--statement", STATEMENT)
    name = case["case"]
    values = [word for column, value in CORRECTIONS.items() for word in ("--set", f"{column}={value}")]
    snapshot, data = dispute.published(dispute.aurora), dispute.aurora.data.read_bytes()
    with dispute.node_starts_anew("aurora"):
        done = dispute.quickly("correct", "-", "--case", name, *values, "--why", "the ledger of March")
    assert world.phase == "open"
    assert dispute.published(dispute.aurora) == snapshot
    assert (done["result"], done["after_epoch"]) == ("corrected", 1)
    again = dispute.shows()
    assert again["score"]["score"] != first["score"]["score"]
    assert {i["column"]: i["value"] for i in again["record"]["items"] if i.get("corrected")} == CORRECTIONS

    # The open epoch stays as all members signed it.
    assert dispute.asks("borealis")["score"] == asked["borealis"]["score"]
    assert dispute.published(dispute.aurora) == snapshot
    assert dispute.aurora.data.read_bytes() == data

    # Those who inquired are told, and nobody else learns anything.
    sent = dispute.quickly("notify", "-", "--case", name, "--inquirers", theirs)
    assert {each["recipient"]: each["leaves"] for each in sent} == {who: [told["leaf"]] for who, told in asked.items()}
    for who, told in asked.items():
        (notice,) = dispute.quickly(app=notices, at=who)
        assert (notice["leaf"], notice["sender"], notice["change"]) == (told["leaf"], "aurora", "corrected")
        assert (notice["after_epoch"], notice["asked_again"]) == (1, False)
    assert dispute.quickly("delivery", name) == dict.fromkeys(asked, True)
    assert dispute.quickly("told", name)["state"] == "closed"

    # The next epoch has the corrected record: whoever asks again gets the new score.
    dispute.ends_the_epoch()
    dispute.opens_an_epoch()
    questions = tmp_path / "again.csv"
    (notice,) = dispute.quickly("--again", questions, app=notices, at="borealis")
    assert notice["needs_receipt"] is True  # the one of epoch 1 has served
    assert questions.read_text().splitlines() == ["subject,purpose,receipt", f"{PERSON},{PURPOSE},"]
    assert questions.stat().st_mode & 0o077 == 0
    batch = ("query", "--batch", questions, "--out", tmp_path / "answers.csv")
    (tmp_path / "receipt.json").write_bytes(dispute.persons.consent(PERSON, "borealis").encode())
    questions.write_text(questions.read_text().replace(f"{PURPOSE},", f"{PURPOSE},receipt.json"))
    assert dispute.told("borealis", *batch) == {"scored": 1}
    (told,) = csv.DictReader((tmp_path / "answers.csv").read_text().splitlines())
    assert told["score"] != str(asked["borealis"]["score"])
    assert told["inquiry"] == "hard"
    corrected = read_customers(dispute.aurora, dispute.model, Scaling()).of(scheme("opaque").normalise(PERSON))
    kept = LookupFolders(dispute.aurora)
    assert corrected is not None
    assert max(kept.epochs()) == 2
    assert dispute.published(dispute.aurora) != snapshot
    (notice,) = dispute.quickly(app=notices, at="borealis")
    assert (notice["asked_again"], notice["needs_receipt"]) == (True, False)


def test_ledger_and_log_verify_and_the_log_has_every_step(dispute: Dispute) -> None:
    log = LogStore.open(dispute.world.coordinator.database_url, dispute.world.coordinator.log_key, dispute.clock)

    def cases() -> list[bytes]:
        return [data for _, data in log.entries(0, 10_000, "case").entries]

    assert cases() == []  # they go there when their day is over everywhere
    dispute.clock.move_to(dispute.clock() + 3 * 86_400)
    dispute.world.until(lambda: len(cases()) == 4, 150, "the steps of a case in the log")
    entries = [read_entry(data) for data in cases()]
    steps = check_chain(entries, "aurora", dispute.aurora.signing_key.public)
    assert [step.event for step in steps] == [Event.OPENED, Event.CORRECTED, Event.NOTIFIED, Event.TOLD]
    assert len({step.case for step in steps}) == 1
    assert log.verify() > len(entries)
    signed = open_checkpoint(log.checkpoint(), log.key)
    for entry in entries:
        found = log.inclusion(entry.hash, signed.size)
        verify_inclusion(found.path, entry.hash, found.index, found.size, signed.root)
    log.close()
    told = dispute.quickly("--verify", app=ledger)
    assert told["verified"] is told["recomputed"] is True


def test_nobody_is_named_in_any_log_metric_error_or_at_the_coordinator(dispute: Dispute) -> None:
    world = dispute.world
    case = dispute.quickly("dispute", "-", "--statement", "once more")["case"]
    wrong = ("--set", "age=400", "--why", "x")
    dispute.told("aurora", "subject", "correct", "-", "--case", case, *wrong, fails=True)
    homes = [home.path for home in world.institutions.values()]
    searched = list(files_of(world.coordinator.path, homes))
    assert {file.name for file in searched} >= {"coordinator.db", "node.jsonl", "person.db"}
    assert traces(searched) == []
    said = shown([world.coordinator.path, *homes]) + dispute.printed
    assert b"fedscore_" in said
    assert not any(form in said for form in forms())
    assert STATEMENT.encode() not in b"".join(
        file.read_bytes() for file in world.coordinator.path.rglob("*") if file.is_file()
    )
    # The search finds what is there: in the institution's own file of questions, and in a log where it is written.
    assert traces(homes[1].glob("lookup.db*"))
    planted = world.coordinator.path / "logs" / "planted.log"
    for form in forms():
        planted.write_bytes(b"x" * 100 + form)
        assert traces(files_of(world.coordinator.path, homes)) == [planted]
    planted.unlink()
