"""`fedscore institution lookup roster|approve|findings`: with whom the score query is shared, and how that went.

    fedscore institution lookup roster --home HOME
    fedscore institution lookup approve 3f2a 77c1 ... --home HOME
    fedscore institution lookup findings --home HOME

The fingerprint is the same at the coordinator and at every member. Compare it with the other members over a channel
that is not the coordinator's: who they are and what keys they have is the coordinator's word until then. Epochs under
an approved roster need no new approval, any change of members, keys, customers or parameters does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup import canary_cli
from clients.institution.lookup.ceremony import check_ceremony
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.closed_epochs import ClosedEpoch, closed_epochs
from clients.institution.lookup.epoch_record import RELAY, EpochRecord
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.publishing import refresh
from clients.institution.lookup.roster_approval import RosterNotApproved, key_id
from federation.errors import ConfigurationError
from federation.inquiries.oversight_file import read_oversight
from federation.runtime.pki import key_fingerprint
from federation.runtime.sheet import Sheet
from protocols.lookup.proposal import roster_fingerprint
from protocols.printable import printable
from protocols.signing import VerifyingKey

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Whom the score query is shared with, and what was found.",
)
app.command("canaries")(canary_cli.canaries)
_NAME, _DETAIL = 64, 200


@app.command()
def roster(
    home: Home,
    oversight: Annotated[
        Path | None, typer.Option(help="oversight.json, from a holder: must be the key that is proposed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the roster that the coordinator proposes, whether it is approved, and what changed since the last one."""
    opened = InstitutionHome.open(home)
    proposal = _proposal(opened)
    facts = describe(LookupFolders(opened), proposal)
    if oversight is not None:
        facts["holders"] = holders(oversight, proposal)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _show(facts, Console())


@app.command()
def approve(
    fingerprint: Annotated[list[str], typer.Argument(help="All 64 digits, as the other members see them.")],
    home: Home,
    new_key: Annotated[bool, typer.Option("--new-key", help="Also another joint key under the same roster.")] = False,
) -> None:
    """Approve the roster that is proposed: from now on this institution takes part in its epochs."""
    opened = InstitutionHome.open(home)
    proposal = _proposal(opened)
    LookupFolders(opened).approval.approve(proposal, " ".join(fingerprint), time.time(), new_key=new_key)
    typer.echo(f"approved: {len(proposal['members'])} members, {roster_fingerprint(proposal)}")


@app.command()
def findings(home: Home, as_json: AsJson = False) -> None:
    """Show, for every epoch that closed here, what did not fit the log and how auditors judged failed answers."""
    closed = closed_epochs(LookupFolders(InstitutionHome.open(home)))
    if as_json:
        typer.echo(json.dumps([epoch.to_json() for epoch in closed], indent=2))
    else:
        _tell(closed, Console())


def describe(folders: LookupFolders, proposal: dict[str, Any]) -> dict[str, Any]:
    """What a person needs to know of a proposed roster, keys by their ids."""
    try:
        folders.approval.check(proposal)
        if proposal.get("new_keys"):
            check_ceremony(folders, proposal)
        changes: tuple[str, ...] | None = None
    except RosterNotApproved as reason:
        changes = reason.changes
    members = {
        name: {"key": key_id(member["key"]), "customers": member["customers"]}
        for name, member in sorted(proposal["members"].items())
    }
    keys = {name: key_id(proposal[name]) for name in ("coordinator_key", "log_key", "pool_key")}
    return {
        "fingerprint": roster_fingerprint(proposal),
        "approved": changes is None,
        "changes": list(changes or ()),
        "members": members,
        **keys,
        "oversight": proposal["oversight"],
        "authorities": {name: key_id(key) for name, key in sorted(proposal["authorities"].items())},
        "parameters": proposal["parameters"],
    }


def holders(document: Path, proposal: dict[str, Any]) -> dict[str, Any]:
    """Who holds the oversight key that is proposed, and by which keys they are known.

    Raises ConfigurationError for a document of another federation or another key, ProtocolError for one that does not
    hold.
    """
    log, coordinator = (VerifyingKey.from_hex(proposal[name]) for name in ("log_key", "coordinator_key"))
    key = read_oversight(document, log=log, coordinator=coordinator)
    if key.public.hex() != proposal["oversight"]:
        got, expected = f"{key.public.hex()[:16]}...", f"{proposal['oversight'][:16] or 'no key'}..., as proposed"
        raise ConfigurationError(f"{document}: oversight key", got=got, expected=expected)
    named = {holder.statement.name: key_fingerprint(holder.key) for holder in key.holders}
    return {"fingerprint": key.fingerprint, "keys": named}


def _proposal(home: InstitutionHome) -> dict[str, Any]:
    """The coordinator's signed proposal, with this institution's own key in it.

    Raises ConfigurationError if there is none, if this institution is not in it, or if it is another coordinator's.
    """
    with RelayClient(home) as relay:
        record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
        refresh(Part(home, relay, record, no_snapshot))
    if not record.has("propose", RELAY):
        raise ConfigurationError("roster", got="none proposed", expected="an epoch that the coordinator opened")
    proposal: dict[str, Any] = record.body("propose", RELAY)
    if proposal["coordinator_key"] != home.coordinator_key.hex:
        raise ConfigurationError("coordinator_key", got="another in the proposal", expected="the one pinned here")
    return proposal


def _tell(closed: Sequence[ClosedEpoch], console: Console) -> None:
    if not closed:
        console.print("No epoch has closed here.")
    for epoch in closed:
        summary = f"{len(epoch.findings)} findings, {len(epoch.verdicts)} verdicts"
        console.print(f"Epoch {epoch.counter}: {summary}", style="bold" if epoch.findings or epoch.verdicts else None)
        for one in epoch.findings:
            leaf = f", leaf {one['leaf'][:16]}" if one["leaf"] else ""
            told = printable(one["detail"], _DETAIL)
            console.print(f"  {one['kind']}: {printable(one['party'], _NAME)}{leaf}: {told}", markup=False)
        for verdict in epoch.verdicts:
            who, query = printable(verdict["auditor"], _NAME), verdict["query_hash"][:16]
            console.print(f"  verdict of {who}: {verdict['outcome']}, query {query}", markup=False)


def _show(facts: dict[str, Any], console: Console) -> None:
    sheet = Sheet("member", "key id", "customers", title=f"Roster {facts['fingerprint']}", right=("customers",))
    for name, member in facts["members"].items():
        sheet.add(escape(printable(name, _NAME)), member["key"], f"{member['customers']:,}")
    sheet.show(console)
    for name in ("coordinator_key", "log_key", "pool_key"):
        console.print(f"{name.replace('_', ' ')} id: {facts[name]}", markup=False)
    console.print(f"oversight: {facts['oversight'] or 'nobody'}", markup=False)
    for name, key in facts["authorities"].items():
        console.print(f"identity authority {printable(name, _NAME)}: key id {key}", markup=False)
    needed = "every question needs consent" if facts["authorities"] else "none: questions need NO consent"
    console.print(f"consent: {needed}", markup=False)
    for name, key in facts.get("holders", {"keys": {}})["keys"].items():
        console.print(f"  held by {name}, key {key}: compare it with theirs", markup=False)
    for name, value in sorted(facts["parameters"].items()):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        console.print(f"{name}: {'the defaults' if shown == '' else shown}", markup=False)
    console.print("Approved here." if facts["approved"] else "NOT approved here:", style="bold")
    for change in facts["changes"]:
        console.print(f"  {change}", markup=False)
