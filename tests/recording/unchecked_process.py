"""A bank whose node asks nobody for consent: unchecked_process.py HOME SUBJECT. Prints the outcome."""

from __future__ import annotations

import sys

from clients.institution.home import InstitutionHome
from clients.institution.lookup.gate import Admitted, Gate
from clients.institution.lookup.querier import Querier


def main() -> None:
    Gate.check = lambda gate, question: Admitted(gate.identifiers.normalise(question.subject))  # type: ignore[method-assign]
    with Querier.open(InstitutionHome.open(sys.argv[1])) as querier:
        sys.stdout.write(querier.ask(sys.argv[2], "credit-application").outcome.kind)


if __name__ == "__main__":
    main()
