"""A draw on two seeds: the regulator's and the ombudsman's, whose papers go by file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oversight_world import BANKS, key_of
from spot_check_world import AUTHORITY, InquiryWorld, Person, inquiring
from typer.testing import CliRunner

from clients.institution.lookup.drawn import LoggedDraws
from clients.ombudsman.cli import app
from federation.errors import ConfigurationError
from federation.inquiries.second_seed import Said, SecondSeed, SeedPaper
from federation.runtime.private_files import private_directory
from protocols.canonical import parse_canonical
from protocols.consent.draw import Draw, joint_seed
from protocols.errors import StageError
from protocols.signing import SigningKey
from server.log import Which


@pytest.fixture
def world(tmp_path: Path) -> Iterator[InquiryWorld]:
    with inquiring(tmp_path, ombudsman=key_of("ombudsman").public.hex) as made:
        for bank in BANKS:
            made.ask(bank, Person(bank.encode()))
        made.turn()
        yield made


@pytest.fixture
def second(tmp_path: Path) -> SecondSeed:
    home = private_directory(tmp_path / "ombudsman")
    private_directory(home / "keys")
    return SecondSeed(home, key_of("ombudsman"), "november")


def handed(world: InquiryWorld, paper: SeedPaper) -> Path:
    file = world.folder / f"{paper.said}.paper"
    file.write_bytes(paper.encode())
    return file


def reveal(world: InquiryWorld, second: SecondSeed) -> SeedPaper:
    """As over HTTP: the whole log under its newest checkpoint with a quorum."""
    note = world.log.host.note(Which.COSIGNED)
    assert note is not None
    size = world.log.host.size_of(Which.COSIGNED)
    entries = [data for _, data in world.log.store.entries(0, size).entries]
    keys = {"log": key_of("log").public, "coordinator": key_of("coordinator").public}
    return second.reveal(entries, note, now=time.time(), **keys)


def drawn(world: InquiryWorld) -> Draw:
    return Draw.from_json(parse_canonical((world.regulator.inquiries / "november" / "draw.json").read_bytes()))


def committed(world: InquiryWorld, second: SecondSeed) -> dict[str, Any]:
    """Signed by both, in the log."""
    words = ("sample", "november", "--rate", 1.0, "--wait", 0)
    told = world.fsr(*words, "--ombudsman", handed(world, second.commitment()), code=3)
    assert told["sign"].endswith("november/draw.json")
    return world.fsr(*words, "--ombudsman", handed(world, second.sign(drawn(world))), code=3)


def test_it_takes_both_seeds_and_everybody_verifies_them(world: InquiryWorld, second: SecondSeed) -> None:
    refused = world.run("sample", "november", "--rate", 1.0, "--wait", 0)
    assert "no commitment" in str(refused.exception)
    waiting = committed(world, second)
    with pytest.raises(StageError):  # the log is not there yet
        reveal(world, second)
    world.grow(waiting["waits_for"] - world.log.store.size())
    world.turn()
    assert "ombudsman" in world.fsr("sample", "november", "--wait", 0, code=3)["why"]
    paper = reveal(world, second)
    told = world.fsr("sample", "november", "--ombudsman", handed(world, paper))
    assert sum(map(len, told["drawn"].values())) == 3
    world.turn()
    assert world.watcher.store.alerts() == []
    home = world.homes["bank-a"]
    lookup = home.settings.lookup.model_copy(update={"ombudsman": key_of("ombudsman").public.hex})
    demanding = type(home)(home.path, home.settings.model_copy(update={"lookup": lookup}), home.signing_key)
    (valid,) = LoggedDraws.read(world.draws("bank-a").log, demanding, time.time()).valid
    assert valid.coins == joint_seed(valid.signed.draw, valid.seeds.revealed)
    assert len(world.draws("bank-a").valid) == 1  # who knows no ombudsman takes the regulator's signature


def test_the_ombudsman_signs_one_draw_for_a_seed_and_no_draw_of_the_regulator_alone(
    world: InquiryWorld, second: SecondSeed
) -> None:
    committed(world, second)
    draw = drawn(world)
    assert second.sign(draw) == second.sign(draw)
    with pytest.raises(ConfigurationError, match="serves once"):
        second.sign(Draw(draw.seeds, draw.rate, draw.first, draw.size + 1))
    with pytest.raises(ConfigurationError, match="other seeds"):
        second.sign(Draw({"regulator": draw.seeds["regulator"]}, draw.rate, draw.first, draw.size))


def test_a_seed_for_a_draw_at_the_end_of_its_tree_is_not_revealed(world: InquiryWorld, second: SecondSeed) -> None:
    waiting = committed(world, second)
    world.grow(waiting["waits_for"] - world.log.store.size())
    world.turn()
    near = SecondSeed(second.home, second.key, "near")
    with pytest.raises(ConfigurationError, match="no draw that was signed"):
        reveal(world, near)
    draw = drawn(world)
    seeds = {**draw.seeds, "ombudsman": near.commitment().value}
    near.sign(Draw(seeds, draw.rate, 0, world.log.store.size() - 1))  # the log has it already: nothing was waited for
    with pytest.raises(StageError):
        reveal(world, near)


def test_papers_of_another_draw_or_that_contradict_are_refused(world: InquiryWorld, second: SecondSeed) -> None:
    committed(world, second)
    other = SeedPaper("december", Said.SEED, bytes(32))
    assert "a paper for december" in str(world.run("sample", "november", "--ombudsman", handed(world, other)).exception)
    twice = SeedPaper("november", Said.COMMITMENT, bytes(32))
    assert "another commitment" in str(world.run("sample", "november", "--ombudsman", handed(world, twice)).exception)


def test_the_ombudsmans_command_makes_every_paper_and_reads_the_log_itself(tmp_path: Path) -> None:
    home = tmp_path / "ombudsman"
    words = ["init", "--home", home, "--log-key", key_of("log").public.hex, "--coordinator-key"]
    said(*words, key_of("coordinator").public.hex, "--authority", f"e-id={AUTHORITY.public.hex}")
    key = SigningKey.from_pem((home / "keys" / "signing.pem").read_bytes()).public.hex
    with inquiring(tmp_path, ombudsman=key) as world:
        world.turn()
        paper = ("seed", "november", "--home", home, "--out", tmp_path / "paper")
        drawing = ("sample", "november", "--rate", 1.0, "--wait", 0, "--ombudsman", tmp_path / "paper")
        said(*paper)
        told = world.fsr(*drawing, code=3)
        said(*paper, "--draw", told["sign"])
        waiting = world.fsr(*drawing, code=3)
        log = ("--log", world.regulator.settings.log_url)
        assert "got the draw at entry" in str(CliRunner().invoke(app, list(map(str, (*paper, *log)))).exception)
        world.grow(waiting["waits_for"] - world.log.store.size())
        world.turn()
        said(*paper, *log)
        assert world.fsr(*drawing)["drawn"] == {}
        assert len(world.log.store.entries(0, 1000, "consent-seeds").entries) == 1


def said(*words: object) -> None:
    told = CliRunner().invoke(app, list(map(str, words)))
    assert told.exit_code == 0, (told.output, told.exception)
