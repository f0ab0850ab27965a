"""A second look-up goes on where the first one ended: over the log's own HTTP, with both holders, against a log that
was rewritten in between."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inquiries_world import World, world_here
from typer.testing import CliRunner

from clients.subject.asking import Found
from clients.subject.bookmark import BOOKMARK_FILE, CONTRADICTION_FILE, Bookmark, LogContradicts
from clients.subject.cli import app
from clients.subject.inquiries import shown
from federation.errors import ConfigurationError
from federation.inquiries.session_store import SessionStore
from federation.runtime.log_reader import LogReader
from protocols.consent.tag_match import TagMatch
from protocols.errors import MessageError
from protocols.lookup.leaf import KIND
from protocols.transparency import Entry, open_checkpoint, read_entry
from server.log.hosting import serve_http
from server.log.log_host import LogHost
from server.log.log_store import LogStore


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log in which six banks' questions stand, two of them about Mary; both holders serve in this process."""
    with world_here(tmp_path_factory.mktemp("log")) as made:
        for number, person in enumerate(("Mary", "John", "Eve", "Mary", "John", "Eve")):
            made.inquire(person, f"bank-{'abc'[number % 3]}")
        bare = replace(made.leaf("Mary", "bank-a").leaf, tag=b"", tag_proof=b"").sign(made.banks["bank-a"])
        made.log.append(KIND, bare.encode())
        made.seal()
        yield made


class LookUp:
    """What one run of `fedscore subject inquiries` said, read and asked."""

    def __init__(self, at: World, person: str, *options: object, url: str = "") -> None:
        self.read: list[tuple[int, int]] = []
        out = at.folder / f"found-{len(list(at.folder.glob('found-*')))}.json"
        words = ["inquiries", "--wallet", at.wallet(person).path, "--log", url or at.url, "--out", out, "--json"]
        given = at.home("ombudsman").path / "oversight.json"
        key = ["--oversight", given, "--fingerprint", at.oversight.fingerprint]
        before, entries = tags(at), LogReader.entries

        def recorded(reader: LogReader, start: int, end: int) -> Iterator[bytes]:
            self.read.append((start, end))
            return entries(reader, start, end)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LogReader, "entries", recorded)
            done = CliRunner().invoke(app, [str(word) for word in (*words, *key, *options)])
        self.error, self.asked = done.exception, tags(at) - before
        self.told: dict[str, Any] = {} if done.exit_code else json.loads(done.stdout)

    @property
    def places(self) -> list[int]:
        return [each["index"] for each in self.told["inquiries"]]


def tags(at: World) -> int:
    """What the ombudsman was asked about so far."""
    home = at.home("ombudsman")
    with closing(SessionStore.open(home.database_url, home.settings.daily_tags)) as sessions:
        return sessions.today(int(time.time()))[1]


def forget(at: World, person: str) -> None:
    """As if her wallet had never looked."""
    (at.wallet(person).path / BOOKMARK_FILE).unlink(missing_ok=True)


def test_a_second_look_up_reads_and_asks_only_about_what_is_new(at: World) -> None:
    forget(at, "Mary")
    first = LookUp(at, "Mary")
    size = first.told["size"]
    assert (first.read, first.asked, len(first.places)) == ([(0, size)], first.told["asked"], 2)
    again = LookUp(at, "Mary")
    assert (again.read, again.asked) == ([(size, size)], 0)
    assert again.told == first.told

    # What came since, in an epoch that was logged before: the statements were kept, not only where they stood.
    at.inquire("Mary", "bank-c")
    at.inquire("John", "bank-b")
    at.seal()
    more = LookUp(at, "Mary")
    assert (more.read, more.asked) == ([(size, size + 2)], 2)
    assert more.places == [*first.places, size]
    assert {each["epoch"] for each in more.told["inquiries"]} == {1}
    forget(at, "Mary")
    anew = LookUp(at, "Mary")
    assert anew.read == [(0, size + 2)]
    assert anew.told == more.told
    assert anew.told["not_asked"] == ["1 requests without a tag: bank-a (1)"]


def test_a_look_up_of_a_range_reads_all_of_it_and_moves_no_bookmark(at: World) -> None:
    forget(at, "John")
    LookUp(at, "John", "--epoch", 1)
    assert not (at.wallet("John").path / BOOKMARK_FILE).exists()
    LookUp(at, "John")
    kept = (at.wallet("John").path / BOOKMARK_FILE).read_bytes()
    ranged = LookUp(at, "John", "--epoch", 1)
    assert ranged.read == [(0, ranged.told["size"])]
    assert (at.wallet("John").path / BOOKMARK_FILE).read_bytes() == kept


def test_the_bookmark_is_for_her_eyes_and_does_not_say_who_she_is(at: World) -> None:
    LookUp(at, "Mary")
    file = at.wallet("Mary").path / BOOKMARK_FILE
    assert file.stat().st_mode & 0o077 == 0
    identifier = at.wallet("Mary").subject.identifier
    assert not any(form in file.read_bytes() for form in (b"Mary", identifier, identifier.hex().encode()))


@contextmanager
def another_log(at: World, entries: list[Entry]) -> Iterator[World]:
    """What the coordinator could show her under the log's own key, cosigned by witnesses that all lie with it."""
    name = f"other-{len(list(at.folder.glob('other-*.db')))}"
    with closing(LogStore.open(f"sqlite:///{at.folder / name}.db", at.log_signer, time.time)) as store:
        store.extend(entries)
        host = LogHost(store, at.log_key, at.coordinator.public)
        with serve_http(host, "127.0.0.1", 0, tls=None) as port:
            made = replace(at, log=store, host=host, url=f"http://127.0.0.1:{port}")
            made.seal()
            yield made


def logged(at: World) -> list[Entry]:
    with LogReader(at.url) as reader:
        return [read_entry(data) for data in reader.entries(0, at.log.size())]


def test_a_log_that_was_rewritten_is_refused_by_name_and_both_notes_are_kept(at: World) -> None:
    """Mary's first inquirer would be gone: her leaf is another one, and the log has grown."""
    forget(at, "Mary")
    before = LookUp(at, "Mary")
    kept = (at.wallet("Mary").path / BOOKMARK_FILE).read_bytes()
    entries = logged(at)
    entries[before.places[0]] = Entry(KIND, at.leaf("Nobody", "bank-a").encode())
    with another_log(at, [*entries, Entry(KIND, at.leaf("John", "bank-b").encode())]) as other:
        refused = LookUp(at, "Mary", url=other.url).error
        assert isinstance(refused, LogContradicts)
        assert refused.code == "log_forked"
        assert (at.wallet("Mary").path / BOOKMARK_FILE).read_bytes() == kept
        said = json.loads((at.wallet("Mary").path / CONTRADICTION_FILE).read_bytes())
        sizes = [open_checkpoint(said[name].encode(), at.log_key).size for name in ("one", "other")]
        assert sizes == [before.told["size"], other.log.size()]
        # Without what she keeps nobody could tell: the inquiry is gone.
        forget(at, "Mary")
        assert LookUp(at, "Mary", url=other.url).places == before.places[1:]
    forget(at, "Mary")


def test_also_where_it_has_not_grown_and_where_the_proof_is_passed_over(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(at, "Mary")
    before = LookUp(at, "Mary")
    entries = logged(at)
    entries[before.places[0]] = Entry(KIND, at.leaf("Nobody", "bank-a").encode())
    with another_log(at, entries) as other:
        refused = LookUp(at, "Mary", url=other.url).error
        assert isinstance(refused, LogContradicts)
        assert refused.code == "log_forked"
    with another_log(at, [*entries, Entry(KIND, at.leaf("Eve", "bank-c").encode())]) as other:
        monkeypatch.setattr(Bookmark, "check_continued", lambda *_: None)
        refused = LookUp(at, "Mary", url=other.url).error  # its new entries do not lead to its root from hers
        assert isinstance(refused, MessageError)


def test_an_older_log_is_refused_by_name(at: World) -> None:
    LookUp(at, "Mary")
    with another_log(at, logged(at)[:-2]) as other:
        refused = LookUp(at, "Mary", url=other.url).error
    assert isinstance(refused, LogContradicts)
    assert refused.code == "log_went_back"


def test_under_another_oversight_key_everything_is_asked_about_anew(at: World) -> None:
    LookUp(at, "Mary")
    folder = at.wallet("Mary").path
    assert Bookmark.read(folder, at.oversight) is not None
    file = folder / BOOKMARK_FILE
    file.write_text(file.read_text().replace(at.oversight.fingerprint, "00" * 32))
    assert Bookmark.read(folder, at.oversight) is None
    assert LookUp(at, "Mary").read[0][0] == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said | {"version": 2},
        lambda said: said | {"nodes": said["nodes"][::-1]},
        lambda said: said | {"note": said["note"].replace("\n\n", "\n", 1)},
        lambda said: said | {"found": [{}]},
        lambda said: said | {"statements": [["x", "00"]]},
        lambda said: said | {"left_out": [["x"]]},
        lambda said: said | {"asked": -1},
        lambda said: {name: value for name, value in said.items() if name != "read_at"},
        lambda said: [said],
    ],
)
def test_a_spoilt_bookmark_is_named_and_nothing_is_read(at: World, spoil: Any) -> None:
    LookUp(at, "Mary")
    file = at.wallet("Mary").path / BOOKMARK_FILE
    whole = file.read_bytes()
    file.write_text(json.dumps(spoil(json.loads(whole))))
    try:
        looked = LookUp(at, "Mary")
    finally:
        file.write_bytes(whole)
    assert isinstance(looked.error, ConfigurationError)
    assert BOOKMARK_FILE in str(looked.error)
    assert looked.read == []


def test_a_bookmark_says_again_what_it_was_written_from(at: World, tmp_path: Path) -> None:
    read = at.read()
    match = TagMatch.decode(os.urandom(32 + 2 * 224))
    written = Bookmark.at(
        read.logged,
        read.note,
        at.oversight,
        [shown(read, Found(leaf, match)) for leaf in read.logged.leaves[:2]],
        7,
        1_900_000_000,
    )
    written.write(tmp_path)
    assert Bookmark.read(tmp_path, at.oversight) == written
