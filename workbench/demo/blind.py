"""One blind score of the demonstration: a lender that is no member has an applicant, an institution has the model.

The owner serves as a process; the lender's commands are run by the demonstration. The applicant is one of the records
kept aside, which the owner has scored in plain, as nobody has in a deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from federation.catalogue import Catalogue
from federation.records import read_table
from federation.runtime.ports import free_ports, listens
from federation.runtime.private_files import private_directory
from federation.scorecard import Outcome
from federation.synthetic import write_table
from workbench.demo.calls import call
from workbench.demo.cast import Homes, command
from workbench.demo.inputs import Given
from workbench.demo.processes import DemoFailed, Processes

LENDER = "acme"
_HOST = "127.0.0.1"
_ROUNDED = 0.01  # points: both files have two decimals


@dataclass(frozen=True)
class Blind:
    """The applicant's score as the lender opened it and as the owner computes it in plain, within what bound they
    agree (points), and what the owner's `status` says in the end."""

    owner: str
    score: float
    band: str
    plain: float
    plus_minus: float
    status: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether the scores agree within the bound, and one answer was charged to this lender and no other."""
        answered = {each["name"]: each["answered"] for each in self.status["lenders"]}
        spent = answered == {LENDER: 1} and self.status["left"] == self.status["limits"]["lifetime"] - 1
        near = abs(self.score - self.plain) <= self.plus_minus + _ROUNDED
        return near and spent and bool(self.status["weights_protected"])


def score(
    processes: Processes, homes: Homes, owner: Given, catalogue: Catalogue, named: str, fingerprint: str
) -> Blind:
    """Have the owner's model asked about one applicant.

    `named` is how commands call the catalogue, `fingerprint` is of the owner's key. Raises DemoFailed.
    """
    home, lender, port = homes.institution(owner.name), homes.out / LENDER, free_ports()
    call(command("institution", "blind", "init", home=home, model=homes.run / "model.json", port=port))
    made = call([*command("lender", "init", home=lender, name=LENDER, catalogue=named), "--json"])
    folder = private_directory(homes.out / "blind")
    applied = {"application": made["application"], "fingerprint": made["fingerprint"], "address": f"{_HOST}:{port}"}
    invitation = folder / "invitation.json"
    call(command("institution", "blind", "allow", LENDER, home=home, out=invitation, **applied))
    serving = command("institution", "blind", "serve", home=home)
    processes.serve("blind", serving, ready=lambda: listens(_HOST, port))
    call(command("lender", "join", str(invitation), home=lender, fingerprint=fingerprint))
    call([*command("lender", "terms", home=lender), "--accept", "--json"])
    applicant, scored = folder / "applicant.csv", folder / "scored.parquet"
    plain = _applicant(homes, owner, str(catalogue.subject))
    write_table(plain.file, applicant)
    call([*command("lender", "score", str(applicant), home=lender, out=scored), "--json"])
    [opened] = pl.read_parquet(scored).iter_rows(named=True)
    status = call([*command("institution", "blind", "status", home=home), "--json"])
    return Blind(owner.name, opened["unclamped"], opened["band"], plain.score, opened["plus_minus"], status)


def summary(found: Blind) -> dict[str, Any]:
    """`blind` of `summary.json`. Scores before they are held to the scale, so that nothing hides a difference."""
    limits = found.status["limits"]
    return {
        "holds": found.holds,
        "owner": found.owner,
        "lender": LENDER,
        "score": found.score,
        "band": found.band,
        "plain": found.plain,
        "difference": round(abs(found.score - found.plain), 2),
        "plus_minus": round(found.plus_minus, 2),
        "answered": found.status["answered"],
        "left": found.status["left"],
        "lifetime": limits["lifetime"],
        "smallest_part": found.status["smallest_part"],
        "weights_protected": found.status["weights_protected"],
    }


@dataclass(frozen=True)
class _Applicant:
    """One row as a file has it, and the owner's plain score of it."""

    file: pl.DataFrame
    score: float


def _applicant(homes: Homes, owner: Given, subject: str) -> _Applicant:
    scored = pl.read_parquet(homes.scores(owner.name)).filter(pl.col("outcome") == Outcome.SCORED.label)
    if not scored.height:
        raise DemoFailed(str(homes.scores(owner.name)), got="no score", expected="a record that has one")
    first = scored.row(0, named=True)
    rows = read_table(owner.oracle).filter(pl.col(subject).cast(pl.String).str.strip_chars() == first["subject"])
    return _Applicant(rows.head(1), first["unclamped"])
