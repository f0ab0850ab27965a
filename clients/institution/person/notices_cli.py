"""`fedscore institution notices`: that a record this institution once asked about has changed.

fedscore institution notices --home HOME
fedscore institution notices --again questions.csv --home HOME      # for `fedscore institution query --batch`

Where questions need consent the file has a third column, `receipt`, and nothing in it: the receipt of the first
question has served, so the person is asked for another one.
"""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedBefore
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.gate import authorities_of
from clients.institution.lookup.questions import ASKED, RECEIPT
from clients.institution.person.inquiries import asked_store
from clients.institution.person.mailbox_client import MailboxClient
from clients.institution.person.notice_store import Notice, NoticeStore
from clients.institution.person.post import Post
from federation.runtime.private_files import write_private
from federation.runtime.sheet import Sheet

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, invoke_without_command=True, help="Notices of other members."
)
NEEDS_RECEIPT = (
    "To ask again needs a new receipt of each person, made by `fedscore subject receipt`: "
    "its file goes into the column receipt."
)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Meant:
    """A notice, the inquiry it is about, and whether that was asked again in an epoch that has the change.

    `needs_receipt`: to ask again, because it was not yet, a new receipt of the person is needed.
    """

    notice: Notice
    asked: AskedBefore
    again: bool
    needs_receipt: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "leaf": self.notice.leaf.hex(),
            "sender": self.notice.sender,
            "change": self.notice.change,
            "decided": (_EPOCH + timedelta(days=self.notice.decided)).isoformat(),
            "after_epoch": self.notice.after_epoch,
            "received": datetime.fromtimestamp(self.notice.received, UTC).date().isoformat(),
            "purpose": self.asked.purpose,
            "asked": datetime.fromtimestamp(self.asked.issued_at, UTC).date().isoformat(),
            "asked_again": self.again,
            "needs_receipt": self.needs_receipt,
        }


@app.callback()
def notices(
    home: Home,
    collect: Annotated[bool, typer.Option("--collect/--no-collect", help="Look into the mailbox first.")] = True,
    again: Annotated[
        Path | None,
        typer.Option(help="A new file with the questions to ask again, for query --batch. Keep it private."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List notices, and which inquiry of this institution each is about. Asking again is a question like any other."""
    opened = InstitutionHome.open(home)
    if collect:
        with MailboxClient(opened) as client:
            Post(opened, client).collect(time.time())
    found = meant(opened)
    if again is not None:
        write_private(again, questions_of(found).encode())
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in found]))
        return
    _show(found, Console())
    if again is not None:
        typer.echo(f"{again}: {len(_open(found))} questions")
    if any(each.needs_receipt for each in found):
        typer.echo(NEEDS_RECEIPT)


def meant(home: InstitutionHome) -> tuple[Meant, ...]:
    """All notices with the inquiries they are about; those whose inquiry was forgotten are left out."""
    store, counters = asked_store(home), {}
    if store is None:
        return ()
    folders, consent = LookupFolders(home), False
    if folders.exists:
        counters = {past.epoch_id: past.counter for past in folders.past()}
        consent = bool(authorities_of(folders.approval.approved))
    found = []
    for notice in NoticeStore.open(home).all():
        for asked in store.of_leaves([notice.leaf]):
            later = (each for each in store.about(asked.identifier) if each.issued_at >= notice.received)
            again = any(counters.get(each.epoch_id, 0) > notice.after_epoch for each in later)
            found.append(Meant(notice, asked, again, consent and not again))
    return tuple(found)


def questions_of(found: tuple[Meant, ...]) -> str:
    """CSV as `query --batch` reads it, each question once; where one is needed, `receipt` is to be filled in."""
    waiting, text = _open(found), io.StringIO()
    writer = csv.writer(text)
    empty = ("",) if any(each.needs_receipt for each in waiting) else ()
    writer.writerow((*ASKED, RECEIPT) if empty else ASKED)
    asked = dict.fromkeys((_subject(each.asked.identifier), each.asked.purpose) for each in waiting)
    writer.writerows((*question, *empty) for question in asked)
    return text.getvalue()


def _open(found: tuple[Meant, ...]) -> list[Meant]:
    return [each for each in found if not each.again]


def _subject(identifier: bytes) -> str:
    """The canonical text of an identifier as it was hashed: label, scheme, text."""
    return identifier.split(b"\x00", 2)[2].decode()


def _show(found: tuple[Meant, ...], console: Console) -> None:
    if not found:
        console.print("No notice.")
        return
    sheet = Sheet("inquiry", "record", "by", "after epoch", "again")
    for each in found:
        told = each.to_json()
        inquiry = f"{told['leaf'][:16]} of {told['asked']}, {told['purpose']}"
        again = "yes" if each.again else "no"
        sheet.add(*map(escape, (inquiry, told["change"], told["sender"])), str(told["after_epoch"]), again)
    sheet.show(console)
    console.print("A change counts after the epoch that is named. Again: whether it was asked again since.")
