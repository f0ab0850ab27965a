"""A person's inquirers file at an institution: what is shown, exported and told to others holds, or is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from inquiries_world import World, world_here
from person_world import new_home, people
from scores_world import COORDINATOR
from spot_check_world import HostedLog
from test_subject_cli import Bank
from wallets import PURPOSE

from clients.institution.home import InstitutionHome
from clients.institution.lookup.folders import LookupFolders
from clients.institution.person import inquiries
from federation.inquiries.inquirers import SignedInquirers
from federation.inquiries.showing import Shown
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint

COMMANDS = [("inquiries", "-"), ("export", "-", "--out", "all.json"), ("notify", "-", "--case", "ab")]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_here(tmp_path_factory.mktemp("log"), COORDINATOR) as made:
        yield made


def approve(home: InstitutionHome, at: World, **changes: object) -> None:
    """The roster of that federation, as a person at the institution does."""
    proposal = {
        "members": {name: {"key": key.public.hex, "customers": 100} for name, key in at.banks.items()},
        "parameters": Parameters(engine="mirror", purposes=(PURPOSE,)).to_json(),
        "coordinator_key": at.coordinator.public.hex,
        "log_key": at.log_key.key.hex,
        "pool_key": at.coordinator.public.hex,
        "oversight": at.oversight.public.hex(),
        "authorities": at.persons.authorities,
    }
    proposal |= changes
    LookupFolders(home).approval.approve(proposal, roster_fingerprint(proposal), time.time())


@pytest.fixture
def bank(tmp_path: Path, at: World, monkeypatch: pytest.MonkeyPatch) -> Bank:
    home = new_home(tmp_path)
    home.save_coordinator(home.coordinator().model_copy(update={"log_key": at.log_key.key.hex}))
    approve(home, at)
    monkeypatch.setattr(inquiries, "LogClient", lambda _: nullcontext(HostedLog(at.host)))
    monkeypatch.chdir(tmp_path)
    return Bank(home, tmp_path, people(home)[7])


@pytest.fixture
def hers(at: World, bank: Bank) -> list[Shown]:
    """An inquiry about her, as her wallet found it, beside one about somebody else."""
    at.inquire(bank.subject, "bank-b")
    at.inquire("somebody else", "bank-c")
    at.seal()
    return at.found(bank.subject)


def given(bank: Bank, file: SignedInquirers) -> Path:
    file.write(bank.folder / "inquirers.json")
    return bank.folder / "inquirers.json"


def test_what_her_wallet_found_is_shown_and_exported(at: World, bank: Bank, hers: list[Shown]) -> None:
    file = given(bank, at.file(bank.subject, hers))
    told = bank.told("inquiries", "-", "--inquirers", file)
    assert [(each["leaf"], each["querier"], each["purpose"]) for each in told] == [
        (each.leaf.hash.hex(), "bank-b", PURPOSE) for each in hers
    ]
    model = bank.folder / "model.json"
    done = bank.run("export", "-", "--out", "all.json", "--inquirers", file, "--model", model)
    assert done.exit_code == 0, done.output
    assert json.loads((bank.folder / "all.json").read_text())["inquiries_of_all"] == told


@pytest.mark.parametrize("words", COMMANDS)
def test_an_inquiry_about_somebody_else_is_told_to_nobody(
    at: World, bank: Bank, hers: list[Shown], words: tuple[str, ...]
) -> None:
    """She reads in the log that bank-c asked about whom she does not know, and has her bank write to it."""
    (other, *_) = at.found("somebody else")
    lie = Shown(other.leaf, replace(other.evidence, match=hers[0].evidence.match))
    file = given(bank, at.file(bank.subject, [*hers, lie]))
    done = bank.run(words[0], *words[1:], "--inquirers", file)
    assert done.exit_code == 1
    assert "step of ombudsman: got what does not hold" in str(done.exception)
    said = done.output + str(done.exception)
    assert not any(secret in said for secret in (bank.subject, other.leaf.hash.hex(), "bank-c"))


def test_unverified_it_is_told(at: World, bank: Bank, hers: list[Shown], monkeypatch: pytest.MonkeyPatch) -> None:
    (other, *_) = at.found("somebody else")
    file = given(bank, at.file(bank.subject, [*hers, other]))
    monkeypatch.setattr(SignedInquirers, "check", lambda self, *_: self.inquirers)
    assert "bank-c" in {each["querier"] for each in bank.told("inquiries", "-", "--inquirers", file)}


def test_whose_file_it_is_an_authority_of_the_approved_roster_says(
    at: World, bank: Bank, hers: list[Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    anothers = given(bank, at.file("somebody else", at.found("somebody else")))
    assert "unknown_key" in str(bank.run("inquiries", "-", "--inquirers", anothers).exception)
    approve(bank.home, at, authorities={})
    file = given(bank, at.file(bank.subject, hers))
    assert "unknown_key" in str(bank.run("inquiries", "-", "--inquirers", file).exception)


def test_without_the_oversight_key_of_a_roster_none_is_believed(at: World, bank: Bank, hers: list[Shown]) -> None:
    file = given(bank, at.file(bank.subject, hers))
    approve(bank.home, at, oversight="")
    assert "roster.oversight" in str(bank.run("inquiries", "-", "--inquirers", file).exception)
    approve(bank.home, at, oversight=at.oversight.shares["ombudsman"].hex())
    assert "holders" in str(bank.run("inquiries", "-", "--inquirers", file).exception)
