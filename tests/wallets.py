"""An identity authority and wallets as they are made in production, for tests that ask with consent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from clients.identity.authority import IdentityHome
from clients.subject.wallet import Wallet
from federation.catalogue import load_catalogue
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Scope

PURPOSE = "credit-application"
DAY_S = 86_400


def scope_of(catalogue: str = "synthetic") -> Scope:
    loaded = load_catalogue(catalogue)
    return Scope(loaded.name, bytes.fromhex(loaded.hash))


@dataclass
class Persons:
    """One authority, and the wallets of whoever is named."""

    folder: Path
    authority: IdentityHome
    wallets: dict[str, Wallet] = field(default_factory=dict)

    @classmethod
    def under(cls, folder: Path, identifiers: str = "opaque") -> Self:
        return cls(folder, IdentityHome.create(folder / "e-id", "e-id", identifiers))

    @property
    def authorities(self) -> dict[str, str]:
        """As settings, proposals and rosters name it."""
        return {self.authority.authority.name: self.authority.authority.key.hex}

    def wallet(self, identifier: str) -> Wallet:
        """The person's, with the authority's statement."""
        if identifier not in self.wallets:
            folder = self.folder / f"wallet-{len(self.wallets)}"
            wallet = Wallet.create(folder, identifier, self.authority.scheme.name)
            now = int(time.time())
            statement = self.authority.certify(wallet.request(), identifier, start=now - DAY_S, until=now + DAY_S)
            wallet.accept(statement.encode())
            self.wallets[identifier] = wallet
        return self.wallets[identifier]

    def consent(self, identifier: str, querier: str, **changes: Any) -> Consent:
        """A document that covers one inquiry of `querier` about this person, but for `changes`."""
        now = int(time.time())
        fields: dict[str, Any] = {"purpose": PURPOSE, "scope": scope_of(), "inquiry": Inquiry.HARD, "now": now}
        return self.wallet(identifier).permit(**({"querier": querier, "until": now + DAY_S} | fields | changes))
