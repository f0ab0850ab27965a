"""Which state of a run's masks is the newest, in the database that the ledger is in.

    book.announce(run_id, state)      # before the file is replaced
    book.settle(run_id, state)        # after it
    book.check(run_id, found)         # whenever it is read; None where there is no file

A state that was restored from a copy has forgotten what this institution said, and could be made to say something else:
with a second list of survivors from one member, a coordinator and a colluder open a vector (docs/secagg.md). So a file
that is not the newest is refused, and one that is gone is not made anew. Between the two steps either state will do:
what follows from the new one leaves after the second. Who restores database and file together is told by the log.
"""

from __future__ import annotations

from sqlalchemy import Column, Engine, MetaData, String, Table, delete, insert, select, update

from federation.runtime.database import open_engine, reading, writing
from protocols.canonical import digest
from protocols.errors import StageError

LABEL = "fedscore/v1/mask-state"
_metadata = MetaData()
_states = Table(
    "node_mask_states",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("newest", String(64), nullable=False),
    Column("announced", String(64), nullable=False),
)


class MaskBook:
    """The table `node_mask_states`: digests, no secrets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    @classmethod
    def open(cls, url: str) -> MaskBook:
        """Raises ConfigurationError for a URL that is neither SQLite nor PostgreSQL."""
        return cls(open_engine(url))

    def announce(self, run_id: str, state: bytes) -> None:
        """`state` is about to be written."""
        with writing(self._engine) as connection:
            named = connection.execute(select(_states.c.newest).where(_states.c.run_id == run_id)).scalar()
            connection.execute(delete(_states).where(_states.c.run_id == run_id))
            connection.execute(insert(_states).values(run_id=run_id, newest=named or "", announced=_named(state)))

    def settle(self, run_id: str, state: bytes) -> None:
        """`state` is on disk, and no older one counts."""
        values = {"newest": _named(state), "announced": _named(state)}
        with writing(self._engine) as connection:
            connection.execute(update(_states).where(_states.c.run_id == run_id).values(**values))

    def check(self, run_id: str, found: bytes | None) -> None:
        """Raises StageError unless `found` is the newest state, or there was none yet and there is none."""
        query = select(_states.c.newest, _states.c.announced).where(_states.c.run_id == run_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        if found is None and (row is None or row.newest == ""):
            return
        if found is None:
            raise StageError("secagg state", got="none any more", expected="the newest: a run is set up once")
        if row is None or _named(found) not in (row.newest, row.announced):
            raise StageError("secagg state", got="a copy of another time", expected="the newest: give up the run")
        if row.newest != _named(found):  # the process ended between the two steps
            self.settle(run_id, found)


def _named(state: bytes) -> str:
    return digest(LABEL, state).hex()
