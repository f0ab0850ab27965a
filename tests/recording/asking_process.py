"""A querier in a process of its own: asking_process.py HOME [LEAK_MS] < subjects, one a line, asked one at a time.

Prints {"outcome", "known"} for each. LEAK_MS is for tests that must see a leak: this querier sleeps so long wherever
the subject has no place in the layout.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asking import Asking
from clients.institution.lookup.querier import Querier


def main() -> None:
    leak = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    place = Asking._place

    def leaking(self: Asking, ticket: Any) -> Any:
        found = place(self, ticket)
        if not found[2]:
            time.sleep(leak)
        return found

    if leak:
        Asking._place = leaking  # type: ignore[method-assign]
    subjects = sys.stdin.read().split()
    with Querier.open(InstitutionHome.open(sys.argv[1])) as querier:
        for subject in subjects:
            answer = querier.ask(subject, "credit-application")
            sys.stdout.write(json.dumps({"outcome": answer.outcome.kind, "known": answer.available}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
