"""The roster in the log: who is admitted and who is revoked, and who the regulator is, said as it happens.

    recorder = Recorder(log, host.roster, store.admitted, home.signing_key, regulator)
    recorder.tick()                       # once a second, whatever happens

What is said is the difference between the database and what the log says already. So nothing is said twice and nothing
is forgotten, whatever dies; members of a home that is older than its log are said at the first start. What it was made
for may change while it is said, by a handover: then nothing is said, and the next tick says what holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from federation.errors import FederationError
from federation.oversight.members import ROSTER, MemberStatement, RegulatorStatement, Roster
from federation.runtime.logging import get_logger
from protocols.signing import SigningKey
from protocols.transparency import Entry
from server.log import LogStore
from server.membership import Membership

_log = get_logger("oversight")


@dataclass
class Recorder:
    """`said` is the roster as the log has it, `admitted` the members by the database, `regulator` the settings'."""

    log: LogStore
    said: Callable[[], Roster]
    admitted: Callable[[], tuple[Membership, ...]]
    key: SigningKey
    regulator: RegulatorStatement | None = None

    def tick(self) -> int:
        """Say what is new; how many statements that were. An outage of the database raises nothing."""
        try:
            size = self.log.size()
            entries = list(unsaid(self.said(), self.admitted(), self.regulator, self.key))
            if entries:
                if self.log.extend_since(size, ROSTER, entries) is None:
                    return 0
                _log.info("roster said in the log", count=len(entries))
            return len(entries)
        except FederationError as error:
            _log.error("the roster could not be said", error=error)
            return 0


def unsaid(
    said: Roster, admitted: tuple[Membership, ...], regulator: RegulatorStatement | None, key: SigningKey
) -> Iterator[Entry]:
    """What the log does not say yet; whoever left before whoever came, for a name may go to another."""
    wanted = {member.institution: statement_of(member) for member in admitted}
    for name, known in sorted(said.members.items()):
        if wanted.get(name) != known:
            yield replace(known, standing="revoked").entry(key)
    for name, member in sorted(wanted.items()):
        if said.members.get(name) != member:
            yield member.entry(key)
    if regulator is not None:
        # The settings name the key that the regulator first read out; the log knows who holds its place now.
        now = replace(regulator, witness_key=said.holder(regulator.witness_key))
        if now != said.regulator:
            yield now.entry(key)


def statement_of(member: Membership) -> MemberStatement:
    """`member` as an admitted one."""
    return MemberStatement(
        institution=member.institution,
        key=member.key.hex,
        witness_key=member.witness_key,
        nominal_records=member.nominal_records,
        standing="admitted",
    )
