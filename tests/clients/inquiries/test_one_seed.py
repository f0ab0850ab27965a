"""Row 37, the limit of a draw on one seed: the regulator knows it, and may log entries itself. On two it knows one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from oversight_world import BANKS, key_of
from spot_check_world import InquiryWorld, Person, inquiring

from federation.oversight.inquiries import OMBUDSMAN, REGULATOR, SeedsStatement, draw_entry
from protocols.consent.draw import Draw, SignedDraw, commit_seed, drawn, joint_seed
from protocols.transparency import Entry, Frontier, leaf_hash

RATE = 300_000


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def logged(draw: Draw) -> Entry:
    return draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(key_of("regulator"))}))


def follows(draw: Draw, rate: int) -> Entry:
    """A draw on leaves to come: an entry as good as any, whatever its rate is."""
    return logged(Draw({REGULATOR: commit_seed(seed_of("later"))}, rate, draw.size, draw.size + 400))


def hits(tree: Frontier, last: Entry, seeds: dict[str, bytes], places: list[int]) -> int:
    """How many of `places` are drawn if `last` is the last entry of the draw's size."""
    root = tree.append(leaf_hash(last.data))[0].root
    key = joint_seed(Draw({holder: commit_seed(seed) for holder, seed in seeds.items()}, RATE, 0, 1), seeds)
    return sum(drawn(key, root, index, RATE) for index in places)


def test_on_one_seed_the_regulator_alone_spares_whom_it_likes_and_nobody_sees_it(tmp_path: Path) -> None:
    """It waits for a quiet hour and logs the last entry itself. Neither coordinator nor witnesses have a part in it."""
    with inquiring(tmp_path) as world:
        leaves = [world.ask(bank, Person(bank.encode())) for bank in BANKS]
        places = [world.log.store.inclusion(leaf.hash).index for leaf in leaves]
        seed = seed_of("own")
        draw = Draw({REGULATOR: commit_seed(seed)}, RATE, 0, world.log.store.size() + 40)
        world.log.host.append_of_regulator(entry := logged(draw))
        world.grow(draw.size - world.log.store.size() - 1)
        tree = tree_of(world)
        tries = (follows(draw, rate) for rate in range(1, 200))
        last = next(each for each in tries if not hits(tree, each, {REGULATOR: seed}, places))
        world.log.host.append_of_regulator(last)
        said = SeedsStatement(entry.hash.hex(), {REGULATOR: seed.hex()}, 2_000_000_000, "09" * 32)
        world.log.host.append_of_regulator(said.entry(key_of("regulator")))
        world.turn()
        assert world.watcher.store.alerts() == []
        (valid,) = world.draws("bank-a").valid
        assert [world.draws(bank).own(valid) for bank in BANKS] == [(), (), ()]


def test_on_two_seeds_what_it_chose_for_one_is_chance_for_the_other() -> None:
    draw, places, tree = Draw({REGULATOR: commit_seed(seed_of("own"))}, RATE, 0, 50), [3, 14, 15, 9, 26], Frontier()
    for number in range(draw.size - 1):
        tree, _ = tree.append(leaf_hash(b"%d" % number))
    own = {REGULATOR: seed_of("own")}
    last = next(each for rate in range(1, 400) if not hits(tree, each := follows(draw, rate), own, places))
    found = [hits(tree, last, {**own, OMBUDSMAN: seed_of(f"ombudsman {number}")}, places) for number in range(60)]
    assert sum(count > 0 for count in found) > 35  # 1 - .7^5 = .83 of 60; all of it is fixed, and so is this number


def tree_of(world: InquiryWorld) -> Frontier:
    tree = Frontier()
    for _, data in world.log.store.entries(0, 10_000).entries:
        tree, _ = tree.append(leaf_hash(data))
    return tree
