"""Spot checks over real processes, and a bank that bypasses its own node: it is answered, and found.

The bank's program speaks the protocol directly with the bank's keys. Members cannot tell: it gets its tickets. But
every one of them has its leaf in the log, counts against the quota, and is not covered by anything once it is drawn.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from lookup_deployment import LookupDeployment
from overseen_world import fedscore, overseen
from wallets import PURPOSE, Persons

from clients.institution.home import InstitutionHome
from clients.institution.lookup.opening_nightly import open_drawn
from clients.institution.lookup.querier import Querier
from clients.institution.lookup.questions import Question
from clients.regulator.home import RegulatorHome
from clients.regulator.inquiries import cli
from clients.regulator.inquiries.copied import quorate
from clients.regulator.mirror import MirrorStore
from federation.lookup.outcome import Unavailable
from federation.oversight.inquiries import SeedsStatement
from protocols.consent.opening import Opening
from protocols.consent.sealed import SealedOpening
from protocols.lookup.leaf import KIND, SignedLeaf
from protocols.lookup.ticket_querier import LeafOpening
from protocols.transparency import Statement, read_entry
from server.log import LogStore
from workbench.demo.processes import FEDSCORE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
QUOTA, ASKED, SHOWN = 12, 14, 6
LIAR, HONEST = "cassiopeia", ("aurora", "borealis")
HERE = Path(__file__).parent


@dataclass
class Scene:
    world: LookupDeployment
    regulator: RegulatorHome
    persons: Persons
    direct: dict[str, str]  # the tickets that the bypassing program got, by leaf hash
    openings: Path  # what it could show

    def ask(self, bank: str, count: int, since: int) -> None:
        """Honest questions, each with a consent document of the person's wallet."""
        home = self.world.institutions[bank]
        questions = []
        for number in range(since, since + count):
            person = f"person-{bank}-{number}"
            questions.append(Question(person, PURPOSE, self.persons.consent(person, bank).encode()))
        with Querier.open(home) as querier:
            answers = list(querier.ask_many(questions))
        assert not any(isinstance(answer.outcome, Unavailable) for answer in answers), answers

    def logged(self, kind: str) -> list[tuple[int, bytes]]:
        log = LogStore.open(self.world.coordinator.database_url, self.world.coordinator.log_key, time.time)
        try:
            return list(log.entries(0, 10_000, kind).entries)
        finally:
            log.close()

    def by(self, bank: str) -> dict[str, int]:
        """{leaf hash: place} of a bank's inquiries in the log."""
        leaves = ((at, SignedLeaf.decode(read_entry(data).body)) for at, data in self.logged(KIND))
        return {leaf.hash.hex(): at for at, leaf in leaves if leaf.leaf.querier == bank}

    def commanded(self, *words: object, code: int = 0) -> dict[str, Any]:
        return dict(json.loads(fedscore("regulator", *words, "--json", home=self.regulator.path, code=code)))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    persons = Persons.under(tmp_path_factory.mktemp("persons"))
    with overseen(tmp_path_factory.mktemp("overseen"), persons=100) as (world, regulator):
        world.open_epoch("mirror", authorities=persons.authorities, daily_tickets=QUOTA)
        world.take_part()
        settings = world.institutions[HONEST[0]].path / "institution.toml"
        key = regulator.signing_key.public.hex  # as it read it out
        settings.write_text(f'{settings.read_text()}\n[lookup]\nregulator = "{key}"\n')
        openings = tmp_path_factory.mktemp("openings")
        words = [sys.executable, str(HERE / "direct_querier.py"), str(world.institutions[LIAR].path), str(openings)]
        done = subprocess.run([*words, str(ASKED)], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        told = dict(line.split() for line in done.stdout.splitlines())
        direct = {leaf: got for leaf, got in told.items() if got == "ticket"}
        assert list(told.values()).count("quota") == ASKED - len(direct)
        yield Scene(world, regulator, persons, direct, openings)


@pytest.fixture(scope="module")
def sampled(scene: Scene) -> dict[str, Any]:
    """Everything is drawn. The command is killed while it waits for the log, and goes on."""
    for bank in HONEST:
        scene.ask(bank, 3, 0)
    words = ("sample", "november", "--rate", 1, "--first", 0, "--after", 17)
    line = [*FEDSCORE, "regulator", *map(str, words), "--json", "--home", str(scene.regulator.path)]
    waiting = subprocess.Popen(line, stdout=subprocess.DEVNULL, start_new_session=True)
    scene.world.until(lambda: len(scene.logged("consent-draw")) == 1, 150, "a draw in the log")
    os.killpg(waiting.pid, signal.SIGKILL)
    waiting.wait()
    assert scene.logged("consent-seeds") == []
    for bank in HONEST:
        scene.ask(bank, 9, 3)
    told = scene.commanded("sample", "november", "--wait", 60)
    assert len(scene.logged("consent-draw")) == len(scene.logged("consent-seeds")) == 1
    return told


def test_a_bank_that_bypasses_its_node_leaves_a_leaf_for_every_question_and_keeps_to_the_quota(scene: Scene) -> None:
    assert len(scene.direct) == QUOTA
    assert scene.direct.keys() == scene.by(LIAR).keys()


def test_the_same_draw_again_gives_the_same_sample(scene: Scene, sampled: dict[str, Any]) -> None:
    assert scene.commanded("sample", "november") == sampled
    assert {each["leaf"] for each in sampled["drawn"][LIAR]} == scene.direct.keys()


def test_the_node_hands_over_what_was_drawn_by_itself(scene: Scene, sampled: dict[str, Any]) -> None:
    """What its nightly thread does; the receipts are those of the regulator's watch, another process."""
    home = InstitutionHome.open(scene.world.institutions[HONEST[0]].path)
    scene.world.until(lambda: open_drawn(home, time.time()), 120, "the regulator's receipts")
    receipts = list((home.path / "lookup" / "openings").glob("*.receipt"))
    assert len(receipts) == len(sampled["drawn"][HONEST[0]]) > 0


def test_a_revocation_is_acknowledged_in_the_log_and_the_regulator_finds_it_there(scene: Scene, tmp_path: Path) -> None:
    bank, person = HONEST[0], "person-who-revokes"
    consent, wallet = scene.persons.consent(person, bank), scene.persons.wallet(person)
    revocation, document, complaint = (tmp_path / f"{name}.json" for name in ("revocation", "a", "complaint"))
    revocation.write_bytes(wallet.revoke(consent.serial).encode())
    home = scene.world.institutions[bank].path
    told = json.loads(fedscore("institution", "consent", "revoke", revocation, "--out", document, "--json", home=home))
    assert (told["served"], told["acknowledgement"]) == (False, str(document))
    shown = wallet.acknowledge(document.read_bytes(), time.time(), scene.world.coordinator.log_key.public)
    complaint.write_bytes(wallet.complaint(consent.serial).encode())
    store = MirrorStore.open(scene.regulator.database_url)
    size = shown.promise.index + 1
    scene.world.until(lambda: quorate(scene.regulator.policy, store)[0] >= size, 150, "a checkpoint with it")
    store.close()
    assert scene.commanded("complaint", complaint) == {
        "serial": consent.serial,
        "institution": bank,
        "acknowledged": shown.promise.index,
        "served": False,
    }


def test_what_it_shows_is_named_what_it_does_not_show_too_and_nobody_else(
    scene: Scene,
    sampled: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files: list[Path] = []
    for bank, words in zip(HONEST, (("--deliver", "--wait", 120), ("--out", tmp_path / "files")), strict=True):
        home = scene.world.institutions[bank].path
        told = json.loads(fedscore("institution", "open", "--drawn", *words, "--json", home=home))
        assert {each["leaf"] for each in told["inquiries"]} == {each["leaf"] for each in sampled["drawn"][bank]}
        assert not any(each["why"] for each in told["inquiries"])
        files += [Path(each["file"]) for each in told["inquiries"] if each["file"]]
        assert all(each["delivered"] is (True if bank == HONEST[0] else None) for each in told["inquiries"])
    assert all(
        SealedOpening.decode(file.read_bytes()).querier == HONEST[1] for file in files
    )  # the others were carried
    # The product has nothing of what the other program asked; its staff shows the first by hand.
    home = scene.world.institutions[LIAR].path
    told = json.loads(fedscore("institution", "open", "--drawn", "--json", home=home, code=1))
    assert all("a request of this institution" in each["why"] for each in told["inquiries"])
    shown = sorted(scene.direct)[:SHOWN]
    files += [shown_by_hand(scene, leaf, tmp_path) for leaf in shown]
    found = scene.commanded("check", *files, code=1)
    by_bank = {each["querier"]: each for each in found["queriers"]}
    assert {each["leaf"]: each["rule"] for each in by_bank[LIAR]["broken"]} == dict.fromkeys(shown, "unknown_key")
    assert len(by_bank[LIAR]["waiting"]) == QUOTA - SHOWN
    for bank in HONEST:
        assert (by_bank[bank]["broken"], by_bank[bank]["waiting"]) == ([], [])
        assert by_bank[bank]["hard"] == len(sampled["drawn"][bank]) > 0
        assert by_bank[bank]["logged"]
    # When the deadline is over, silence is a breach.
    monkeypatch.setattr(cli.time, "time", lambda: sampled["deadline"] + 1.0)
    monkeypatch.setattr(cli, "_collect", lambda *_: "")  # at another time than the coordinator's; it was emptied above
    with pytest.raises(typer.Exit):
        cli.check_openings(scene.regulator.path, (), "november", (), keep=True, as_json=True)
    over = {each["querier"]: each for each in json.loads(capsys.readouterr().out)["queriers"]}
    rules = [each["rule"] for each in over[LIAR]["broken"]]
    assert (rules.count("unknown_key"), rules.count("not_opened")) == (SHOWN, QUOTA - SHOWN)
    assert not any(over[bank]["broken"] for bank in HONEST)


def test_one_inquiry_is_opened_by_its_qid_and_none_that_was_not_drawn(scene: Scene, sampled: dict[str, Any]) -> None:
    bank = HONEST[1]  # who asked last: some of it behind the draw's size
    home = scene.world.institutions[bank].path
    leaves = {at: SignedLeaf.decode(read_entry(data).body) for at, data in scene.logged(KIND)}
    drawn = {each["index"] for each in sampled["drawn"][bank]}
    (first, *_), (other, *_) = (
        [leaf for at, leaf in leaves.items() if leaf.leaf.querier == bank and (at in drawn) is wanted]
        for wanted in (True, False)
    )
    told = json.loads(fedscore("institution", "open", first.leaf.qid.hex(), "--json", home=home))
    assert [each["leaf"] for each in told["inquiries"]] == [first.hash.hex()]
    fedscore("institution", "open", other.leaf.qid.hex(), home=home, code=1)


def test_the_trail_with_draw_seeds_and_verdicts_verifies(scene: Scene, sampled: dict[str, Any]) -> None:
    assert sampled
    last = max(at for at, _ in scene.logged("consent-verdict"))
    store = MirrorStore.open(scene.regulator.database_url)
    scene.world.until(lambda: quorate(scene.regulator.policy, store)[0] > last, 150, "a checkpoint with the verdicts")
    assert store.alerts() == []
    store.close()
    assert scene.commanded("check")["holds"]


def shown_by_hand(scene: Scene, leaf: str, folder: Path) -> Path:
    """A forged consent document, opened as the bank's own."""
    kept = {
        name: bytes.fromhex(value) for name, value in json.loads((scene.openings / f"{leaf}.json").read_text()).items()
    }
    ((_, data),) = scene.logged("consent-seeds")
    said = SeedsStatement.from_json(Statement.read(read_entry(data)).content)
    opening = Opening(
        bytes.fromhex(leaf), kept["identifier"], LeafOpening(kept["blind"], kept["nonce"], kept["receipt"])
    )
    answer = opening.sign(scene.world.institutions[LIAR].signing_key)
    sealed = SealedOpening.of(answer, draw=bytes.fromhex(said.draw), querier=LIAR, key=bytes.fromhex(said.key))
    file = folder / f"{leaf}.opening"
    file.write_bytes(sealed.encode())
    return file
