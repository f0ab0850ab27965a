"""The error tree of the federation, shared by institutions and coordinator.

FederationError
 ├── ConfigurationError   a setting, plan or policy that cannot hold
 ├── CatalogueError       a catalogue that breaks the data standard           (federation.catalogue)
 ├── RecordsError         a data file that cannot be read against a catalogue (federation.records)
 ├── PrivacyError         a privacy plan that cannot be kept                  (federation.privacy)
 │    └── TooFewRecords   the budget asked needs more records than there are
 ├── LedgerError          a ledger that does not verify or cannot be written  (federation.ledger)
 │    ├── BudgetExceeded  a release would pass a cap; recorded, nothing computed
 │    └── LedgerBehind    a ledger older than what the log shows of it (a restored backup)
 └── Refused              a request that the signed plan does not allow       (federation.rounds)

Every error names the place (`where`: file, key, row, column, field or party), what was got and what was expected.
What it quotes may come from anywhere, so it is made printable here, once.
"""

from __future__ import annotations

from protocols.errors import Reduced, reduced
from protocols.printable import printable

_LIMIT = 1000  # an error may list names; what is stored or sent is cut shorter there


class FederationError(Exception):
    """`where` it is wrong, what was `got`, what was `expected`."""

    def __init__(self, where: str, *, got: object, expected: object) -> None:
        self.where = printable(where, _LIMIT)
        self.got = printable(str(got), _LIMIT)
        self.expected = printable(str(expected), _LIMIT)
        super().__init__(f"{self.where}: got {self.got}, expected {self.expected}")

    def __reduce__(self) -> Reduced:
        """Errors cross from worker processes."""
        return reduced(self)


class ConfigurationError(FederationError):
    """A setting, plan or policy that cannot hold."""


class CatalogueError(FederationError):
    """A catalogue that breaks the data standard."""


class RecordsError(FederationError):
    """A data file that cannot be read against a catalogue."""


class PrivacyError(FederationError):
    """A privacy plan that cannot be kept."""


class TooFewRecords(PrivacyError):  # noqa: N818 (the name is what the user reads)
    """The budget asked needs more records than there are."""


class LedgerError(FederationError):
    """A ledger that does not verify or cannot be written."""


class BudgetExceeded(LedgerError):  # noqa: N818
    """A release would pass a cap. The refusal is recorded and nothing was computed."""


class LedgerBehind(LedgerError):  # noqa: N818
    """The transparency log shows entries of this ledger that it does not have: an old copy gives spent budget back."""


class Refused(FederationError):  # noqa: N818
    """A request that the signed plan does not allow; `code` is one of federation.rounds.refusals."""

    def __init__(self, code: str, where: str, *, got: object, expected: object) -> None:
        self.code = printable(code)
        super().__init__(where, got=got, expected=expected)
