"""Notices out and in: to everybody who inquired before a change, and about this institution's own inquiries.

    post = Post(home, client)
    post.publish()                                     # the key that letters to this institution are sealed to
    sent = post.send(inquiries, Change.CORRECTED, after_epoch=3, decided=20_000)
    post.collect(now)                                  # letters of others, into person.db

Every member of the approved roster gets as many letters as the one that gets most: whoever carries them, and whoever
gets one that says nothing, does not learn who of them had inquired. Keys of members are believed under the signing keys
of the roster that a person here approved, never because the coordinator names them; and as long as it shows no key of
one, nobody is written to: else it would learn by withholding keys who had inquired.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from clients.institution.home import InstitutionHome
from clients.institution.lookup.folders import LookupFolders
from clients.institution.person.inquiries import Inquiry, asked_store
from clients.institution.person.mailbox_client import MailboxClient
from clients.institution.person.notice_store import NoticeStore
from federation.errors import ConfigurationError, Refused
from federation.runtime.logging import get_logger
from federation.runtime.private_files import keep_private, read_private
from protocols.errors import ProtocolError
from protocols.notices import MAX_LEAVES, Change, Letter, NoticeKey, check_receipt, letter_name, sign_receipt
from protocols.notices.letter import empty_letter
from protocols.signing import VerifyingKey

KEY_FILE = "notices.key"
_log = get_logger("post")


@dataclass(frozen=True)
class Sent:
    """What went out: for whom, about which inquiries ((none): an empty letter), under which names it is carried.

    full: nothing was carried, as too many letters wait there that the recipient has not collected
    """

    recipient: str
    leaves: tuple[bytes, ...] = field(repr=False)
    names: tuple[bytes, ...]
    full: bool = False

    def to_json(self) -> dict[str, Any]:
        leaves, names = [leaf.hex() for leaf in self.leaves], [name.hex() for name in self.names]
        return {"recipient": self.recipient, "leaves": leaves, "names": names, "full": self.full}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Sent:
        leaves, names = (tuple(map(bytes.fromhex, value[key])) for key in ("leaves", "names"))
        return cls(str(value["recipient"]), leaves, names, bool(value.get("full", False)))


class Post:
    """One home's, over one connection."""

    def __init__(
        self, home: InstitutionHome, client: MailboxClient, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._home, self._client, self._random = home, client, random

    def publish(self) -> None:
        """Have the mailbox show this institution's key."""
        public = self._private.public_key().public_bytes_raw()
        self._client.publish(NoticeKey.sign(self._home.name, public, self._home.signing_key).encode())

    def send(self, inquiries: Sequence[Inquiry], change: Change, *, after_epoch: int, decided: int) -> tuple[Sent, ...]:
        """Letters to all other members of the roster, those about `inquiries` among them; on their way on return.

        Raises ConfigurationError for an inquirer who is no member, and where any member has no key, inquirer or not,
        before anything is sent.
        """
        members = self._members()
        keys = self._keys(members)
        others = sorted(set(members) - {self._home.name})
        for name in others:
            self._require(name, members, keys)
        by_querier: dict[str, list[bytes]] = {name: [] for name in others}
        for each in inquiries:
            if each.querier != self._home.name:
                self._require(each.querier, members, keys)
                by_querier[each.querier].append(each.leaf)
        rounds = max(1, *(-(-len(leaves) // MAX_LEAVES) for leaves in by_querier.values()), 1)
        sent = []
        for name in others:
            sealed = []
            for at in range(0, rounds * MAX_LEAVES, MAX_LEAVES):
                leaves = tuple(by_querier[name][at : at + MAX_LEAVES])
                letter = empty_letter(self._home.name, name, self._random)
                if leaves:
                    letter = Letter(
                        self._home.name, name, change, leaves, after_epoch, decided, self._random(16)
                    )  # fmt: skip
                sealed.append(letter.seal(self._home.signing_key, keys[name].public))
            names = tuple(letter_name(each) for each in sealed)
            sent.append(Sent(name, tuple(by_querier[name]), names, full=not self._put(name, sealed)))
        _log.info("notices handed over", count=rounds * sum(not each.full for each in sent))
        return tuple(sent)

    def _put(self, recipient: str, sealed: Sequence[bytes]) -> bool:
        """Whether there is room; a member that collects nothing keeps no letter from the others."""
        try:
            self._client.put([(recipient, each) for each in sealed])
        except Refused as error:
            if error.code != "quota":
                raise
            _log.warning("a mailbox is full", institution=recipient)
            return False
        return True

    def collect(self, now: float) -> int:
        """Take what waits, keep what is about own inquiries, acknowledge. How many notices were new letters' own.

        A letter that does not open, or is about no inquiry of this institution, is acknowledged and counted in the log:
        it would come for ever otherwise. A carrier that goes on with what was acknowledged is left alone until the next
        time.
        """
        members, kept = self._members(), 0
        seen: set[bytes] = set()
        while waiting := [each for each in self._client.take() if letter_name(each[1]) not in seen]:
            receipts = []
            for sender, sealed in waiting:
                kept += self._read(sender, sealed, members, now)
                name = letter_name(sealed)
                seen.add(name)
                receipts.append((name, sign_receipt(name, self._home.signing_key)))
            self._client.acknowledge(receipts)
        return kept

    def delivered(self, sent: Sequence[Sent]) -> dict[str, bool]:
        """By recipient, whether all of these letters were acknowledged with the recipient's own signature."""
        members = self._members()
        shown = self._client.receipts([name for each in sent for name in each.names])
        return {each.recipient: all(self._receipt(each, name, shown, members) for name in each.names) for each in sent}

    def _receipt(self, sent: Sent, name: bytes, shown: dict[bytes, bytes], members: dict[str, VerifyingKey]) -> bool:
        try:
            check_receipt(name, shown.get(name, b""), members[sent.recipient], sent.recipient)
        except (ProtocolError, KeyError):
            return False
        return True

    def _read(self, sender: str, sealed: bytes, members: dict[str, VerifyingKey], now: float) -> int:
        try:
            if sender not in members:
                raise ConfigurationError("letter", got="one of no member", expected="one of the roster's")
            letter = Letter.open(sealed, self._private, members[sender], sender=sender, recipient=self._home.name)
        except (ProtocolError, ConfigurationError) as error:
            _log.warning("a letter was not read", kind=type(error).__name__)
            return 0
        store = asked_store(self._home)
        mine = {each.leaf_hash for each in (store.of_leaves(letter.leaves) if store and letter.leaves else ())}
        if len(mine) < len(set(letter.leaves)):
            _log.warning("a notice about no inquiry of ours", count=len(set(letter.leaves)) - len(mine))
        if mine:
            NoticeStore.open(self._home).keep(letter, [leaf for leaf in letter.leaves if leaf in mine], int(now))
        return len(mine)

    def _members(self) -> dict[str, VerifyingKey]:
        """Signing keys by name, of the roster that a person here approved. Raises ConfigurationError without one."""
        folders = LookupFolders(self._home)
        approved = folders.approval.approved if folders.exists else None
        if approved is None:
            raise ConfigurationError("roster", got="none approved", expected="`institution lookup approve`, once")
        return {name: VerifyingKey.from_hex(member["key"]) for name, member in approved["members"].items()}

    def _keys(self, members: dict[str, VerifyingKey]) -> dict[str, NoticeKey]:
        """Notice keys of members that verify; another's word for a member's key is no key."""
        found = {}
        for document in self._client.published():
            try:
                key = NoticeKey.decode(document)
                key.verify(members[key.institution])
            except (ProtocolError, KeyError):
                _log.warning("a key for notices does not verify")
                continue
            found[key.institution] = key
        return found

    @staticmethod
    def _require(name: str, members: dict[str, VerifyingKey], keys: dict[str, NoticeKey]) -> None:
        if name not in members:
            raise ConfigurationError("inquirers", got="an inquirer who is no member", expected="one of the roster's")
        if name not in keys:
            expected = "a key for notices that verifies: its node publishes it"
            raise ConfigurationError(f"notices to {name}", got="no such key", expected=expected)

    @property
    def _private(self) -> X25519PrivateKey:
        made = keep_private(self._home.keys / KEY_FILE, lambda: X25519PrivateKey.generate().private_bytes_raw())
        return X25519PrivateKey.from_private_bytes(read_private(made))
