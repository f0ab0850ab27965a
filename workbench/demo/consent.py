"""The demonstration's persons: an identity authority, a wallet and a receipt for each, and what is refused without one.

The authority's home is made by `fedscore identity init` and named by the operator in coordinator.toml, so that the
members approve it with the roster. Wallets are made by the code behind `fedscore subject`, without a process for each:
they would run on twenty persons' own machines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.identity.authority import IdentityHome
from clients.institution.lookup.query_cli import NO_CONSENT
from clients.subject.wallet import Wallet
from federation.catalogue import Catalogue
from federation.runtime.private_files import private_directory, write_private
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Scope
from protocols.consent.refusal import Rule
from server.home import SETTINGS_FILE
from workbench.demo.cast import Homes, command
from workbench.demo.processes import Processes

AUTHORITY, PURPOSE = "e-id", "credit-application"
_REFUSED = {"no receipt": Rule.MISSING, "a revoked receipt": Rule.REVOKED}
_DAY_S = 86_400


@dataclass
class Persons:
    """Whoever is asked about, by identifier."""

    folder: Path
    authority: IdentityHome
    scope: Scope
    _wallets: dict[str, Wallet] = field(default_factory=dict, repr=False)

    @classmethod
    def under(cls, processes: Processes, homes: Homes, catalogue: Catalogue, identifiers: str) -> Persons:
        """Make the authority, and enter it in the coordinator's settings. Raises DemoFailed."""
        folder = private_directory(homes.out / "persons")
        options = {"name": AUTHORITY, "identifiers": identifiers}
        told = processes.run([*command("identity", "init", home=folder / AUTHORITY, **options), "--json"])
        with (homes.coordinator / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
            settings.write(f"\n[authorities]\n{told['name']} = {json.dumps(told['key'])}\n")
        scope = Scope(catalogue.name, bytes.fromhex(catalogue.hash))
        return cls(folder, IdentityHome.open(folder / AUTHORITY), scope)

    def wallet(self, subject: str) -> Wallet:
        """This person's, with the authority's statement."""
        if subject not in self._wallets:
            wallet = Wallet.create(self.folder / f"{len(self._wallets):02d}", subject, self.authority.scheme.name)
            now = int(time.time())
            statement = self.authority.certify(wallet.request(), subject, start=now, until=now + 365 * _DAY_S)
            wallet.accept(statement.encode())
            self._wallets[subject] = wallet
        return self._wallets[subject]

    def permit(self, subject: str, institution: str) -> Consent:
        """A hard inquiry by one institution, for a month."""
        now = int(time.time())
        return self.wallet(subject).permit(
            querier=institution,
            purpose=PURPOSE,
            scope=self.scope,
            inquiry=Inquiry.HARD,
            now=now,
            until=now + 30 * _DAY_S,
        )


def refused(processes: Processes, homes: Homes, persons: Persons, institution: str, subject: str) -> Mapping[str, str]:
    """The rules by which `query` refuses a question without a receipt, and one whose receipt was revoked.

    Raises DemoFailed if either is asked.
    """
    folder, home = private_directory(homes.out / "queries" / "refused"), homes.institution(institution)
    consent = persons.permit(subject, institution)
    write_private(folder / "receipt.json", consent.encode())
    write_private(folder / "revocation.json", persons.wallet(subject).revoke(consent.serial).encode())
    processes.run([*command("institution", "consent", "revoke", str(folder / "revocation.json"), home=home), "--json"])
    commands = {}
    for name, receipt in (("no-receipt", ""), ("a-revoked-receipt", "receipt.json")):
        batch = folder / f"{name}.csv"
        batch.write_text(f"subject,purpose,receipt\n{subject},{PURPOSE},{receipt}\n", encoding="utf-8")
        options = {"batch": batch, "out": batch.with_name(f"{batch.stem}-answers.csv")}
        commands[name] = [*command("institution", "query", home=home, **options), "--json"]
    said = processes.run_all(commands, code=NO_CONSENT)
    return {name.replace("-", " "): told["refused"] for name, told in said.items()}


def summary(authorities: Sequence[str], receipts: int, refused: Mapping[str, str]) -> dict[str, Any]:
    """`consent` of `summary.json`. `receipts`: questions that had one; `refused`: by which rule others were."""
    return {
        "holds": list(authorities) == [AUTHORITY] and dict(refused) == _REFUSED,
        "authorities": list(authorities),
        "receipts": receipts,
        "refused": dict(refused),
    }
