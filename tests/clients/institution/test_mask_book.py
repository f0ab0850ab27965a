"""A state of masks that was restored from a copy, or is gone: what it forgot nobody can be made to say again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from masked_world import QUARTET, masked_plan
from rounds_world import key_of

from clients.institution import masking as module
from clients.institution.mask_book import MaskBook
from clients.institution.masking import MaskFiles, Masking
from federation.rounds.masking import masks_of
from protocols.errors import StageError
from protocols.secagg import Collector, Member
from protocols.secagg.secrets import Kind
from protocols.secagg.unmasking import Unmasking

ME = "bank-a"
MODEL = b"\x01" * 32


class Home:
    """Masks of a member of four, of whom one may drop, and what the coordinator has to ask with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plan = folder, masked_plan(QUARTET, droppers=1)
        self.file = folder / "masks" / self.plan.run_id
        secagg = masks_of(self.plan)
        self.collector, others = Collector(secagg), {}
        for name in QUARTET[1:]:
            others[name], advert = Member.start(secagg, name, key_of(name), os.urandom)
            self.collector.advert(name, advert)
        self.collector.advert(ME, self.open().advert(self.plan))
        self.collector.shares(ME, self.open().share(self.plan, self.collector.adverts))
        for name, other in others.items():
            self.collector.shares(name, other.share(self.collector.adverts)[1])

    def open(self) -> Masking:
        """As a new process does."""
        book = MaskBook.open(f"sqlite:///{self.folder / 'institution.db'}")
        return Masking(ME, key_of(ME), MaskFiles(self.folder / "masks", book), os.urandom)

    def send(self) -> None:
        own = self.open()
        own.sent(self.plan, 1, own.mask(self.plan, 1, np.arange(8, dtype=np.uint64), MODEL))

    def list_of(self, *survivors: str) -> bytes:
        dealt = self.collector._dealt
        cells = {
            name: dealt[name].cell(ME, 1, Kind.SEED if name in survivors else Kind.MASK) for name in self.plan.by_name
        }
        return Unmasking(self.collector._opened().id, 1, survivors, cells).encode()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def two_lists(home: Home) -> None:
    """Answers one list, is restored, and is asked with another."""
    home.send()
    copy = home.file.read_bytes()
    home.open().reveal(home.plan, home.list_of(*QUARTET))
    home.file.write_bytes(copy)
    home.open().reveal(home.plan, home.list_of(*QUARTET[:3]))


def test_a_copy_answers_a_second_list_where_nothing_tells_its_age(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that opens: `test_lying_lists.py`, one member restored and a colluder."""
    monkeypatch.setattr(MaskBook, "check", lambda *_: None)
    two_lists(home)


def test_a_copy_is_refused(home: Home) -> None:
    with pytest.raises(StageError, match="secagg state: got a copy of another time"):
        two_lists(home)


def test_of_two_processes_in_one_home_the_second_knows_what_the_first_has_said(home: Home) -> None:
    home.send()
    first, second = home.open(), home.open()
    second.ready(home.plan)  # it has read the file before the first says anything
    first.reveal(home.plan, home.list_of(*QUARTET))
    with pytest.raises(StageError, match="second list"):
        second.reveal(home.plan, home.list_of(*QUARTET[:3]))


def test_masks_that_are_gone_are_not_made_anew(home: Home) -> None:
    home.file.unlink()
    with pytest.raises(StageError, match="secagg state: got none any more"):
        home.open().advert(home.plan)


def test_a_file_beside_another_database_is_refused(home: Home) -> None:
    (home.folder / "institution.db").unlink()
    with pytest.raises(StageError, match="secagg state: got a copy of another time"):
        home.open().ready(home.plan)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["announce", "replace_private", "settle"])
@pytest.mark.parametrize("after", [False, True])
def test_a_node_killed_at_any_step_goes_on_and_says_nothing_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    where = module if step == "replace_private" else MaskBook
    real = getattr(where, step)

    def dies(*given: object) -> None:
        if after:
            real(*given)
        raise Killed

    home.send()
    before = home.file.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(where, step, dies)
        with pytest.raises(Killed):
            home.open().reveal(home.plan, home.list_of(*QUARTET))
    written = home.file.read_bytes() != before
    if written:
        with pytest.raises(StageError, match="second list"):
            home.open().reveal(home.plan, home.list_of(*QUARTET[:3]))
    home.open().reveal(home.plan, home.list_of(*QUARTET))
    home.file.write_bytes(before)
    with pytest.raises(StageError, match="a copy of another time"):
        home.open().ready(home.plan)
