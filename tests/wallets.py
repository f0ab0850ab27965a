"""An identity authority and wallets as they are made in production, for tests that ask with consent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from clients.identity.authority import IdentityHome
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.gate import Gate
from clients.subject.wallet import Wallet
from federation.catalogue import load_catalogue
from federation.lookup.identifiers import scheme
from federation.runtime.database import open_engine
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Scope
from protocols.lookup.roster import Authority

PURPOSE = "credit-application"
DAY_S = 86_400


def scope_of(catalogue: str = "synthetic") -> Scope:
    loaded = load_catalogue(catalogue)
    return Scope(loaded.name, bytes.fromhex(loaded.hash))


def gate_of(folder: Path, authorities: tuple[Authority, ...] = (), identifiers: str = "opaque", **changes: Any) -> Gate:
    """What `bank-a` asks of a question, with a database below `folder`."""
    consents = ConsentStore(open_engine(f"sqlite:///{folder}/consents.db"))
    made = Gate(
        "bank-a", scheme(identifiers), load_catalogue("synthetic"), (PURPOSE,), authorities, consents, time.time
    )
    return replace(made, **changes)


@dataclass
class Persons:
    """One authority, and the wallets of whoever is named."""

    folder: Path
    authority: IdentityHome
    clock: Callable[[], float] = time.time
    wallets: dict[str, Wallet] = field(default_factory=dict)

    @classmethod
    def under(cls, folder: Path, identifiers: str = "opaque", clock: Callable[[], float] = time.time) -> Self:
        return cls(folder, IdentityHome.create(folder / "e-id", "e-id", identifiers), clock)

    @property
    def authorities(self) -> dict[str, str]:
        """As settings, proposals and rosters name it."""
        return {self.authority.authority.name: self.authority.authority.key.hex}

    def wallet(self, identifier: str) -> Wallet:
        """The person's, with the authority's statement."""
        if identifier not in self.wallets:
            folder = self.folder / f"wallet-{len(self.wallets)}"
            wallet = Wallet.create(folder, identifier, self.authority.scheme.name)
            now = int(self.clock())
            statement = self.authority.certify(wallet.request(), identifier, start=now - DAY_S, until=now + DAY_S)
            wallet.accept(statement.encode())
            self.wallets[identifier] = wallet
        return self.wallets[identifier]

    def consent(self, identifier: str, querier: str, **changes: Any) -> Consent:
        """A document that covers one inquiry of `querier` about this person, but for `changes`."""
        now = int(self.clock())
        fields: dict[str, Any] = {"purpose": PURPOSE, "scope": scope_of(), "inquiry": Inquiry.HARD, "now": now}
        return self.wallet(identifier).permit(**({"querier": querier, "until": now + DAY_S} | fields | changes))
