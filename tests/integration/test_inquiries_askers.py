"""Who gets an answer from the holders: the person. Not a stranger, not one holder with the other's help, not a spy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from inquiries_world import World, world

from clients.subject import asking
from clients.subject.asking import SERVICE, Asking
from federation.errors import Refused
from federation.inquiries.log_leaves import LoggedLeaf
from federation.runtime.rpc import ask, client_tls, dial
from protocols.consent.question import ProvenTag, TagQuestion, read_tags, write_tags
from protocols.consent.tag_lookup import Decryption, Holder, Step, TagTest, matches, steps_hash
from protocols.consent.tag_request import SignedTagRequest, TagRequest
from protocols.lookup.leaf import tag_bond
from protocols.oprf.group import ORDER, add, base, hash_to_group, multiply, random_scalar, subtract
from protocols.wire import inquiries_pb2 as wire

pytestmark = pytest.mark.integration
LEAVES = (("Mary", "bank-a"), ("John", "bank-b"), ("Mary", "bank-c"), ("Eve", "bank-a"))
HERS = (True, False, True, False)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("askers"), liars=True) as made:
        for person, bank in LEAVES:
            made.inquire(person, bank)
        made.seal()
        yield made


@dataclass
class Recorded:
    """Every byte that a holder received and sent, while Mary asked; she goes no further than `until`."""

    seen: dict[str, list[Any]] = field(default_factory=lambda: {"ombudsman": [], "regulator": []})
    until: str = ""

    def __call__(self, channel: Any, service: Any, method: str, request: Any, *, timeout: float) -> Any:
        if method == self.until:
            raise Refused("stopped", "test", got=method, expected="nothing further")
        name = "ombudsman" if len(getattr(request, "steps", ())) == 0 else "regulator"
        if method == "Decrypt":
            name = self.names[channel]
        self.names.setdefault(channel, name)
        reply = ask(channel, service, method, request, timeout=timeout)
        self.seen[name] += [request, reply]
        return reply

    names: dict[Any, str] = field(default_factory=dict)


def asked(at: World, monkeypatch: pytest.MonkeyPatch, until: str = "") -> tuple[Recorded, Asking]:
    recorded, mary = Recorded(until=until), at.asking("Mary")
    with monkeypatch.context() as patch:
        patch.setattr(asking, "ask", recorded)
        try:
            for _ in mary.ask(at.logged().leaves):
                pass
        except Refused as refused:
            if refused.code != "stopped":
                raise
    return recorded, mary


def say(at: World, holder: str, method: str, message: Any) -> Any:
    """As anybody may who can reach the holder's port."""
    said = at.oversight.holder(holder)
    with dial(said.address, credentials=client_tls(said.authority.encode())) as channel:
        return ask(channel, SERVICE, method, message, timeout=20.0)


def test_of_them_all_ask_in_turn(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, mary = asked(at, monkeypatch)
    assert [each.leaf.querier for each in mary.found] == ["bank-a", "bank-c"]
    assert [len(seen) for seen in recorded.seen.values()] == [4, 4]


def opened(secret: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> tuple[bool, ...]:
    """Which pairs `secret` shows to be about her: its multiple of the first half is the second."""
    return tuple(multiply(secret, left) == right for left, right in pairs)


@pytest.mark.parametrize("name", ["ombudsman", "regulator"])
def test_one_holder_alone_with_all_it_saw_learns_nothing(at: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its share, every byte it received and sent, the log, and whom it is about."""
    recorded, _ = asked(at, monkeypatch)
    view = b"".join(message.SerializeToString() for message in recorded.seen[name])
    share = at.home(name).share
    other = next(each for each in at.oversight.shares if each != name)
    theirs = next(each.decryption for each in recorded.seen[other] if isinstance(each, wire.DecryptReply))
    for element in Decryption.decode(theirs).elements:
        assert element not in view  # the other's half of the answer never comes near it
    question = recorded.seen[name][0].question
    person = hash_to_group(SignedTagRequest.decode(question.request).request.identifier)
    tags = [each.tag for each in read_tags(question.tags)]
    first = [(tag[:32], subtract(tag[32:], person)) for tag in tags]
    steps = [Step.decode(data).pairs for message in recorded.seen[name] for data in getattr(message, "steps", ())]
    assert steps
    both = (sum(int.from_bytes(at.home(each).share.secret, "little") for each in at.oversight.shares) % ORDER).to_bytes(
        32, "little"
    )
    for pairs in (first, *steps):
        assert not any(opened(share.secret, pairs))
        assert opened(both, pairs) == HERS  # what one would see that held the key alone


def replayed(at: World, recorded: Recorded, order: bytes = b"") -> tuple[bool, ...]:
    """The regulator puts Mary's question to the ombudsman as if it were she, and adds its own half."""
    question = next(
        message for message in recorded.seen["regulator"] if isinstance(message, wire.BlindRequest)
    ).question
    step = say(at, "ombudsman", "Blind", wire.BlindRequest(question=question)).step
    return collected(at, question, [step], order)


def collected(at: World, question: wire.Question, steps: list[bytes], order: bytes = b"") -> tuple[bool, ...]:
    signed = SignedTagRequest.decode(question.request).request
    tags = tuple(each.tag for each in read_tags(question.tags))
    test = TagTest(signed.session, signed.person, tags, at.oversight.shares, at.oversight.public)
    own = Holder(test, "regulator", at.home("regulator").share)
    read = [Step.decode(step) for step in steps]
    if len(read) == 1:
        read.append(own.blind(read, os.urandom))
    else:
        own = Holder(test, "regulator", at.home("regulator").share, kept=steps_hash(test, read))
    message = wire.DecryptRequest(question=question, steps=[step.encode() for step in read], order=order)
    theirs = Decryption.decode(say(at, "ombudsman", "Decrypt", message).decryption)
    return matches(test, read, {"ombudsman": theirs, "regulator": own.decrypt(read, os.urandom)})


def test_a_question_that_was_recorded_is_not_answered_again(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, _ = asked(at, monkeypatch)
    with pytest.raises(Refused, match="session") as refused:
        replayed(at, recorded)
    assert refused.value.code == "conflict"
    with at.lying(ombudsman="forgets"), pytest.raises(Refused, match="forged"):
        replayed(at, recorded)  # even then she has to order it
    with at.lying(ombudsman="forgets obeys"):
        assert replayed(at, recorded) == HERS


def test_the_other_holder_does_not_collect_the_answer_before_her(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The regulator has the whole question and both steps before she asks anybody to decrypt."""
    recorded, _ = asked(at, monkeypatch, until="Decrypt")
    request, reply = recorded.seen["regulator"]
    steps = [*request.steps, reply.step]
    with pytest.raises(Refused, match="forged"):
        collected(at, request.question, steps)
    theirs = at.persons.wallet("John").key.sign("fedscore/v1/consent/tag-decrypt", b"anything")
    with pytest.raises(Refused, match="forged"):
        collected(at, request.question, steps, order=theirs)
    with at.lying(ombudsman="obeys"):
        assert collected(at, request.question, steps) == HERS


def test_an_order_is_for_one_holder_and_these_steps(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, _ = asked(at, monkeypatch)
    orders = {
        name: next(m.order for m in seen if isinstance(m, wire.DecryptRequest)) for name, seen in recorded.seen.items()
    }
    with at.lying(ombudsman="forgets"):
        for order in orders.values():  # her own to the ombudsman is for steps that are not made again
            with pytest.raises(Refused, match="forged"):
                replayed(at, recorded, order)


def stranger(at: World, **changes: Any) -> Asking:
    """John asks as if he were Mary: with her identifier, and a key and a statement of his own."""
    john, mary = at.asking("John"), at.wallet("Mary")
    john.wallet = replace(
        john.wallet, subject=replace(john.wallet.subject, **changes or {"identifier": mary.subject.identifier})
    )
    return john


def test_a_stranger_is_refused_before_anything_is_computed(at: World) -> None:
    leaves = at.logged().leaves
    with pytest.raises(Refused, match="unknown_key"):
        list(stranger(at).ask(leaves))
    with pytest.raises(Refused, match="unknown_key"):  # with her salt too, which her statement commits to
        list(
            stranger(at, identifier=at.wallet("Mary").subject.identifier, salt=at.wallet("Mary").subject.salt).ask(
                leaves
            )
        )
    assert at.look_up("John")["inquiries"][0]["querier"] == "bank-b"


def test_a_stranger_that_is_believed_finds_her_inquirers(at: World) -> None:
    john = stranger(at)
    with at.lying(ombudsman="believes"), pytest.raises(Refused, match="unknown_key"):
        list(john.ask(at.logged().leaves))  # one honest holder is enough
    with at.lying(ombudsman="believes", regulator="believes"):
        list(john.ask(at.logged().leaves))
    assert [each.leaf.querier for each in john.found] == ["bank-a", "bank-c"]


def altered(leaf: LoggedLeaf, at: World, guess: str) -> LoggedLeaf:
    """A tag that is about John if the leaf is about `guess`, with whatever proof there is."""
    person = {name: hash_to_group(at.wallet(name).subject.identifier) for name in ("John", guess)}
    fresh = random_scalar(os.urandom)
    left = add(leaf.tag.tag[:32], base(fresh))
    right = add(subtract(add(leaf.tag.tag[32:], person["John"]), person[guess]), multiply(fresh, at.oversight.public))
    return replace(leaf, tag=ProvenTag(left + right, leaf.tag.proof, tag_bond("bank-b", bytes(32), os.urandom(16))))


def test_a_tag_made_of_a_strangers_is_not_tested(at: World) -> None:
    leaf = at.logged().leaves[0]
    with pytest.raises(Refused, match="tag"):
        list(at.asking("John").ask([altered(leaf, at, "Mary")]))
    with at.lying(ombudsman="accepts", regulator="accepts"):
        for guess, confirmed in (("Mary", 1), ("Eve", 0)):
            spy = at.asking("John")
            list(spy.ask([altered(leaf, at, guess)]))
            assert len(spy.found) == confirmed


def test_old_requests_and_later_ones_are_refused(at: World) -> None:
    leaves = at.logged().leaves
    for when, rule in ((-90_000, "expired"), (4_000, "not_yet_valid")):
        mary = replace(at.asking("Mary"), now=lambda when=when: time.time() + when)
        with pytest.raises(Refused, match=rule):
            list(mary.ask(leaves))


def test_two_thousand_hostile_messages_crash_nothing_and_leak_no_trace(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of an honest question, changed anywhere: typed refusals, and the same holders answer her afterwards."""
    recorded, _ = asked(at, monkeypatch)
    honest = [message for message in recorded.seen["regulator"] if hasattr(message, "question")]
    said = at.oversight.holder("ombudsman")
    codes = set()
    with dial(said.address, credentials=client_tls(said.authority.encode())) as channel:
        for number in range(2000):
            message = type(honest[number % 2])()
            message.CopyFrom(honest[number % 2])
            part = ("request", "identity", "salt", "tags")[number // 2 % 4]
            data = bytearray(getattr(message.question, part))
            for _ in range(1 + number % 3):
                data[os.urandom(2)[0] * len(data) // 256] ^= 1 + os.urandom(1)[0] % 255
            setattr(message.question, part, bytes(data[: len(data) - number % 5]))
            try:
                ask(channel, SERVICE, "Blind" if number % 2 == 0 else "Decrypt", message, timeout=20.0)
                codes.add("answered")
            except Refused as refused:
                codes.add(refused.code)
    assert codes <= {"invalid", "rate", "conflict", "unknown"}
    assert "internal" not in codes
    time.sleep(5)  # the flood used up this address's calls
    assert [each.leaf.querier for each in asked(at, monkeypatch)[1].found] == ["bank-a", "bank-c"]
    persons = [at.wallet(name).subject.identifier for name in ("Mary", "John")]
    for file in (*at.home("ombudsman").path.rglob("*"), *at.home("regulator").path.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            assert not any(person in data or person.hex().encode() in data for person in persons), file


def test_a_question_has_its_bounds(at: World) -> None:
    leaf = at.logged().leaves[0]
    mary = at.wallet("Mary")
    request = TagRequest(mary.key.public, mary.subject.identifier, os.urandom(32), 0, 1, int(time.time()))
    tags = (leaf.tag, leaf.tag)
    with pytest.raises(Exception, match=r"question\.tags"):
        TagQuestion(request.sign(mary.key), mary.identity, mary.subject.salt, tags)  # type: ignore[arg-type]
    question = wire.Question(
        request=request.sign(mary.key).encode(),
        identity=mary.identity.encode() if mary.identity else b"",
        salt=mary.subject.salt,
        tags=write_tags(tags),
    )
    with pytest.raises(Refused, match=r"question\.tags"):
        say(at, "ombudsman", "Blind", wire.BlindRequest(question=question))
    question.tags = bytes(160 * 1025)
    with pytest.raises(Refused, match="tags"):
        say(at, "ombudsman", "Blind", wire.BlindRequest(question=question))
