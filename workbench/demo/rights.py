"""Permission and rights in the demonstration: who plays what, and the stages between the questions and the erasure.

One person is in most of it. An institution asks about her with her receipt, another one goes around its node and asks
without; a spot check names it, she finds both, and a third one corrects her record and tells both. One applicant of
somebody else's is scored blind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from clients.institution.home import SETTINGS_FILE, InstitutionHome
from clients.regulator.home import RegulatorHome
from federation.catalogue import Catalogue
from federation.inquiries.inquirers import UNKNOWN
from protocols.consent.receipt import Inquiry
from workbench.demo import blind, dispute, inquirers, spot_check
from workbench.demo.blind import Blind
from workbench.demo.bypass import Bypassed, ask_without
from workbench.demo.cast import Facts, Homes
from workbench.demo.consent import PURPOSE, Persons
from workbench.demo.dispute import Correction, Disputed
from workbench.demo.inputs import Inputs
from workbench.demo.inquirers import Holders, Inquired
from workbench.demo.plain import Case, Plain
from workbench.demo.processes import DemoFailed, Processes
from workbench.demo.spot_check import Checked

NAMES = ("spot_check", "inquiries", "blind", "dispute")
"""Keys of `summary.json` that are null where nobody can be asked about."""

_SETTINGS = """
[lookup]
regulator = "{regulator}"

[person]
jurisdiction = "{jurisdiction}"
"""

Stage = Callable[[str, int], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Roles:
    """One person; who asks about her with a receipt, who without, and who corrects what in her record."""

    subject: str = field(repr=False)
    asker: str
    bypasser: str
    corrector: str
    correction: Correction


@dataclass(frozen=True)
class Shown:
    """What the four stages came to."""

    checked: Checked
    inquired: Inquired
    blind: Blind
    disputed: Disputed


@dataclass(frozen=True)
class Rights:
    """What the four stages need; made by `prepare`, before the epoch is opened."""

    processes: Processes
    homes: Homes
    inputs: Inputs
    catalogue: Catalogue
    facts: Facts
    persons: Persons
    holders: Holders

    @classmethod
    def prepare(
        cls, processes: Processes, homes: Homes, inputs: Inputs, catalogue: Catalogue, facts: Facts, persons: Persons
    ) -> Rights:
        """Make the oversight key, and enter what an institution's people would. Raises DemoFailed."""
        regulator = RegulatorHome.open(homes.regulator).registration.key
        for given in inputs.institutions:
            with (homes.institution(given.name) / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
                settings.write(_SETTINGS.format(regulator=regulator, jurisdiction=dispute.JURISDICTION))
        return cls(processes, homes, inputs, catalogue, facts, persons, inquirers.join(homes, facts, persons))

    def choose(self, plain: Plain, cases: Sequence[Case]) -> Roles:
        """Of the persons asked about, the one known to most institutions whose record a correction moves.

        Raises DemoFailed if there is none.
        """
        for case in sorted(cases, key=lambda case: -case.members):
            corrector = next((name for name in plain.known_to(case.subject) if name != case.institution), None)
            if corrector is None:
                continue
            home = InstitutionHome.open(self.homes.institution(corrector))
            if found := dispute.correction(home, self.homes.run / "model.json", case.subject):
                bypasser = next(name for name in plain.snapshots if name not in (case.institution, corrector))
                return Roles(case.subject, case.institution, bypasser, corrector, found)
        raise DemoFailed("dispute", got="no record that a correction moves", expected="one, of a person asked about")

    def bypass(self, roles: Roles) -> Bypassed:
        """One question around a node. Raises DemoFailed if it is not answered."""
        home, authority = self.homes.institution(roles.bypasser), self.persons.authority.authority.name
        return ask_without(home, roles.subject, PURPOSE, self.persons.scope, authority)

    def show(self, roles: Roles, bypassed: Bypassed, stage: Stage) -> Shown:
        """The four stages, after the questions and while the epoch is open. Raises DemoFailed."""
        homes = self.homes
        with stage("spot check", 1):
            checked = spot_check.check(homes, self.inputs, bypassed)
        with stage("inquirers", 1):
            inquirers.serve(self.processes, homes, self.holders)
            expected = {roles.asker: str(Inquiry.HARD), roles.bypasser: UNKNOWN}
            wallet = self.persons.wallet(roles.subject)
            inquired = inquirers.look_up(self.facts, self.holders, wallet, expected)
        with stage("dispute", 1):
            disputed = dispute.dispute(homes, roles.corrector, roles.subject, roles.correction, inquired)
        with stage("blind score", 1):
            owner = self.inputs.institutions[0]
            fingerprint = self.facts[owner.name]["fingerprint"]
            scored = blind.score(self.processes, homes, owner, self.catalogue, self.inputs.catalogue, fingerprint)
        return Shown(checked, inquired, scored, disputed)


def summary(shown: Shown | None) -> dict[str, Any]:
    """`spot_check`, `inquiries`, `blind` and `dispute` of `summary.json`; null where there were no questions."""
    if shown is None:
        return dict.fromkeys(NAMES)
    return {
        "spot_check": spot_check.summary(shown.checked),
        "inquiries": inquirers.summary(shown.inquired),
        "blind": blind.summary(shown.blind),
        "dispute": dispute.summary(shown.disputed),
    }
