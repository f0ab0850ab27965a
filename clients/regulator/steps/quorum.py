"""Step 6: enough witnesses saw this checkpoint, the required ones among them."""

from __future__ import annotations

from datetime import UTC, datetime

from clients.regulator.steps.base import Step
from protocols.errors import ProtocolError


class QuorumStep(Step):
    number = 6
    title = "Cosigned by a quorum of witnesses"
    reads_entries = False

    def finish(self) -> None:
        policy, checkpoint = self.case.policy, self.case.newest.checkpoint
        names: dict[str, str] = {}
        try:
            quorum = self.case.quorum.at(0 if checkpoint is None else checkpoint.size)
            names = {
                witness.name: named.name for witness, named in zip(quorum.witnesses, policy.witnesses, strict=True)
            }
            cosigned = quorum.check(self.case.newest.data, policy.log)
        except ProtocolError as error:
            got = error.got
            for key_name, name in names.items():
                got = got.replace(key_name, name)
            self.fail(f"{self.case.newest.where}: {error.field}", got, error.expected)
            return
        times = [datetime.fromtimestamp(time, UTC) for time in cosigned.times.values()]
        seen = ", ".join(names[name] for name in cosigned.times)
        self.fact(
            f"{len(times)} of {len(names)} witnesses ({seen}), {min(times):%Y-%m-%d %H:%M} to {max(times):%H:%M} UTC"
        )
        for old, new, place in self.case.roster.successions:
            self.note(f"Entry {place} hands the witness key {old.key.key_id} over to {new.key.key_id}")
        self._compare_with_log()

    def _compare_with_log(self) -> None:
        """Witnesses are the regulator's choice; that the log's members are others is worth knowing."""
        listed = {witness.key.hex for witness in self.case.policy.quorum.witnesses}
        for name, member in self.case.roster.members.items():
            if member.witness_key and member.witness_key not in listed:
                self.note(f"{name} is a member with a witness key that the policy does not name")
