"""`fedscore subject inquiries`: who inquired about you, at any institution, found out without telling anybody.

    fedscore subject inquiries --oversight oversight.json --fingerprint "3f2a 77c1 ..." --log https://HOST:PORT
        --log-authority ca.crt --out inquirers.json

`oversight.json` comes from the ombudsman or the regulator, and so does its fingerprint, over another channel: compare
it once, the wallet keeps the file. Neither of the two learns the answer; each learns that you asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from clients.subject.asking import Asking, Found
from clients.subject.bookmark import Bookmark, LogContradicts
from clients.subject.inquiries import Span, inquirers, read_log, shown, uncertain
from clients.subject.wallet import Wallet
from federation.errors import ConfigurationError
from federation.inquiries.inquirers import UNKNOWN, Inquirer, Inquirers, SignedInquirers
from federation.inquiries.log_leaves import LoggedLeaf
from federation.runtime.log_reader import LogReader
from federation.runtime.outputs import must_be_new
from federation.runtime.pki import same_fingerprint
from federation.runtime.private_files import read_private, write_public
from federation.runtime.sheet import Sheet
from protocols.consent.holders import OversightKey
from protocols.printable import printable
from protocols.transparency import VerifierKey

OVERSIGHT_FILE = "oversight.json"
_STALE_S = 86_400
Home = Annotated[Path, typer.Option("--wallet", envvar="FEDSCORE_WALLET", help="The wallet's folder.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC).")]


def inquiries(
    home: Home,
    log: Annotated[str, typer.Option(help="The log's address: https://HOST:PORT.")],
    out: Annotated[Path, typer.Option(help="The inquirers file, for an institution that owes notices: a new file.")],
    oversight: Annotated[
        Path | None, typer.Option(help="oversight.json of the holders: the first time, or when it changed.")
    ] = None,
    fingerprint: Annotated[str, typer.Option(help="Its fingerprint, all 64 digits, from another channel.")] = "",
    log_authority: Annotated[
        Path | None, typer.Option(help="Certificate that the log's server is signed with.")
    ] = None,
    since: Day = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC).")] = None,
    epoch: Annotated[list[int] | None, typer.Option(help="Only requests of this epoch; repeat.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find out who inquired about you: every logged request is asked about, and every answer is proved."""
    must_be_new(out)
    wallet = Wallet.open(home)
    identity, key = wallet.stated, _key(wallet, oversight, fingerprint)
    span = Span(since and since.date(), until and until.date(), tuple(epoch or ()))
    console = Console(stderr=True)
    with Progress(console=console, disable=as_json, transient=True) as progress:
        reading = progress.add_task("reading the log")
        bookmark = Bookmark.read(wallet.path, key) if span.everything else None
        try:
            with LogReader(log, log_authority) as reader:
                progressed = lambda done, of: progress.update(reading, completed=done, total=of)  # noqa: E731
                read = read_log(reader, key, span, time.time(), progressed, bookmark=bookmark)
        except LogContradicts as error:
            error.keep(wallet.path)
            raise
        logged, cosigned, note = read
        asking = progress.add_task("asking both holders", total=len(logged.leaves))
        found = [shown(read, each) for each in _ask(Asking(wallet, key, time.time), logged.leaves, progress, asking)]
    asked = len(logged.leaves)
    if bookmark is not None:
        found, asked = [*bookmark.found, *found], bookmark.asked + asked
    if span.everything:
        Bookmark.at(logged, note, key, found, asked, int(time.time())).write(wallet.path)
    told = inquirers(wallet, key.shares, cosigned.checkpoint, span, found)
    left_out, doubtful = uncertain(logged.left_out), uncertain(logged.doubtful)
    SignedInquirers.sign(told, wallet.key, identity, wallet.subject.salt).write(out)
    seen_at = max(cosigned.times.values())
    if as_json:
        facts = {"asked": asked, "not_asked": left_out, "doubtful": doubtful, "seen_at": seen_at}
        typer.echo(json.dumps(told.told() | facts))
        return
    _show(told, asked, left_out, doubtful, Console())
    stale = " That is long ago: ask again, or elsewhere." if time.time() - seen_at > _STALE_S else ""
    typer.echo(f"The log is that of {_minute(seen_at)} UTC, as its witnesses signed.{stale}")


def _ask(asking: Asking, leaves: Sequence[LoggedLeaf], progress: Progress, task: TaskID) -> list[Found]:
    for done in asking.ask(leaves):
        progress.update(task, completed=done)
    return asking.found


def _key(wallet: Wallet, given: Path | None, fingerprint: str) -> OversightKey:
    """The key that the wallet keeps, or the one that is given, once its fingerprint was compared."""
    kept = wallet.path / OVERSIGHT_FILE
    if given is None:
        if not kept.exists():
            raise ConfigurationError("--oversight", got="none", expected="the holders' oversight.json, the first time")
        return OversightKey.decode(read_private(kept))
    try:
        key = OversightKey.decode(given.read_bytes())
    except OSError as error:
        raise ConfigurationError(str(given), got=error.strerror, expected="the holders' oversight.json") from error
    if kept.exists() and read_private(kept) == key.encode():
        return key
    if not same_fingerprint(fingerprint, key.fingerprint):
        got = fingerprint or f"none; this file's is {key.fingerprint}"
        raise ConfigurationError("--fingerprint", got=got, expected="that of the file, as its holders read it out")
    write_public(kept, key.encode(), mode=0o600)
    return key


def log_key(wallet: Wallet) -> VerifierKey | None:
    """The log's, as the file says that this wallet keeps; None before there is one."""
    kept = wallet.path / OVERSIGHT_FILE
    return VerifierKey.of(OversightKey.decode(read_private(kept)).log) if kept.exists() else None


def _show(told: Inquirers, asked: int, left_out: Sequence[str], doubtful: Sequence[str], console: Console) -> None:
    if told.inquiries:
        sheet = Sheet("when (UTC), request", "who", "purpose", "kind", "epoch", title="Who inquired about you")
        for each in told.inquiries:
            sheet.add(*map(escape, _row(each)))
        sheet.show(console)
    else:
        console.print("Nobody inquired about you.")
    console.print(f"{asked} requests were asked about ({told.range}), of a log of {told.size} entries.", markup=False)
    if any(each.inquiry == UNKNOWN for each in told.inquiries):
        console.print("Kind unknown: this wallet holds no receipt for it. If you gave none, nobody permitted it.")
    for line in left_out:
        console.print(f"Not asked about: {printable(line, 400)}", markup=False)
    for line in doubtful:
        console.print(f"In doubt: {printable(line, 400)}", markup=False)


def _row(each: Inquirer) -> tuple[str, ...]:
    who, purpose = printable(each.querier, 64), printable(each.purpose, 64)
    return f"{_minute(each.issued_at)}\n{each.leaf[:16]}", who, purpose, each.inquiry, str(each.epoch or "?")


def _minute(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
