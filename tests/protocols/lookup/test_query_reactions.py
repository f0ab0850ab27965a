"""A pool that corrupts something and watches: whatever it does to an answer, what it sees next is the same.

What a reaction would give away is shown with askers that react: one asks again after a row that does not verify, one
judges the record alone, as the first design did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from query_world import QueryWorld, Seen, evil, occupied, opened
from world import Epoch

from clients.institution.lookup import closing
from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.kept_answers import ANSWERS_FILE
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum
from protocols.errors import MessageError
from protocols.lookup.bound import BATCH_BYTES
from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.packing import lengthen, shorten
from protocols.lookup.engines.bfv.parameters import DEGREE, PRIMES
from protocols.lookup.evidence import Verdict, judge
from protocols.lookup.hand_over import open_batch
from protocols.lookup.parameters import COUNT, MODULUS
from protocols.lookup.rows import Rows

ENGINES = ("lwe", "bfv")
ASKED = 8


class AsksAgain(Asking):
    """Takes the protection away: a row that does not verify is asked for once more."""

    def _scan(self, batch: Sequence[Asked]) -> None:
        super()._scan(batch)
        if failed := [asked for asked in batch if isinstance(asked.found, Unavailable)]:
            super()._scan(failed)


class JudgesTheRecord(Asking):
    """Takes the row's signatures away: it asks again when the record itself makes no sense, as the first design did."""

    def _open(self, asked: Asked, place: Any, pending: Any, query: bytes, answer: Any, *_: Any) -> Any:
        values, _ = pending.open(answer.answer)
        assert asked.ticket is not None
        record = (values[place[1]].astype(np.int64) - asked.ticket.pads) % MODULUS
        try:
            return JointSum.read(record.astype(np.uint32), 3)
        except MessageError:
            self.pool.query([query], self.epoch.keys_name(self.epoch.client(self.pool)), timeout=1.0)
            return Unavailable("pool", "asked again")


def corrupted(world: QueryWorld, epoch: Epoch, row: int) -> Any:
    """The pool's table with a record of one row changed: in five bytes, for with lwe one alone is read as the right one
    once in 256 questions."""
    assert epoch.audited is not None
    rows = epoch.audited.rows
    values = rows.values.copy()
    values[row, 0, 3:] ^= 1
    return world.engine.prepare(Rows(values, rows.signatures), epoch.context.epoch_id)


def seen_by(world: QueryWorld, ask: Callable[[], Any]) -> tuple[list[Seen], Any]:
    before = len(world.seen)
    found = ask()
    return world.seen[before:], found


def corrupting(world: QueryWorld, epoch: Epoch, folder: Path, kind: type[Asking] = Asking) -> tuple[Asking, int]:
    """An asker whose pool answers from a table with one wrong record, and the row in which that is."""
    folder.mkdir(exist_ok=True)
    asking, row = world.asking("bank-02", epoch, folder, kind), occupied(world, epoch)  # bank-02 is no auditor
    evil(asking).prepared = corrupted(world, epoch, row)
    return asking, row


def test_a_corrupted_row_changes_nothing_that_pool_or_relay_can_see(tmp_path: Path) -> None:
    world, epoch = opened("bfv")
    asking, row = corrupting(world, epoch, tmp_path)
    hit = world.in_row(epoch, row)[0]
    sights = []
    for miss in world.not_in_row(epoch, row)[:ASKED]:  # a miss, the hit, a miss, the hit ...
        for asked in (miss, hit):
            seen, [found] = seen_by(world, partial(world.ask, asking, [asked]))
            sights.append(seen)
            assert isinstance(found, Unavailable if asked == hit else JointSum)
    assert all(seen == sights[0] for seen in sights)
    assert [entry.call for entry in sights[0]] == ["Append", "Ticket", "Query"]
    assert len(set(evil(asking).queries)) == 2 * ASKED


def test_who_asks_again_tells_the_pool_which_row_it_wanted(tmp_path: Path) -> None:
    world, epoch = opened("bfv")
    asking, row = corrupting(world, epoch, tmp_path, AsksAgain)
    guessed, truth = [], []
    for identifier in (*world.not_in_row(epoch, row)[:ASKED], *world.in_row(epoch, row)[:ASKED]):
        seen, _ = seen_by(world, partial(world.ask, asking, [identifier]))
        guessed.append([entry.call for entry in seen].count("Query") == 2)
        truth.append(world.row_of(epoch, identifier) == row)
    assert guessed == truth
    assert sum(truth) == ASKED


@pytest.mark.parametrize("name", ENGINES)
def test_a_pool_that_fails_sees_what_an_honest_one_sees(name: str, tmp_path: Path) -> None:
    """With lwe one wrong byte breaks every answer, whatever row it was for: the signed hint no longer fits."""
    world, epoch = opened(name)
    subjects = world.not_in_row(epoch, occupied(world, epoch))[:ASKED]
    (tmp_path / "honest").mkdir()
    honest = world.asking("bank-02", epoch, tmp_path / "honest")
    failing, _ = corrupting(world, epoch, tmp_path / "failing")
    evil(failing).change = lambda answer: answer[:-1] + bytes([answer[-1] ^ 255])
    good, found = seen_by(world, lambda: [world.ask(honest, [one])[0] for one in subjects])
    bad, none = seen_by(world, lambda: [world.ask(failing, [one])[0] for one in subjects])
    assert all(isinstance(each, JointSum) for each in found)
    assert all(isinstance(each, Unavailable) and each.party == "pool" for each in none)
    assert good == bad


@pytest.mark.parametrize("name", ENGINES)
def test_hand_overs_have_one_form_whatever_failed(name: str, tmp_path: Path) -> None:
    """Nothing before the end; then one batch of one size for every other auditor, and it convicts the pool."""
    world, epoch = opened(name)
    forms, batches = {}, {}
    for kind, asked in (("failed", 3), ("nothing", 0)):
        asking, row = corrupting(world, epoch, tmp_path / kind)
        during, _ = seen_by(world, partial(ask_often, world, epoch, asking, row, asked))
        assert "Upload" not in {entry.call for entry in during}
        forms[kind], said = seen_by(world, partial(closing.handovers, asking.epoch.part))
        assert sorted(said["batches"]) == ["bank-00", "bank-01"]
        batches[kind] = asking.epoch.part.folder.read("batch-bank-00.bin")
    assert forms["failed"] == forms["nothing"]
    assert [entry.call for entry in forms["failed"]] == ["Upload", "Upload"]
    assert len(handed_over(world, epoch, batches["nothing"])) == 0
    verdicts = handed_over(world, epoch, batches["failed"])
    assert len(verdicts) == 3
    for verdict in verdicts:
        assert verdict.accuses
        verdict.verify(world.signers["bank-00"].public, world.pool_key.public)


def ask_often(world: QueryWorld, epoch: Epoch, asking: Asking, row: int, times: int) -> None:
    for _ in range(times):
        world.ask(asking, world.in_row(epoch, row)[:1])


def handed_over(world: QueryWorld, epoch: Epoch, sealed: bytes | None) -> list[Verdict]:
    """What the auditor bank-00 makes of the batch of bank-02."""
    assert sealed is not None
    assert epoch.audited is not None
    auditor = X25519PrivateKey.from_private_bytes(epoch.secrets["bank-00"].mask)
    batch = open_batch(sealed, auditor, epoch.context.epoch_id, "bank-02")
    how: dict[str, Any] = {"epoch_id": epoch.context.epoch_id, "pool": world.pool_key.public, "auditor": "bank-00"}
    key = world.signers["bank-00"]
    return [judge(epoch.audited.prepared, item, batch.keys, key=key, **how) for item in batch.items]


def with_a_push(secret_index: int, position: int) -> Callable[[bytes], bytes]:
    """An answer plus 3/4 of the scale times X^k in c1: the coefficient at `position` moves iff s_u is not 0."""
    amount = int(0.75 * PRIMES[0] / MODULUS)

    def change(epoch_id: bytes, answer: bytes) -> bytes:
        polynomials = lengthen(messages.ANSWER.payload(epoch_id, answer))
        k = (position - secret_index) % DEGREE
        polynomials[1, k] = (int(polynomials[1, k]) + amount) % PRIMES[0]
        return messages.ANSWER.frame(epoch_id, shorten(polynomials))

    return lambda answer: change(answer[24:56], answer)


def secret_key(asking: Asking) -> Any:
    """int64[N] in -1, 0, 1: (0, Delta) decrypts to it."""
    import tenseal.sealapi as seal

    from protocols.lookup.engines.bfv.parameters import ring

    client: Any = asking.epoch.client(asking.pool)
    polynomials = np.zeros((2, DEGREE), dtype=np.uint64)
    polynomials[1, 0] = PRIMES[0] // MODULUS
    plain = seal.Plaintext()
    seal.Decryptor(ring().context, client._secret).decrypt(serial.answer_ciphertext(polynomials), plain)
    found = serial.plaintext_coefficients(plain).astype(np.int64)
    return np.where(found > 1, -1, found)


def bits_read(world: QueryWorld, epoch: Epoch, asking: Asking, count: int) -> tuple[list[bool], list[bool]]:
    """(whether the pool saw a reaction, whether s_u is not 0), for the first `count` coefficients of the secret key."""
    subject = next(identifier for identifier in world.identifiers if world.truth(identifier)[1] in (1, 2))
    found = epoch.layout.find(epoch.point(subject))
    assert found is not None
    guesses = []
    for index in range(count):
        evil(asking).change = with_a_push(index, found[1] * 8)
        seen, _ = seen_by(world, lambda: world.ask(asking, [subject]))
        guesses.append([entry.call for entry in seen] != ["Append", "Ticket", "Query"])
    return guesses, [bool(value) for value in secret_key(asking)[:count]]


def test_who_judges_the_record_and_asks_again_gives_its_secret_key_away(tmp_path: Path) -> None:
    world, epoch = opened("bfv")
    guesses, truth = bits_read(world, epoch, world.asking("bank-00", epoch, tmp_path, JudgesTheRecord), 16)
    assert guesses == truth
    assert 3 < sum(truth) < 16


def test_pushed_answers_bring_no_reaction_and_no_bit(tmp_path: Path) -> None:
    world, epoch = opened("bfv")
    guesses, truth = bits_read(world, epoch, world.asking("bank-00", epoch, tmp_path), 6)
    assert not any(guesses)
    assert any(truth)


def test_with_a_mirror_the_pool_hears_of_no_question(tmp_path: Path) -> None:
    """It knows who took the table, and not when anything is looked up in it."""
    world = QueryWorld.with_engine("mirror", subjects=60, bound=40)
    epoch = world.epoch()
    asking = world.asking("bank-02", epoch, tmp_path)
    seen, found = seen_by(world, lambda: world.ask(asking, world.identifiers[:3]))
    assert [one.count for one in found] == [int(world.truth(one)[COUNT]) for one in world.identifiers[:3]]
    assert {entry.party for entry in seen} == {"relay"}
    assert not asking.epoch.part.folder.file(ANSWERS_FILE).exists()


def test_one_bloated_answer_does_not_keep_the_others_from_the_auditor(tmp_path: Path) -> None:
    """A pool that corrupts a row answers once with megabytes: the evidence of its other lies must still arrive."""
    world, epoch = opened("lwe")
    asking, row = corrupting(world, epoch, tmp_path)
    world.ask(asking, world.in_row(epoch, row)[:1])
    evil(asking).change = lambda answer: answer + bytes(BATCH_BYTES["lwe"])
    world.ask(asking, world.in_row(epoch, row)[:1])
    closing.handovers(asking.epoch.part)
    assert any(
        verdict.accuses for verdict in handed_over(world, epoch, asking.epoch.part.folder.read("batch-bank-00.bin"))
    )
