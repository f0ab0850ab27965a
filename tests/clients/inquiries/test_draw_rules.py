"""Who may say what of a draw, and when: each rule with an attack that succeeds without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oversight_world import BANKS, key_of
from spot_check_world import InquiryWorld, Person, inquiring

import clients.institution.lookup.drawn as institution_side
import clients.regulator.inquiries.draws as regulator_side
from clients.institution.lookup.drawn import LoggedDraws, RevealedDraw
from clients.institution.lookup.opening import Opener
from federation.errors import ConfigurationError, Refused
from federation.oversight.inquiries import (
    DRAW,
    REGULATOR,
    Broken,
    ConsentVerdict,
    SeedsStatement,
    draw_entry,
    read_draw,
)
from protocols.consent.draw import MARGIN, Draw, SignedDraw, commit_seed, drawn, joint_seed
from protocols.consent.refusal import Rule
from protocols.consent.sealed import SealedOpening
from protocols.errors import SignatureError
from protocols.lookup.leaf import KIND as LEAF
from protocols.lookup.leaf import SignedLeaf
from protocols.transparency import Entry, Frontier, leaf_hash, read_entry

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InquiryWorld]:
    with inquiring(tmp_path_factory.mktemp("rules")) as made:
        for bank in BANKS:
            made.ask(bank, Person(bank.encode()))
        made.turn()
        yield made


def logged(world: InquiryWorld, *, seed: bytes = SEED, rate: int = 1_000_000, **changes: Any) -> tuple[Draw, Entry]:
    """A draw over everything, in the log, as a regulator of this key may say it by any software."""
    size = world.log.store.size()
    draw = Draw(**{"seeds": {REGULATOR: commit_seed(seed)}, "rate": rate, "first": 0, "size": size + 40, **changes})
    entry = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(key_of("regulator"))}))
    world.log.host.append_of_regulator(entry)
    return draw, entry


def seeds(entry: Entry, *, seed: bytes = SEED, signer: str = "regulator", deadline: int = 2_000_000_000) -> Entry:
    return SeedsStatement(entry.hash.hex(), {REGULATOR: seed.hex()}, deadline, "09" * 32).entry(key_of(signer))


def named(world: InquiryWorld, since: int) -> list[str]:
    """What the watch says of entries from `since` on."""
    world.turn()
    places = {f"log entry {index}" for index in range(since, world.log.store.size())}
    return [alert.text for alert in world.watcher.store.alerts() if alert.place in places]


def leaves(world: InquiryWorld) -> list[tuple[int, SignedLeaf]]:
    found = world.log.store.entries(0, 10_000, LEAF).entries
    return [(at, SignedLeaf.decode(read_entry(data).body)) for at, data in found]


def fill(world: InquiryWorld, draw: Draw, short: int = 0) -> None:
    world.grow(draw.size - world.log.store.size() - short)


def of(world: InquiryWorld, entry: Entry) -> tuple[RevealedDraw | None, str]:
    """What bank-a makes of a draw: that it holds, or why it does not."""
    draws = world.draws("bank-a")
    valid = next((each for each in draws.valid if each.hash == entry.hash), None)
    return valid, draws.refused.get(entry.hash.hex(), "")


def test_a_draw_that_keeps_the_rules_holds_for_everybody(world: InquiryWorld) -> None:
    since = world.log.store.size()
    draw, entry = logged(world)
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry))
    assert named(world, since) == []
    valid, _ = of(world, entry)
    assert valid is not None
    draws = world.draws("bank-a")
    (own,) = draws.own(valid)
    assert draws.drawn() == [(own, valid)]


def test_seeds_before_the_log_has_the_size_are_refused(world: InquiryWorld) -> None:
    """Row 37. Whoever appends the last entry of the size knows the seed then, and tries until it likes the sample."""
    since = world.log.store.size()
    draw, entry = logged(world, seed=b"e" * 32)
    fill(world, draw, short=1)
    world.log.host.append_of_regulator(seeds(entry, seed=b"e" * 32))  # takes the last place of the size
    assert any("consent-seeds" in text for text in named(world, since))
    assert "nothing before the log has" in of(world, entry)[1]
    world.log.host.append_of_regulator(seeds(entry, seed=b"e" * 32, deadline=2_000_000_001))  # said in time it holds
    world.turn()
    assert of(world, entry)[0] is not None


def test_of_draws_on_the_same_leaves_one_is_open_at_a_time(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 37: a regulator that commits to many sees all their samples and reveals the one it likes; alone, without the
    coordinator: here the one in which bank-a, its friend, is not drawn."""
    since, size = world.log.store.size(), world.log.store.size() + 60
    tries = {bytes([64 + number]) * 32: number for number in range(20)}
    committed = {seed: logged(world, seed=seed, rate=300_000, size=size) for seed in tries}
    draw, first = committed[next(iter(tries))]
    fill(world, draw)
    world.turn()
    tree, own = Frontier(), [at for at, leaf in leaves(world) if leaf.leaf.querier == "bank-a"]
    for _, data in world.log.store.entries(0, size).entries[:size]:
        tree, _ = tree.append(leaf_hash(data))

    def spares(seed: bytes) -> bool:
        key = joint_seed(committed[seed][0], {REGULATOR: seed})
        return not any(drawn(key, tree.root, index, 300_000) for index in own)

    chosen = next(seed for seed in list(tries)[1:] if spares(seed))
    for seed in (chosen, next(iter(tries))):
        world.log.host.append_of_regulator(seeds(committed[seed][1], seed=seed))
    texts = named(world, since)
    assert sum("that is open" in text for text in texts) == len(tries) - 1
    assert [of(world, committed[chosen][1])[0], "that is open" in of(world, committed[chosen][1])[1]] == [None, True]
    assert of(world, first)[0] is not None  # the one that stood first, whatever it draws
    with monkeypatch.context() as off:
        off.setattr(institution_side, "check_alone", lambda *_: None)
        valid, _ = of(world, committed[chosen][1])
        assert valid is not None  # unchecked it is answered, and the friend is spared
        assert world.draws("bank-a").own(valid) == ()
    draw, entry = logged(world, seed=b"w" * 32)  # the seeds of the first one are there: the next may follow
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"w" * 32))
    world.turn()
    assert of(world, entry)[0] is not None


def test_a_coordinator_that_knows_the_seed_grinds_the_sample_and_without_it_it_cannot() -> None:
    """Row 37. It chooses the last entry of the size, over and over: forged leaves are never drawn, or by chance."""
    draw = Draw({REGULATOR: commit_seed(SEED)}, 300_000, 0, 50)
    tree = Frontier()
    for number in range(draw.size - 1):
        tree, _ = tree.append(leaf_hash(b"%d" % number))
    roots = [tree.append(leaf_hash(b"try %d" % number))[0].root for number in range(40)]
    forged = (3, 14, 15, 9, 26)

    def hits(seed: bytes, root: bytes) -> int:
        key = joint_seed(Draw({REGULATOR: commit_seed(seed)}, 300_000, 0, 50), {REGULATOR: seed})
        return sum(drawn(key, root, index, draw.rate) for index in forged)

    ground = min(roots, key=lambda root: hits(SEED, root))
    assert hits(SEED, ground) == 0  # with the seed: none of five is ever found
    # The very same choice, with a seed that is revealed after it: what is drawn is chance.
    later = [hits(bytes([number]) * 32, ground) for number in range(60)]
    assert sum(count > 0 for count in later) > 30  # 1 - .7^5 = .83 of 60


def test_a_draw_at_the_end_of_its_own_tree_is_refused(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 37. As the last entry the regulator knows the root it commits before, and tries seed after seed."""
    since = world.log.store.size()
    draw, entry = logged(world, seed=b"v" * 32, size=since + MARGIN)
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"v" * 32))
    assert any("entries before" in text for text in named(world, since))
    valid, why = of(world, entry)
    assert valid is None
    assert "16 entries after it" in why
    with monkeypatch.context() as off:
        off.setattr(institution_side, "check_place", lambda *_: None)
        off.setattr(regulator_side, "MARGIN", 0)
        assert of(world, entry)[0] is not None  # without the check it is answered


def test_seeds_that_were_not_committed_to_or_come_twice_or_of_nothing_are_named(world: InquiryWorld) -> None:
    since = world.log.store.size()
    draw, entry = logged(world, seed=b"c" * 32)
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"x" * 32))
    assert "another seed" in " ".join(named(world, since))
    assert "another seed" in of(world, entry)[1]
    world.log.host.append_of_regulator(seeds(entry, seed=b"c" * 32))
    twice = SeedsStatement(entry.hash.hex(), {REGULATOR: (b"c" * 32).hex()}, 2_000_000_001, "09" * 32)
    world.log.host.append_of_regulator(twice.entry(key_of("regulator")))
    unknown = SeedsStatement("ab" * 32, {REGULATOR: (b"c" * 32).hex()}, 2_000_000_000, "09" * 32)
    world.log.host.append_of_regulator(unknown.entry(key_of("regulator")))
    texts = " ".join(named(world, since))
    for what in ("another seed", "second time", "not in the log"):
        assert what in texts


def test_nobody_but_the_regulator_draws(world: InquiryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Draw({REGULATOR: commit_seed(SEED)}, 1_000_000, 0, world.log.store.size() + 40)
    stranger = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(key_of("bank-b"))}))
    for entry in (stranger, seeds(stranger, signer="bank-b")):
        with pytest.raises(SignatureError):
            world.log.host.append_of_regulator(entry)
        with pytest.raises(Refused):
            world.log.host.append_for("bank-b", key_of("bank-b").public, [entry])
    # A coordinator can log what it likes: verifiers name it, an institution answers nothing of it.
    since = world.log.store.size()
    world.log.store.append(DRAW, stranger.body)
    fill(world, draw)
    said = seeds(stranger, signer="bank-b")
    world.log.store.append(said.kind, said.body)
    assert len(named(world, since)) == 2
    assert of(world, stranger) == (None, "")


def test_a_draw_is_one_entry_whoever_adds_to_it(world: InquiryWorld) -> None:
    """A coordinator that could log it in another form, before it, would have the true one stand beside an open draw."""
    draw = Draw({REGULATOR: commit_seed(SEED)}, 1_000_000, 0, world.log.store.size() + 40)
    signatures = {REGULATOR: draw.sign(key_of("regulator"))}
    keys = {REGULATOR: key_of("regulator").public}
    assert read_draw(draw_entry(SignedDraw(draw, signatures)), keys).draw == draw
    for changed in ({**signatures, "nobody": bytes(64)}, {}, {"nobody": bytes(64)}):
        with pytest.raises(SignatureError):
            read_draw(draw_entry(SignedDraw(draw, changed)), keys)


def test_a_draw_without_the_ombudsman_is_not_answered_where_one_is_named(world: InquiryWorld) -> None:
    draw, entry = logged(world, seed=b"o" * 32)
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"o" * 32))
    world.turn()
    home = world.homes["bank-a"]
    settings = home.settings.model_copy(
        update={"lookup": home.settings.lookup.model_copy(update={"ombudsman": key_of("ombudsman").public.hex})}
    )
    demanding = type(home)(home.path, settings, home.signing_key)
    draws = LoggedDraws.read(world.draws("bank-a").log, demanding, 2_000_000_000.0)
    assert draws.valid == ()
    assert "ombudsman" in draws.refused[entry.hash.hex()]


def test_what_was_not_drawn_stays_closed_whoever_asks(
    world: InquiryWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draw, entry = logged(world, seed=b"n" * 32, rate=1)  # one in a million
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"n" * 32))
    leaf = world.ask("bank-a", Person(b"closed"))
    world.turn()
    opener = Opener(world.homes["bank-a"], world.asked["bank-a"], world.draws("bank-a"))
    with pytest.raises(ConfigurationError, match="stays closed"):
        opener.named(leaf.leaf.qid.hex())
    (own,) = opener.draws.leaves(0, lambda each: each.signed.hash == leaf.hash)
    valid, _ = of(world, entry)
    assert valid is not None
    with pytest.raises(ConfigurationError, match="stays closed"):
        opener.open(own, valid)
    with pytest.raises(ConfigurationError, match="no inquiry in the log"):
        opener.named("ab" * 16)
    with pytest.raises(ConfigurationError, match="32 or 64"):
        opener.named("anna")
    monkeypatch.setattr(RevealedDraw, "draws", lambda *_: True)
    assert SealedOpening.decode(opener.open(own, valid)).leaf_hash == leaf.hash  # without the check


def test_a_verdict_on_what_was_not_drawn_or_out_of_number_is_named(world: InquiryWorld) -> None:
    since = world.log.store.size()
    draw, entry = logged(world, seed=b"j" * 32)
    fill(world, draw)
    world.log.host.append_of_regulator(seeds(entry, seed=b"j" * 32))
    part = [leaf for leaf in world.leaves.values() if leaf.leaf.querier == "bank-a"]
    fields: dict[str, Any] = {"draw": entry.hash.hex(), "querier": "bank-a", "number": 1, "hard": 0, "soft": 0}
    undrawn = (Broken(since, "ab" * 32, Rule.FORGED),)
    elsewhere = {**fields, "draw": "cd" * 32, "hard": len(part)}
    lies = {
        "as drawn": ConsentVerdict(**fields, drawn=0, broken=()),
        "one that was drawn": ConsentVerdict(**{**fields, "hard": len(part) - 1}, drawn=len(part), broken=undrawn),
        "not in the log": ConsentVerdict(**elsewhere, drawn=len(part), broken=()),
        "expected 1": ConsentVerdict(**{**fields, "number": 2, "hard": len(part)}, drawn=len(part), broken=()),
    }
    for said in lies.values():
        world.log.host.append_of_regulator(said.entry(key_of("regulator")))
    true = ConsentVerdict(**{**fields, "hard": len(part)}, drawn=len(part), broken=())
    world.log.host.append_of_regulator(true.entry(key_of("regulator")))
    texts = named(world, since)
    assert len(texts) == len(lies)
    for what in lies:
        assert any(what in text for text in texts), (what, texts)
