"""The demonstration's spot check, by `fedscore` commands: committed to before anybody asks, revealed once a quorum has
cosigned the log that has the questions, opened by the institutions, judged by the regulator.

Every inquiry is drawn, so that the one without consent is found for certain; a regulator draws a share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from clients.regulator.inquiries.cli import WAITS
from federation.catalogue import shipped_catalogues
from federation.runtime.private_files import private_directory
from protocols.consent.draw import MARGIN, MILLION, detection
from protocols.consent.refusal import Rule
from workbench.demo.bypass import Bypassed
from workbench.demo.calls import call, once
from workbench.demo.cast import Homes, command
from workbench.demo.inputs import Inputs

DRAW = "demo"
_LOGGED_S = 300  # until a quorum has cosigned the log at the draw's size: seconds, where the machine is not busy
_OPENED_S = 300  # until the seed, which the regulator has just logged, is in the log that institutions are shown
_SHARES = (0.1, 0.3)  # what a regulator might draw
_FORGED = (1, 10)


@dataclass(frozen=True)
class Checked:
    """`sample` and `verdict`: what `regulator sample` and `regulator check` said; who had gone around its node."""

    sample: Mapping[str, Any]
    verdict: Mapping[str, Any]
    bypassed: Bypassed

    @property
    def holds(self) -> bool:
        """Whether every drawn inquiry was opened, and the one without consent, and no other, is broken."""
        queriers = self.verdict["queriers"]
        broken = [(each["querier"], one["leaf"], one["rule"]) for each in queriers for one in each["broken"]]
        opened = not any(each["waiting"] for each in queriers) and not self.verdict["unusable"]
        return opened and broken == [(self.bypassed.institution, self.bypassed.leaf, str(Rule.UNKNOWN_KEY))]


def commit(homes: Homes, inquiries: int) -> None:
    """Have the log hold a draw over the `inquiries` that are asked next. Its seed is not known to anybody else yet."""
    after = max(MARGIN + 1, inquiries + 1)  # its own entry and theirs
    options = {"rate": 1, "first": 0, "after": after, "wait": 0}
    call([*command("regulator", "sample", DRAW, home=homes.regulator, **options), "--json"], code=WAITS)


def check(homes: Homes, inputs: Inputs, bypassed: Bypassed) -> Checked:
    """Reveal the seed, have every institution open what was drawn, and judge it. Raises DemoFailed."""
    sample = call([*command("regulator", "sample", DRAW, home=homes.regulator, wait=_LOGGED_S), "--json"])
    files: list[str] = []
    folder = private_directory(homes.out / "openings")
    for given in inputs.institutions:
        words = command("institution", "open", home=homes.institution(given.name), out=folder / given.name)
        look = partial(call, [*words, "--drawn", "--json"])
        drawn = len(sample["drawn"].get(given.name, ()))
        opened = once(look, partial(_all_of, drawn), seconds=_OPENED_S)
        files += [each["file"] for each in opened["inquiries"]]
    words = command("regulator", "check", *files, home=homes.regulator, draw=DRAW)
    words += [] if inputs.catalogue in shipped_catalogues() else ["--catalogue", inputs.catalogue]
    return Checked(sample, call([*words, "--json"], code=1), bypassed)


def _all_of(drawn: int, opened: Mapping[str, Any]) -> bool:
    return len(opened["inquiries"]) >= drawn


def summary(found: Checked) -> dict[str, Any]:
    """`spot_check` of `summary.json`."""
    draw, queriers = found.sample, found.verdict["queriers"]
    return {
        "holds": found.holds,
        "rate": draw["rate"],
        "inquiries": draw["inquiries"],
        "drawn": {each["querier"]: each["drawn"] for each in queriers},
        "opened": {each["querier"]: each["drawn"] - len(each["waiting"]) for each in queriers},
        "broken": {each["querier"]: [one["rule"] for one in each["broken"]] for each in queriers},
        "bypassed": {"institution": found.bypassed.institution, "known_to": found.bypassed.known_to},
        "chance": {
            f"{share:.0%}": {str(forged): round(detection(forged, round(share * MILLION)), 3) for forged in _FORGED}
            for share in _SHARES
        },
    }
