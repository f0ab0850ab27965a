"""What the log shows: to whoever scans it for one person, and to a person whom it would hide something from."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from inquiries_world import World, announce, epoch_of, world

from clients.subject.inquiries import Span, uncertain
from federation.inquiries.log_leaves import FORGED, OTHER_KEY, UNPROVED, UNTAGGED, LoggedLeaves
from federation.runtime.log_reader import LogReader
from protocols.errors import MessageError, SignatureError
from protocols.lookup import ticket_querier
from protocols.lookup.elgamal import prove_tag
from protocols.lookup.leaf import KIND, Leaf, SignedLeaf
from protocols.oprf.group import base, hash_to_group, multiply, random_scalar, subtract
from protocols.transparency import VerifierKey, WitnessKey, attach, cosign, read_entry, split_note

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("log"), liars=True) as made:
        for number in range(12):
            made.inquire("Mary" if number % 4 == 0 else f"somebody {number % 3}", f"bank-{'abc'[number % 3]}")
        made.seal()
        yield made


def read(at: World) -> list[bytes]:
    """Every entry, as any reader of the log gets it over HTTP."""
    with LogReader(at.url) as reader:
        return list(reader.entries(0, at.log.size()))


def leaves_of(entries: list[bytes]) -> list[Leaf]:
    found = (read_entry(data) for data in entries)
    return [SignedLeaf.decode(entry.body).leaf for entry in found if entry.kind == KIND]


def scan(leaves: list[Leaf], marks: list[bytes]) -> list[int]:
    """The leaves in which one of the reader's values stands, in any 32 bytes of any field."""

    def fields(leaf: Leaf) -> list[bytes]:
        values = [value for value in vars(leaf).values() if isinstance(value, bytes)]
        return [value[place : place + 32] for value in values for place in range(0, len(value), 32)]

    return [index for index, leaf in enumerate(leaves) if set(fields(leaf)) & set(marks)]


def test_with_a_keyed_hash_whoever_learned_the_key_finds_her(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag that the design refuses: H(key, id). The key leaks once, from anybody who makes or reads tags."""
    key = b"known to every querier, so to everybody some day"

    def keyed(person: bytes, nonce: bytes, oversight: bytes) -> bytes:
        digest = hmac.digest(key, person, "sha512")
        return hash_to_group(digest[:32]) + hash_to_group(digest[32:])

    leaves = []
    with monkeypatch.context() as patch:
        patch.setattr(ticket_querier, "make_tag", keyed)
        patch.setattr(ticket_querier, "prove_tag", lambda *_: b"")
        patch.setattr("protocols.lookup.leaf.check_tag_proof", lambda *_: None)
        for number in range(8):
            leaves.append(at.leaf("Mary" if number in (1, 6) else f"somebody {number}", "bank-a").leaf)
    mary = hash_to_group(at.wallet("Mary").subject.identifier)
    marks = [keyed(mary, b"", b"")[:32], keyed(mary, b"", b"")[32:]]
    assert scan(leaves, marks) == [1, 6]


def test_with_the_tag_a_reader_that_knows_her_and_every_public_key_finds_nothing(at: World) -> None:
    leaves = leaves_of(read(at))
    hers = [index for index, leaf in enumerate(leaves) if index % 4 == 0]
    person, key = hash_to_group(at.wallet("Mary").subject.identifier), at.oversight
    marks = [person, key.public, *key.shares.values(), subtract(key.public, person)]
    assert scan(leaves, marks) == []
    tags = [leaf.tag for leaf in leaves]
    parts = [part for tag in tags for part in (tag[:32], tag[32:], subtract(tag[32:], person))]
    assert len(set(parts)) == len(parts)  # nothing that two leaves about her have in common
    differences = [
        subtract(tags[one][place:][:32], tags[two][place:][:32])
        for one in hers
        for two in hers
        if one < two
        for place in (0, 32)
    ]
    assert not set(differences) & {*parts, *marks}


def test_one_leaf_that_was_opened_tells_nothing_of_the_others(at: World) -> None:
    """A spot check learns the nonce of one leaf: with its e she is found in that leaf and in no other."""
    ticket = at.ticket("Mary", "bank-b")
    leaves = [*leaves_of(read(at)), ticket.leaf.leaf]
    mary = hash_to_group(at.wallet("Mary").subject.identifier)
    known = ticket_querier.make_tag(mary, ticket.opening.nonce, at.oversight.public)
    mask = subtract(known[32:], mary)  # e Y
    assert scan(leaves, [*(known[:32], known[32:])]) == [len(leaves) - 1]
    assert [subtract(leaf.tag[32:], mask) == mary for leaf in leaves] == [False] * (len(leaves) - 1) + [True]


def test_both_shares_together_find_her_and_one_does_not(at: World) -> None:
    leaves = leaves_of(read(at))
    mary = hash_to_group(at.wallet("Mary").subject.identifier)
    shares = [at.home(name).share.secret for name in at.oversight.shares]

    def about(secrets: list[bytes]) -> list[int]:
        found = []
        for index, leaf in enumerate(leaves):
            rest = subtract(leaf.tag[32:], mary)
            for secret in secrets:
                rest = subtract(rest, multiply(secret, leaf.tag[:32])) if any(rest) else rest
            found += [index] * (not any(rest))
        return found

    assert about(shares) == [index for index in range(len(leaves)) if index % 4 == 0]
    assert about(shares[:1]) == about(shares[1:]) == []


def logged(at: World, entries: list[bytes], span: Span | None = None) -> LoggedLeaves:
    found = LoggedLeaves(at.coordinator.public, at.oversight.public, (span or Span()).holds)
    for entry in entries:
        found.take(entry)
    return found


def test_a_log_that_leaves_out_an_entry_does_not_lead_to_the_cosigned_root(at: World) -> None:
    note, key = at.seal(), at.log_key
    entries = read(at)
    assert logged(at, entries).check(note, key, time.time()).checkpoint.size == len(entries)
    mary = next(place for place, data in enumerate(entries) if b"lookup-leaf" in data[-40:])
    for lie in (
        entries[:mary] + entries[mary + 1 :],
        entries[:-1],
        [*entries[:mary], entries[mary + 1], *entries[mary + 1 :]],
    ):
        with pytest.raises(MessageError, match="log"):
            logged(at, lie).check(note, key, time.time())


def test_a_tree_without_her_leaf_needs_cosignatures_of_its_own(at: World) -> None:
    """The coordinator signs another tree: nobody's witnesses cosigned it."""
    entries = read(at)
    shorter = logged(at, entries[:-1])
    text = f"{at.log_key.name}\n{shorter.tree.size}\n"
    forged = at.forged_note(shorter.tree)
    with pytest.raises(SignatureError, match="quorum"):
        shorter.check(forged, at.log_key, time.time())
    strangers = [WitnessKey.generate() for _ in range(4)]
    lines = [cosign(split_note(forged)[0], key, time.time()) for key in strangers]
    with pytest.raises(SignatureError, match="quorum"):
        shorter.check(attach(forged, lines), at.log_key, time.time())
    own = [cosign(split_note(forged)[0], key, time.time()) for key in at.witnesses]
    assert shorter.check(attach(forged, own), at.log_key, time.time())  # were all of them to lie
    assert text.encode() in forged


def test_what_cannot_be_asked_about_is_counted_and_named(at: World) -> None:
    honest = at.leaf("Mary", "bank-a")
    entries = read(at)
    before = logged(at, entries)
    forged = SignedLeaf(replace(honest.leaf, querier="bank-b"), honest.signature)
    bare = replace(honest.leaf, tag=b"", tag_proof=b"").sign(at.banks["bank-a"])
    unproved = replace(honest.leaf, tag_proof=b"\1" * 64).sign(at.banks["bank-a"])
    stolen = replace(at.leaf("Eve", "bank-c").leaf, tag=honest.leaf.tag, tag_proof=honest.leaf.tag_proof).sign(
        at.banks["bank-c"]
    )
    other = epoch_of(at.coordinator, at.banks, at.log_signer, base(random_scalar(b"x".ljust)), counter=2)
    announce(at, other, 2)
    elsewhere = replace(honest.leaf, epoch_id=other.epoch_id).sign(at.banks["bank-a"])
    for leaf in (honest, forged, bare, unproved, stolen, elsewhere):
        at.log.append(KIND, leaf.encode())
    after = logged(at, read(at))
    assert len(after.leaves) == len(before.leaves) + 1
    assert dict(after.left_out) == {
        (FORGED, "bank-b"): 1,
        (UNTAGGED, "bank-a"): 1,
        (UNPROVED, "bank-a"): 1,
        (UNPROVED, "bank-c"): 1,
        (OTHER_KEY, "bank-a"): 1,
    }
    told = "\n".join(uncertain(after.left_out))
    assert "2 requests with a tag that its maker cannot have made: bank-a (1), bank-c (1)" in told
    at.seal()
    assert at.look_up("Mary")["not_asked"] == uncertain(after.left_out)


def test_a_roster_that_not_every_member_signed_hides_no_leaf(at: World) -> None:
    """The coordinator says that an epoch had another oversight key, so that its leaves would not be asked about."""
    entries = read(at)
    members = {**at.banks, "bank-c": type(at.coordinator).generate()}
    made_up = epoch_of(at.coordinator, members, at.log_signer, base(random_scalar(b"y".ljust)), counter=3)
    announce(at, made_up, 3)
    leaf = replace(at.leaf("Mary", "bank-a").leaf, epoch_id=made_up.epoch_id)
    bond = leaf.tag_bond
    nonce = b"\3" * 32
    tag = ticket_querier.make_tag(hash_to_group(at.wallet("Mary").subject.identifier), nonce, at.oversight.public)
    signed = replace(leaf, tag=tag, tag_proof=prove_tag(tag, bond, nonce, b"z".ljust)).sign(at.banks["bank-a"])
    at.log.append(KIND, signed.encode())
    assert len(logged(at, read(at)).leaves) == len(logged(at, entries).leaves) + 1


def test_a_range_is_by_days_and_epochs(at: World) -> None:
    entries, now = read(at), datetime.now(UTC)
    everything = len(logged(at, entries).leaves)
    today, day = now.date(), timedelta(days=1)

    def count(**span: Any) -> int:
        return len(logged(at, entries, Span(**span)).leaves)

    assert count(since=today, until=today) + count(until=today - day) + count(since=today + day) == everything
    assert count(since=today + 2 * day) == count(until=today - 2 * day) == 0
    assert count(epochs=(1,)) + count(epochs=(2,)) >= everything - 1
    assert str(Span(since=today, epochs=(1, 2))) == f"from {today}; epochs 1, 2"


def test_a_poisoned_log_is_read_to_its_end(at: World) -> None:
    """Entries that are not what they say stop nobody: bytes of leaves and steps, cut and changed."""
    entries = read(at)
    before = len(logged(at, entries).leaves)
    poison = []
    for number, data in enumerate(entries):
        changed = bytearray(data)
        changed[number * 7 % (len(data) - 60)] ^= 0x11
        poison += [bytes(changed), data[: len(data) // 2], b'{"body":[],"kind":"lookup-step","v":1}', b""]
        poison.append(b'{"body":' + b"[" * 5000 + b',"kind":"lookup-leaf","v":1}')
    assert len(logged(at, [*entries, *poison]).leaves) >= before
    assert isinstance(at.log_key, VerifierKey)
