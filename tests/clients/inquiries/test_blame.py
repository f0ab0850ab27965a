"""Who is blamed, and who is not: openings that come late, twice, from others; leaves in another's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from oversight_world import BANKS, key_of
from spot_check_world import AUTHORITY, DAY, InquiryWorld, Person, inquiring, scope

import clients.regulator.inquiries.cli as cli
import protocols.consent.opening as openings
from clients.institution.lookup.opening import Opener
from clients.regulator.lookups import Lookups
from clients.regulator.mirror import MirrorStore
from clients.regulator.pages.reading import Copy
from clients.regulator.pages.site import TABLES
from federation.oversight.inquiries import ConsentVerdict
from protocols.consent.check import Revocations
from protocols.consent.opening import Opening, SignedOpening, Terms, judge
from protocols.consent.receipt import Inquiry
from protocols.consent.sealed import SealedOpening
from protocols.errors import MessageError, SignatureError
from protocols.lookup.ticket import KIND, SignedLeaf
from protocols.transparency import Statement, read_entry

FRAMED = Person(b"framed")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InquiryWorld]:
    """Two inquiries of every bank, one of them soft; one that the relay logs in bank-a's name."""
    with inquiring(tmp_path_factory.mktemp("blame")) as made:
        for bank in BANKS:
            made.ask(bank, Person(bank.encode()))
            soft = Person(b"soft " + bank.encode())
            made.ask(bank, soft, soft.consent(bank, inquiry=Inquiry.SOFT))
        leaf = made.leaves[next(iter(made.leaves))]
        framed = replace(leaf.leaf, qid=b"framed by relay!").sign(key_of("coordinator"))
        made.log.store.append(KIND, framed.encode())
        yield made


@pytest.fixture(scope="module")
def sample(world: InquiryWorld) -> dict[str, Any]:
    return world.sampled("all", 1.0)


@pytest.fixture(scope="module")
def files(world: InquiryWorld, sample: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    assert sample
    return [file for bank in BANKS for file in world.open(bank, tmp_path_factory.mktemp(bank))]


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, sample: dict[str, Any]) -> None:
    """The deadline is over."""
    monkeypatch.setattr(cli.time, "time", lambda: sample["deadline"] + 1.0)


def verdicts(world: InquiryWorld, querier: str) -> list[ConsentVerdict]:
    found = [read_entry(data) for _, data in world.log.store.entries(0, 10_000, ConsentVerdict.kind).entries]
    said = [ConsentVerdict.from_json(Statement.read(entry).content) for entry in found]
    return [each for each in said if each.querier == querier]


def told(world: InquiryWorld, *files: object, code: int = 0) -> dict[str, Any]:
    said = world.fsr("check", *files, "--draw", "all", "--keep", code=code)
    return {"unusable": said["unusable"], **{each["querier"]: each for each in said["queriers"]}}


def test_a_leaf_in_anothers_name_is_not_drawn_and_would_blame_the_innocent_without_the_check(
    world: InquiryWorld, sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 46."""
    assert {bank: len(leaves) for bank, leaves in sample["drawn"].items()} == dict.fromkeys(BANKS, 2)
    assert any("lookup-leaf" in alert.text for alert in world.watcher.store.alerts())  # and it is named

    def believed(self: Lookups, line: Any) -> SignedLeaf | None:
        return SignedLeaf.decode(read_entry(line.data).body) if line.kind == KIND else checked(self, line)

    checked = Lookups.check
    monkeypatch.setattr(Lookups, "check", believed)
    again = world.fsr("sample", "all")
    assert len(again["drawn"]["bank-a"]) == 3  # bank-a is to open what it never asked


def test_nobody_is_blamed_before_the_deadline_and_who_does_not_open_is_blamed_after_it(
    world: InquiryWorld, sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = told(world)
    assert all(len(waiting[bank]["waiting"]) == 2 and not waiting[bank]["broken"] for bank in BANKS)
    monkeypatch.setattr(cli.time, "time", lambda: sample["deadline"] + 1.0)
    over = told(world, code=1)
    assert {each["rule"] for bank in BANKS for each in over[bank]["broken"]} == {"not_opened"}


def test_what_is_handed_in_by_others_is_of_no_use_and_blames_nobody(
    world: InquiryWorld, files: list[Path], tmp_path: Path
) -> None:
    """Row 36: with an opening that bank-a did not sign, for another leaf, of another draw, or no opening at all."""
    sealed = SealedOpening.decode(files[0].read_bytes())
    assert sealed.querier == "bank-a"
    other = SealedOpening.decode(files[1].read_bytes())
    bench_key = bytes.fromhex(_seeds(world)["key"])
    leaf = world.leaves[sealed.leaf_hash]
    forged = SignedOpening(leaf.hash, b"{}", bytes(64))
    by_another = SignedOpening(
        leaf.hash, b"{}", key_of("bank-b").sign("fedscore/v1/consent/opening", leaf.hash + b"{}")
    )
    tries = {
        "no opening": b"nothing",
        "of another draw": replace(sealed, draw=bytes(32)).encode(),
        "for another leaf": replace(sealed, leaf_hash=other.leaf_hash).encode(),
        "in another's name": replace(sealed, querier="bank-b").encode(),
        "changed": replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])).encode(),
        "not signed": SealedOpening.of(forged, draw=sealed.draw, querier="bank-a", key=bench_key).encode(),
        "signed by another": SealedOpening.of(by_another, draw=sealed.draw, querier="bank-a", key=bench_key).encode(),
    }
    written = []
    for number, data in enumerate(tries.values()):
        written.append(tmp_path / f"{number}.opening")
        written[-1].write_bytes(data)
    said = told(world, *written)
    assert len(said["unusable"]) == len(tries)
    assert not any(said[bank]["broken"] for bank in BANKS)


def test_without_the_signature_anybody_could_blame_an_honest_querier(
    world: InquiryWorld, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 36."""
    sealed = SealedOpening.decode(files[0].read_bytes())
    leaf, key = world.leaves[sealed.leaf_hash], bytes.fromhex(_seeds(world)["key"])
    forged = SignedOpening(leaf.hash, b"{}", bytes(64))
    terms = Terms(None, None, (), Revocations())  # type: ignore[arg-type]
    with pytest.raises(SignatureError):
        judge(leaf, key_of("bank-a").public, forged, terms)
    monkeypatch.setattr(SignedOpening, "verify", lambda *_: None)
    assert judge(leaf, key_of("bank-a").public, forged, terms).rule == "malformed"
    assert SealedOpening.of(forged, draw=sealed.draw, querier="bank-a", key=key)


def test_only_the_regulator_reads_an_opening(world: InquiryWorld, files: list[Path]) -> None:
    for file in files:
        sealed = SealedOpening.decode(file.read_bytes())
        leaf = world.leaves[sealed.leaf_hash]
        for person in (leaf.leaf.querier.encode(), b"soft " + leaf.leaf.querier.encode()):
            assert person.hex().encode() not in sealed.sealed
            assert person not in sealed.sealed
        with pytest.raises(MessageError, match="do not open"):
            sealed.open(X25519PrivateKey.generate())
    # Without the seal it would stand there.
    with_name = Opening(leaf.hash, b"soft bank-c", world.asked["bank-c"].opening(leaf.hash)[1]).sign(key_of("bank-c"))
    assert b"soft bank-c".hex().encode() in with_name.encode()


def test_without_the_spot_check_nobody_sees_that_a_receipt_was_made_by_the_bank(
    world: InquiryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 28: leaf, promise, quota and serial are all in order."""
    leaf = world.ask("bank-c", FRAMED, Person(b"made up").consent("bank-c", signer=key_of("bank-c")))
    sampled = world.sampled("later", 1.0)
    assert [each["leaf"] for each in sampled["drawn"]["bank-c"]] == [leaf.hash.hex()]
    (file,) = [each for each in world.open("bank-c", tmp_path) if leaf.hash.hex() in each.name]
    broken = world.fsr("check", file, "--keep", code=1)
    assert [each["rule"] for each in broken["queriers"][0]["broken"]] == ["unknown_key"]
    monkeypatch.setattr(openings, "check_consent", lambda consent, **_: consent.receipt.receipt)
    assert world.fsr("check", file, "--keep")["holds"]


def test_an_honest_querier_that_was_late_refutes_the_verdict_and_nobody_else_can(
    world: InquiryWorld, sample: dict[str, Any], files: list[Path], late: None
) -> None:
    first = [file for file in files if SealedOpening.decode(file.read_bytes()).querier != "bank-b"]
    mine = [file for file in files if file not in first]
    said = world.fsr("check", *first, "--draw", "all", code=1)
    by_bank = {each["querier"]: each for each in said["queriers"]}
    assert [each["rule"] for each in by_bank["bank-b"]["broken"]] == ["not_opened"] * 2
    assert (by_bank["bank-a"]["hard"], by_bank["bank-a"]["soft"]) == (1, 1)
    again = world.fsr("check", "--draw", "all", code=1)  # from what was kept; nothing new is logged
    assert {each["querier"]: each["logged"] for each in again["queriers"]} == {
        bank: each["logged"] for bank, each in by_bank.items()
    }
    assert [each.number for each in verdicts(world, "bank-b")] == [1]
    told = world.fsr("check", *mine)
    assert told["holds"]
    assert [(each.number, each.failed) for each in verdicts(world, "bank-b")] == [(1, 2), (2, 0)]
    assert [each.number for each in verdicts(world, "bank-a")] == [1]
    world.turn()
    assert not any("consent" in alert.text for alert in world.watcher.store.alerts())


def test_whoever_is_shown_the_opening_reaches_the_same_verdict(world: InquiryWorld, sample: dict[str, Any]) -> None:
    """Row 36: the log, the roster in it and the signed opening are enough; no key of the regulator's is needed."""
    roster = world.context.roster
    terms = Terms(scope(), roster.oversight, roster.authorities, Revocations())
    for bank in BANKS:
        draws = world.draws(bank)
        (draw,) = [each for each in draws.valid if each.hash.hex() == sample["draw"]]
        for own in draws.own(draw):
            answer = Opener(world.homes[bank], world.asked[bank], draws).answer(own, draw)
            leaf, shown = own.signed, SignedOpening.decode(answer.encode())
            assert judge(leaf, world.context.roster.member(bank).key, shown, terms).rule is None


def _seeds(world: InquiryWorld) -> dict[str, Any]:
    data = world.log.store.entries(0, 10_000, "consent-seeds").entries[0][1]
    return dict(json.loads(data)["body"]["content"])


def test_the_pages_show_draws_and_verdicts(world: InquiryWorld, sample: dict[str, Any], late: None) -> None:
    """After the verdicts above: bank-b's first one was replaced."""
    world.fsr("check", "--draw", "all")
    world.turn()
    store = MirrorStore.open(world.regulator.database_url)
    with Copy(world.regulator, store).reading() as view:
        names = ("draws", "verdicts", "consent")
        drawn, found, consent = (TABLES[name](view, sample["deadline"] + DAY) for name in names)
    store.close()
    assert drawn.rows[0].values["drawn"] == 6
    assert [(row.values["hold"], row.values["broken"], row.values["outcome"]) for row in drawn.rows] == [
        (6, 0, "judged"),
        (0, 0, "revealed"),
    ]
    (epoch,) = consent.rows
    assert epoch.values["receipts"] == "needed"
    assert epoch.values["authorities"] == f"e-id ({AUTHORITY.public.key_id})"
    assert (epoch.values["inquiries"], epoch.values["drawn"]) == (8, 7)  # the relay's own, which nobody signed, is not
    assert drawn.rows[0].values["chance"] == 1.0
    rows = {row.values["querier"]: row for row in found.rows if row.values["draw"] == sample["draw"][:16]}
    assert {bank: row.values["outcome"] for bank, row in rows.items()} == dict.fromkeys(BANKS, "holds")
    assert not any(row.red for row in rows.values())
    others = [row for row in found.rows if row.values["draw"] != sample["draw"][:16]]
    assert [row.values["outcome"] for row in others] == ["late"]  # drawn later, and nothing was logged of it
    assert all("no verdict" in row.red for row in others)
