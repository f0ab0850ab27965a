"""What parties say in the transparency log: the content of each kind of statement, frozen and checked.

    entry = RoundStatement(...).entry(coordinator_key)                    # who says it
    RoundStatement.from_json(Statement.read(entry).content)              # who reads it, and then checks who signed

One file per topic; the form that all of them share is `protocols.transparency.Statement`.
"""

from federation.oversight.members import MemberStatement, RegulatorStatement, Roster
from federation.oversight.rounds import EVALUATION, MODEL, PLAN, ROUND, Averaged, Publication, RoundStatement

__all__ = [
    "EVALUATION",
    "MODEL",
    "PLAN",
    "ROUND",
    "Averaged",
    "MemberStatement",
    "Publication",
    "RegulatorStatement",
    "Roster",
    "RoundStatement",
]
