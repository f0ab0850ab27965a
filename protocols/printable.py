"""Text from outside, made harmless before it enters an error, a log, a ledger, a reply or a terminal.

>>> printable("late\\n2030-01-01 all is well \\x1b[2J\\u202e")
'late?2030-01-01 all is well ?[2J?'
"""

from __future__ import annotations

LIMIT = 200


def printable(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters; line breaks, control, format (bidirectional) and private characters become "?".

    Nothing that is left can move a cursor, forge a line of a log, or reorder what is read. Rich's markup is ordinary
    text: whoever prints with Rich escapes it.
    """
    return "".join(c if c.isprintable() else "?" for c in text[:limit])
