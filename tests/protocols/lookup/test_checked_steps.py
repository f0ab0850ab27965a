"""What members say in an epoch and the relay must not record: each lie at its step, refused by name.

A step that was recorded is never taken back, and the others wait for what it makes impossible.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checked_scene import NAMES, Scene
from world import Epoch, World

from federation.errors import Refused
from protocols.canonical import parse_canonical
from protocols.errors import MessageError, ProofError, SignatureError
from protocols.lookup.dummies import DummyOpening, open_dummies
from protocols.lookup.evidence import HandOver, Verdict, judge, sign_answer
from protocols.lookup.packing import pack
from protocols.lookup.rows import sign_rows
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf.group import IDENTITY
from protocols.oprf.joint_key import KeyShare, commit
from protocols.signing import SigningKey
from server.lookup.charges import charge
from server.lookup.checks import key_context
from server.lookup.epochs import Epoch as State
from server.lookup.epochs import Parties
from server.lookup.record_store import EpochRecord


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=12)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    return world.epoch()


@pytest.fixture
def scene(world: World, epoch: Epoch, tmp_path: Path) -> Scene:
    return Scene(world, epoch, tmp_path)


def test_what_has_another_form_is_not_recorded(scene: Scene) -> None:
    """Whoever reads it afterwards could not, and would be the one who is waited for."""
    names = list(scene.epoch.context.signed.epoch.auditors)
    for party, kind, body in (
        ("bank-00", "commit", {"commitment": "11" * 31}),
        ("bank-00", "commit", {}),
        ("bank-00", "table", {"digest": "11" * 33}),
        ("bank-00", "table", {"digest": "11" * 32, "more": ""}),
        ("bank-02", "handovers", {"batches": names}),
        ("bank-00", "verdicts", {"verdicts": [], "sealed": list(NAMES[1:])}),
    ):
        with pytest.raises(MessageError):
            scene.check(party, kind, body)


def test_what_is_revealed_was_committed_to(scene: Scene) -> None:
    context = key_context(EpochRecord(1, State(Parties(NAMES, NAMES[:2])), tuple(scene.said)))
    (commitment, honest), (_, other) = (
        commit(KeyShare.generate(os.urandom), "bank-00", context, os.urandom) for _ in range(2)
    )
    scene.say("commit", "bank-00", {"commitment": commitment.hex()})
    scene.check("bank-00", "reveal", {"opening": (honest.public + honest.proof + honest.salt).hex()})
    with pytest.raises(ProofError, match="key of bank-00: got another opening"):
        scene.check("bank-00", "reveal", {"opening": (other.public + other.proof + other.salt).hex()})


def test_who_enrolled_is_what_was_charged_and_logged(scene: Scene) -> None:
    scene.charge("bank-00", 3)
    scene.check("bank-00", "enrolled", {"count": 3})
    with pytest.raises(MessageError, match="count of bank-00: got 4, expected at most 3"):
        scene.check("bank-00", "enrolled", {"count": 4})
    with pytest.raises(MessageError, match="count of bank-01: got 1, expected at most 0"):
        scene.check("bank-01", "enrolled", {"count": 1})


def test_nobody_enrols_beyond_what_was_attested(scene: Scene) -> None:
    attested = scene.world.roster.member("bank-00").customers
    scene.charge("bank-00", attested)
    with pytest.raises(Refused, match=f"customers of bank-00: got {attested + 1}, expected at most {attested}"):
        scene.charge("bank-00", 1)


def test_the_keys_of_an_epoch_are_keys_and_nobody_elses(scene: Scene) -> None:
    """A copied pad key would have the copier's tickets open another member's table; the header would name nobody."""
    own, other = (EpochSecrets.generate(name, os.urandom) for name in NAMES[:2])
    said = {"pad": own.pad_public.hex(), "mask": own.mask_public.hex()}
    scene.check("bank-00", "secrets", said)
    scene.say("secrets", "bank-01", {"pad": other.pad_public.hex(), "mask": other.mask_public.hex()})
    scene.check("bank-00", "secrets", said)
    for stolen in ({"pad": other.pad_public.hex()}, {"mask": other.mask_public.hex()}):
        with pytest.raises(MessageError, match="keys of bank-00: got one of bank-01, expected its own, fresh"):
            scene.check("bank-00", "secrets", said | stolen)
    with pytest.raises(MessageError, match="pad key of bank-00: got the identity"):
        scene.check("bank-00", "secrets", said | {"pad": IDENTITY.hex()})
    with pytest.raises(MessageError, match="mask key of bank-00"):
        scene.check("bank-00", "secrets", said | {"mask": "00" * 32})


def test_a_report_holds_who_was_enrolled_and_no_more(scene: Scene) -> None:
    points = [*scene.world.pseudonyms["bank-00"].values()][:3]
    said = {"points": scene.upload("bank-00", b"".join(points), reader="relay"), "count": 3}
    scene.charge("bank-00", 2)
    with pytest.raises(Refused, match="points of bank-00: got 3, expected at most 2, as enrolled"):
        scene.check("bank-00", "report", said)
    scene.charge("bank-00", 1)
    scene.check("bank-00", "report", said)
    twice = scene.upload("bank-00", b"".join([points[0], points[1], points[0]]), reader="relay")
    with pytest.raises(MessageError, match="points of bank-00: got one point twice"):
        scene.check("bank-00", "report", {"points": twice, "count": 3})
    with pytest.raises(Refused, match="got 96 bytes, expected 64 bytes"):
        scene.check("bank-00", "report", said | {"count": 2})
    shown = scene.upload("bank-00", b"".join(points[:2]))
    with pytest.raises(Refused, match="got one for others too, expected one for relay alone"):
        scene.check("bank-00", "report", {"points": shown, "count": 2})


def test_an_epoch_is_signed_by_its_members_themselves(scene: Scene) -> None:
    header, signers = scene.epoch.context.signed.epoch, scene.world.signers
    scene.check("bank-00", "sign", {"signature": header.sign(signers["bank-00"]).hex()})
    longer = replace(header, closes_at=header.closes_at + 1)
    for forged in (header.sign(signers["bank-01"]), longer.sign(signers["bank-00"])):
        with pytest.raises(SignatureError):
            scene.check("bank-00", "sign", {"signature": forged.hex()})


def dummies(opening: DummyOpening) -> dict[str, str]:
    return {"openings": opening.shared.hex(), "proof": opening.proof.hex()}


def test_dummies_are_opened_under_the_members_own_key(scene: Scene) -> None:
    signed, secrets = scene.epoch.context.signed, scene.epoch.secrets
    count = scene.world.parameters.dummies
    honest, others = (open_dummies(secrets[name], signed, count, os.urandom) for name in NAMES[:2])
    fewer = open_dummies(secrets["bank-00"], signed, count - 1, os.urandom)
    scene.check("bank-00", "dummies", dummies(honest))
    swapped = replace(honest, shared=honest.shared[32:64] + honest.shared[:32] + honest.shared[64:])
    for forged in (others, fewer, swapped, replace(honest, proof=others.proof)):
        with pytest.raises(ProofError, match="dummy pads of bank-00"):
            scene.check("bank-00", "dummies", dummies(forged))


def test_rows_are_signed_as_the_tables_add_up(scene: Scene) -> None:
    """An auditor that signs another sum holds up the epoch, and would not be the one who is waited for."""
    total, context = scene.epoch.sum_values(), scene.epoch.context
    scene.files.sum_file.write_bytes(pack(total))
    other = total.copy()
    other[0, 0, 2] ^= 1
    key = scene.world.signers["bank-00"]
    for values, epoch_id in ((other, context.epoch_id), (total, bytes(32))):
        forged = scene.upload("bank-00", sign_rows(key, epoch_id, values).tobytes())
        with pytest.raises(SignatureError, match="row 0 by bank-00"):
            scene.check("bank-00", "rows", {"signatures": forged})
    honest = scene.upload("bank-00", sign_rows(key, context.epoch_id, total).tobytes())
    scene.check("bank-00", "rows", {"signatures": honest})


def test_an_opening_is_of_this_epoch_its_tables_and_all_auditors(scene: Scene) -> None:
    assert scene.epoch.opened is not None
    opening, signers = scene.epoch.opened.opening, scene.world.signers

    def said(party: str, **changed: Any) -> dict[str, Any]:
        made = replace(opening, **changed)
        return {"opening": parse_canonical(made.encode()), "signature": made.sign(signers[party]).hex()}

    scene.check("bank-00", "opening", said("bank-00"))
    with pytest.raises(SignatureError):
        scene.check("bank-00", "opening", said("bank-01"))
    with pytest.raises(MessageError, match=r"opening\.epoch_id: got 0000000000000000"):
        scene.check("bank-00", "opening", said("bank-00", epoch_id=bytes(32)))
    digests = {**opening.table_digests, "bank-02": bytes(32)}
    with pytest.raises(MessageError, match=r"opening\.table_digests: got others"):
        scene.check("bank-00", "opening", said("bank-00", table_digests=digests))
    scene.say("opening", "bank-01", said("bank-01"))
    scene.check("bank-00", "opening", said("bank-00"))
    with pytest.raises(Refused, match="opening: got another than bank-01 found") as refused:
        scene.check("bank-00", "opening", said("bank-00", hint_digest=bytes(32)))
    assert refused.value.code == "conflict"


def test_what_was_evaluated_is_said_in_one_form_and_to_all(scene: Scene) -> None:
    leaves = sorted(os.urandom(32) for _ in range(3))
    scene.check("bank-00", "evaluated", {"leaves": "", "count": 0})
    scene.check("bank-00", "evaluated", {"leaves": scene.upload("bank-00", b"".join(leaves)), "count": 3})
    for wrong in (leaves[::-1], [leaves[0], leaves[0]]):
        name = scene.upload("bank-00", b"".join(wrong))
        with pytest.raises(MessageError, match="evaluated leaves: got another order"):
            scene.check("bank-00", "evaluated", {"leaves": name, "count": len(wrong)})
    hidden = scene.upload("bank-00", b"".join(leaves[:2]), reader="relay")
    with pytest.raises(Refused, match="blob"):
        scene.check("bank-00", "evaluated", {"leaves": hidden, "count": 2})


def test_every_other_auditor_is_handed_a_batch(scene: Scene) -> None:
    """bank-00 and bank-01 audit: who leaves one of them out keeps it from judging, whoever it is."""
    for party, batches in (("bank-02", {"bank-00": "00" * 32}), ("bank-00", {}), ("bank-00", {"bank-02": "00" * 32})):
        with pytest.raises(MessageError, match=r"handovers\.batches: got others"):
            scene.check(party, "handovers", {"batches": batches})


def verdict(scene: Scene, *, pool: SigningKey, auditor: str = "bank-00") -> Verdict:
    """The pool answered from another table."""
    epoch_id = scene.epoch.context.epoch_id
    prepared: Any = SimpleNamespace(answer=lambda queries, keys: [b"the rows say so"])
    hand_over = HandOver(epoch_id, b"", b"query", b"answer", sign_answer(pool, epoch_id, b"", b"query", b"answer"))
    key = scene.world.signers["bank-00"]
    return judge(prepared, hand_over, b"", epoch_id=epoch_id, pool=pool.public, auditor=auditor, key=key)


def test_a_verdict_is_proof_by_its_auditor_or_it_is_nothing(scene: Scene) -> None:
    def sealed(**changed: str) -> dict[str, str]:
        return {name: scene.upload("bank-00", os.urandom(64), reader=name) for name in NAMES[1:]} | changed

    def said(*verdicts: Verdict, **changed: Any) -> dict[str, Any]:
        return {"verdicts": [parse_canonical(each.encode()) for each in verdicts], "sealed": sealed()} | changed

    true = verdict(scene, pool=scene.world.pool_key)
    assert true.accuses
    scene.check("bank-00", "verdicts", said(true))
    with pytest.raises(MessageError, match=r"verdict\.auditor: got bank-01, expected bank-00"):
        scene.check("bank-00", "verdicts", said(verdict(scene, pool=scene.world.pool_key, auditor="bank-01")))
    made_up: list[Callable[[], Verdict]] = [
        lambda: replace(true, query_hash=bytes(32)),
        lambda: verdict(scene, pool=SigningKey.generate()),
    ]
    for forged in made_up:
        with pytest.raises(SignatureError):
            scene.check("bank-00", "verdicts", said(true, forged()))
    longer = {"bank-02": scene.upload("bank-00", os.urandom(65), reader="bank-02")}
    with pytest.raises(MessageError, match=r"verdicts\.sealed: got 2 sizes, expected one size for all"):
        scene.check("bank-00", "verdicts", said(sealed=sealed(**{"bank-02": longer["bank-02"]})))
    shown = scene.upload("bank-00", os.urandom(64))
    with pytest.raises(Refused, match="got one for others too, expected one for bank-02 alone"):
        scene.check("bank-00", "verdicts", said(sealed=sealed(**{"bank-02": shown})))
    with pytest.raises(MessageError, match=r"verdicts\.sealed: got others"):
        scene.check("bank-00", "verdicts", said(sealed={"bank-01": sealed()["bank-01"]}))
    with pytest.raises(MessageError, match="verdicts: got dict, expected a list"):
        scene.check("bank-00", "verdicts", said(verdicts={}))


def test_who_erased_another_epoch_has_not_erased_this_one(scene: Scene) -> None:
    scene.check("bank-00", "erased", {"epoch": scene.epoch.context.epoch_id.hex()})
    for other in ("00" * 32, ""):
        with pytest.raises(MessageError, match=r"erased\.epoch"):
            scene.check("bank-00", "erased", {"epoch": other})


def test_one_batch_is_charged_once_and_logged(scene: Scene) -> None:
    engine, logged = scene.relay.record.engine, list[int]()

    def log() -> bytes:
        logged.append(1)
        return b"promise"

    for _ in range(2):
        assert charge(engine, scene.world.roster, "bank-00", b"request", 4, log) == (b"promise", 4)
    assert len(logged) == 1
