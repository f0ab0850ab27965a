"""This institution's share of the joint pseudonym key: committed to, revealed, kept in one private file per ceremony.

The file is written before the commitment is sent, and holds the opening too: a process that was killed commits and
reveals with the very same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clients.institution.lookup.epoch_record import RELAY, EpochRecord
from clients.institution.lookup.folders import LookupFolders
from federation.errors import ConfigurationError
from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.bound import ceremony_context
from protocols.lookup.fields import from_hex, take
from protocols.lookup.roster import Roster, authorities_json
from protocols.oprf.joint_key import KeyShare, Opening, commit, open_all

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Ceremony:
    """k_j, and what was said about it."""

    share: KeyShare
    commitment: bytes
    opening: Opening

    @classmethod
    def make(cls, institution: str, context: bytes, random: Random) -> Ceremony:
        share = KeyShare.generate(random)
        return cls(share, *commit(share, institution, context, random))

    def encode(self) -> bytes:
        """For the private file alone."""
        said = {"commitment": self.commitment.hex(), "opening": encode_opening(self.opening)}
        return canonical({"version": 1, "secret": self.share.secret.hex(), **said})

    @classmethod
    def decode(cls, data: bytes) -> Ceremony:
        value = take(parse_canonical(data), "pseudonym key", ("version", "secret", "commitment", "opening"))
        return cls(
            KeyShare(from_hex(value["secret"], "pseudonym key", 32)),
            from_hex(value["commitment"], "commitment", 32),
            decode_opening(value["opening"]),
        )


def encode_opening(opening: Opening) -> str:
    """K_j, the proof and the salt, one after the other, in hexadecimal."""
    return (opening.public + opening.proof + opening.salt).hex()


def decode_opening(value: Any) -> Opening:
    data = from_hex(value, "opening", 128)
    return Opening(data[:32], data[32:96], data[96:])


def context_of(record: EpochRecord) -> bytes:
    """What the commitments of this epoch's ceremony are bound to."""
    return ceremony_context(record.raw("propose", RELAY))


def own_ceremony(folders: LookupFolders, record: EpochRecord, random: Random) -> Ceremony:
    """This institution's part of the epoch's ceremony, drawn at the first call.

    Raises RosterNotApproved, and draws nothing, before somebody here has approved whom the key is shared with, and
    where a key was made under that approval before.
    """
    check_ceremony(folders, record.body("propose", RELAY))
    context = context_of(record)
    make = lambda: Ceremony.make(record.institution, context, random).encode()  # noqa: E731
    return Ceremony.decode(folders.ceremony(context, make))


def check_ceremony(folders: LookupFolders, proposal: Mapping[str, Any]) -> None:
    """Raises RosterNotApproved unless somebody here approved what `proposal` says, and no key was made under it yet but
    by this very ceremony."""
    folders.approval.check(proposal)
    made = folders.approval.joint_key
    if made and folders.roster(bytes.fromhex(made)).context != ceremony_context(canonical(proposal)):
        folders.approval.check_key("another", proposal)


def accept_roster(folders: LookupFolders, record: EpochRecord) -> Roster:
    """The roster of the epoch, checked, and kept from then on.

    1. Somebody here approved what `propose` says, and under that approval no other joint key was made.
    2. It says what `propose` said: members, keys, numbers of customers, parameters, log, coordinator, oversight,
       identity authorities.
    3. Its coordinator is the pinned one; this institution stands in it with its own signing key.
    4. New key: every K_j was committed to before any was revealed, and is possessed.
    5. Known key: this institution has accepted this very roster before.
    6. Its own K_j is there.

    Raises RosterNotApproved, MessageError, ProofError or ConfigurationError.
    """
    folders.approval.check(record.body("propose", RELAY))
    document = record.raw("roster", RELAY)
    roster = Roster.decode(document)
    _check_proposal(roster, record.body("propose", RELAY), record)
    folders.approval.check_key(roster.id.hex(), record.body("propose", RELAY))
    folder = folders.roster(roster.id)
    if folder.roster is None:
        context = context_of(record)
        commitments, openings = _said(record)
        open_all(commitments, openings, context)
        _check_shares(roster, {name: opening.public for name, opening in openings.items()})
        own = folders.ceremony_if_there(context)
        if own is None:
            raise ConfigurationError("pseudonym key", got="none for this roster", expected="the key that was committed")
        _check_own(roster, Ceremony.decode(own), record.institution)
        folder.accept(document, context)
    folders.approval.bind(roster.id.hex())
    return roster


def own_share(folders: LookupFolders, roster: Roster) -> KeyShare:
    """k_j under an accepted roster. Raises ConfigurationError where there is none."""
    context = folders.roster(roster.id).context
    data = folders.ceremony_if_there(context) if context else None
    if data is None:
        raise ConfigurationError("pseudonym key", got="none", expected="one made with this roster")
    return Ceremony.decode(data).share


def _said(record: EpochRecord) -> tuple[dict[str, bytes], dict[str, Opening]]:
    commitments = {
        party: from_hex(body.get("commitment"), f"commitment of {party}", 32)
        for party, body in record.bodies("commit").items()
    }
    openings = {party: decode_opening(body.get("opening")) for party, body in record.bodies("reveal").items()}
    return commitments, openings


def _check_proposal(roster: Roster, proposal: Mapping[str, Any], record: EpochRecord) -> None:
    said = {
        "members": {m.institution: {"key": m.key.hex, "customers": m.customers} for m in roster.members},
        "parameters": roster.parameters.to_json(),
        "coordinator_key": roster.coordinator_key.hex,
        "log_key": roster.log_key.hex,
        "oversight": "" if roster.oversight is None else roster.oversight.hex(),
        "authorities": authorities_json(roster.authorities),
    }
    for name, value in said.items():
        if proposal.get(name) != value:
            raise MessageError(f"roster.{name}", got="something else", expected="what was proposed")
    if roster.coordinator_key.raw != record.relay.raw:
        raise MessageError("roster.coordinator_key", got=roster.coordinator_key.key_id, expected=record.relay.key_id)


def _check_shares(roster: Roster, publics: Mapping[str, bytes]) -> None:
    for member in roster.members:
        if publics.get(member.institution) != member.pseudonym_key:
            raise MessageError(f"pseudonym key of {member.institution}", got="another", expected="the revealed one")


def _check_own(roster: Roster, ceremony: Ceremony, institution: str) -> None:
    if roster.member(institution).pseudonym_key != ceremony.share.public:
        raise MessageError(f"pseudonym key of {institution}", got="another", expected="its own")
