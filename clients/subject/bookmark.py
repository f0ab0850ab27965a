"""How far a wallet has read the log, verified: the next look-up goes on from there.

    bookmark = Bookmark.read(wallet.path, key)              # None: nothing yet, or under another key
    bookmark.check_continued(note, log_key, reader)         # LogContradicts: not the log that was read before
    Bookmark(...).write(wallet.path)

What is kept is the tree's edge under a cosigned checkpoint, the statements by which entries are judged (who is a
member, which epoch is of which key), what was found, and how many requests were asked about. The answer about a request
does not change, so none is asked about twice. It is of all requests: a look-up of a range says nothing of the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.errors import ConfigurationError, FederationError
from federation.inquiries.log_leaves import LoggedLeaf, LoggedLeaves, Why
from federation.inquiries.showing import Evidence, Shown
from federation.runtime.log_reader import LogReader
from federation.runtime.private_files import read_private, write_public
from protocols.consent.holders import OversightKey
from protocols.errors import MessageError, ProofError, ProtocolError, StageError
from protocols.lookup.fields import from_hex, integer, take, text, version_one
from protocols.transparency import Frontier, VerifierKey, WitnessState, consistency_path, open_checkpoint, tile_nodes

BOOKMARK_FILE, CONTRADICTION_FILE = "log-bookmark.json", "log-contradiction.json"
_FIELDS = ("version", "key", "note", "nodes", "statements", "found", "asked", "left_out", "doubtful", "read_at")


class LogContradicts(FederationError):  # noqa: N818 (what it does)
    """The log shows another history than it did to this wallet: `code` is log_went_back or log_forked.

    notes: both checkpoints, which a regulator can compare.
    """

    def __init__(self, code: str, notes: tuple[bytes, bytes], *, got: object, expected: object) -> None:
        self.code, self.notes = code, notes
        super().__init__(f"log, {code}", got=got, expected=expected)

    def keep(self, folder: Path) -> None:
        """Leave both notes in `folder`."""
        one, other = self.notes
        said = {"version": 1, "code": self.code, "one": one.decode(), "other": other.decode()}
        write_public(folder / CONTRADICTION_FILE, json.dumps(said).encode(), mode=0o600)


@dataclass(frozen=True)
class Bookmark:
    """`key`: fingerprint of the oversight key; `note`: the cosigned checkpoint of `tree`; `read_at`: Unix time (s).

    statements: (place, entry) of those that say who is a member and what an epoch is; asked: requests asked about.
    """

    key: str
    note: bytes
    tree: Frontier
    statements: tuple[tuple[int, bytes], ...]
    found: tuple[Shown, ...]
    asked: int
    left_out: Mapping[Why, int]
    doubtful: Mapping[Why, int]
    read_at: int

    @classmethod
    def read(cls, folder: Path, key: OversightKey) -> Bookmark | None:
        """What `folder` keeps for `key`, if anything. Raises ConfigurationError for a file that is none."""
        file = folder / BOOKMARK_FILE
        if not file.exists():
            return None
        try:
            fields = take(json.loads(read_private(file)), "bookmark", _FIELDS)
            if fields["key"] != key.fingerprint:
                return None
            return cls._of(fields, VerifierKey.of(key.log))
        except (ProtocolError, ValueError, TypeError) as error:
            expected = "what a look-up left; without the file the next one reads the log from its beginning"
            raise ConfigurationError(str(file), got="another form", expected=expected) from error

    @classmethod
    def at(
        cls, logged: LoggedLeaves, note: bytes, key: OversightKey, found: Sequence[Shown], asked: int, now: int
    ) -> Bookmark:
        """After everything in `logged`, which is under `note`, was asked about."""
        statements, left_out, doubtful = tuple(logged.statements), dict(logged.left_out), dict(logged.doubtful)
        return cls(key.fingerprint, note, logged.tree, statements, tuple(found), asked, left_out, doubtful, now)

    def write(self, folder: Path) -> None:
        """In one step, for its owner's eyes alone."""
        write_public(folder / BOOKMARK_FILE, json.dumps(self._to_json()).encode(), mode=0o600)

    def resume(self, logged: LoggedLeaves) -> None:
        """`logged`, which has read nothing yet, goes on after `tree`."""
        logged.resume(self.tree, self.statements)
        logged.left_out.update(self.left_out)
        logged.doubtful.update(self.doubtful)

    def check_continued(self, note: bytes, log_key: VerifierKey, reader: LogReader) -> None:
        """That the log of `note` only appended to what was read, by a consistency proof from its tiles (RFC 9162).

        Raises LogContradicts; MessageError or SignatureError for a note that is not the log's, LogUnreachable.
        """
        seen, size, proof = WitnessState(self.tree.size, self.tree.root), open_checkpoint(note, log_key).size, []
        try:
            if size > seen.size:
                proof = consistency_path(tile_nodes(reader.tile, size), seen.size, size)
            seen.consider(note, proof, log_key)
        except (StageError, ProofError) as error:
            code = "log_went_back" if isinstance(error, StageError) else "log_forked"
            day = f"{datetime.fromtimestamp(self.read_at, UTC):%Y-%m-%d}"
            expected = f"the {seen.size} entries read here on {day}, and what came since: see {CONTRADICTION_FILE}"
            raise LogContradicts(code, (self.note, note), got=f"{size} others", expected=expected) from error

    @classmethod
    def _of(cls, fields: dict[str, Any], log_key: VerifierKey) -> Bookmark:
        version_one(fields["version"], "bookmark")
        note = text(fields["note"], "bookmark.note").encode()
        nodes = tuple(from_hex(node, "bookmark.nodes", 32) for node in fields["nodes"])
        checkpoint = open_checkpoint(note, log_key)
        tree = Frontier(checkpoint.size, nodes)
        if tree.root != checkpoint.root:
            raise MessageError("bookmark.nodes", got="another tree", expected="that of the note")
        return cls(
            key=text(fields["key"], "bookmark.key"),
            note=note,
            tree=tree,
            statements=tuple((integer(at, "bookmark.at"), bytes.fromhex(data)) for at, data in fields["statements"]),
            found=tuple(_shown(each) for each in fields["found"]),
            asked=integer(fields["asked"], "bookmark.asked"),
            left_out=_counted(fields["left_out"]),
            doubtful=_counted(fields["doubtful"]),
            read_at=integer(fields["read_at"], "bookmark.read_at"),
        )

    def _to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "key": self.key,
            "note": self.note.decode(),
            "nodes": [node.hex() for node in self.tree.nodes],
            "statements": [[at, data.hex()] for at, data in self.statements],
            "found": [_shown_to_json(each) for each in self.found],
            "asked": self.asked,
            "left_out": [[*why, count] for why, count in self.left_out.items()],
            "doubtful": [[*why, count] for why, count in self.doubtful.items()],
            "read_at": self.read_at,
        }


def _shown_to_json(shown: Shown) -> dict[str, Any]:
    leaf, evidence = shown
    return {"index": leaf.index, "epoch": leaf.epoch, "evidence": evidence.to_json()}


def _shown(value: Any) -> Shown:
    fields = take(value, "bookmark.found", ("index", "epoch", "evidence"))
    evidence = Evidence.from_json(fields["evidence"])
    index, epoch = (integer(fields[name], f"bookmark.{name}") for name in ("index", "epoch"))
    return Shown(LoggedLeaf.of(index, epoch, evidence.body), evidence)


def _counted(rows: Any) -> dict[Why, int]:
    return {
        Why(text(reason, "reason"), text(querier, "querier")): integer(count, "count")
        for reason, querier, count in rows
    }
