"""What parties say in the transparency log about training: the content of each kind of statement, frozen and checked.

    statement = Statement.sign(ROUND, RoundStatement(...).to_json(), coordinator_key)     # who says it
    RoundStatement.from_json(Statement.read(entry).content)                               # who reads it

One file per topic; the form that all of them share is `protocols.transparency.Statement`.
"""

from federation.oversight.rounds import EVALUATION, MODEL, PLAN, ROUND, Averaged, Publication, RoundStatement

__all__ = ["EVALUATION", "MODEL", "PLAN", "ROUND", "Averaged", "Publication", "RoundStatement"]
