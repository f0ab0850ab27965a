"""Tiles and bundles against the specification's examples, and proofs from tiles against the tree's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import EncodingError, MessageError, ProofError, ProtocolError
from protocols.transparency import (
    Frontier,
    Tile,
    bundles_of,
    consistency_path,
    inclusion_path,
    leaf_hash,
    read_bundle,
    tile_nodes,
    tiles_of,
    verify_consistency,
    verify_inclusion,
    write_bundle,
)
from protocols.transparency.tile import ENTRIES, read_tile

SIZE = 66_000  # three levels of tiles


@pytest.fixture(scope="module")
def nodes() -> dict[tuple[int, int], bytes]:
    frontier, found = Frontier(), {}
    for number in range(SIZE):
        frontier, made = frontier.append(leaf_hash(number.to_bytes(4, "big")))
        found |= {(level, at): value for level, at, value in made}
    return found


def test_the_specifications_examples() -> None:
    """C2SP tlog-tiles: index 1234067; a tree of 70,000; one of 256."""
    assert Tile(3, 1234067).path == "tile/3/x001/x234/067"
    tiles = list(tiles_of(70_000))
    count = {level: [tile for tile in tiles if tile.level == level] for level in (0, 1, 2, 3)}
    assert [tile.width for tile in count[0]] == [256] * 273 + [112]
    assert [tile.width for tile in count[1]] == [256, 17]
    assert [tile.width for tile in count[2]] == [1]
    assert count[3] == []
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert [tile.path for tile in bundles_of(257)] == ["tile/entries/000", "tile/entries/001.p/1"]
    assert list(tiles_of(0)) == []


def test_only_what_is_new_is_fetched_again() -> None:
    assert [tile.path for tile in tiles_of(600, since=300)] == ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]
    assert [tile.path for tile in bundles_of(600, since=512)] == ["tile/entries/002.p/88"]


@given(st.integers(-1, 63), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_a_path_names_one_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001/x000/000/000",
        "tile/0/../../../etc/passwd",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/data/000",
        "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "",
    ],
)
def test_other_forms_of_a_path_are_refused(path: str) -> None:
    with pytest.raises(MessageError):
        Tile.parse(path)


@given(st.text(alphabet="tile/ntrsx0123456789.p", max_size=40))
def test_whatever_parses_is_the_one_form(path: str) -> None:
    try:
        tile = Tile.parse(path)
    except ProtocolError:
        return
    assert tile.path == path


@pytest.mark.parametrize(("old", "new"), [(1, SIZE), (255, 256), (256, 65_537), (65_536, SIZE), (30_001, 65_999)])
def test_proofs_come_from_tiles_alone(nodes: dict[tuple[int, int], bytes], old: int, new: int) -> None:
    fetched: list[str] = []

    def fetch(tile: Tile) -> bytes:
        assert tile.in_tree(new)
        fetched.append(tile.path)
        return b"".join(nodes[tile.height, tile.first + at] for at in range(tile.width))

    node = tile_nodes(fetch, new)
    root, older = Frontier.read(node, new).root, Frontier.read(lambda *at: nodes[at], old).root
    assert root == Frontier.read(lambda *at: nodes[at], new).root
    verify_consistency(consistency_path(node, old, new), old, new, older, root)
    for index in {0, old - 1, new - 1, new // 2}:
        leaf = nodes[0, index]
        verify_inclusion(inclusion_path(node, index, new), leaf, index, new, root)
    assert len(fetched) == len(set(fetched)) < 20


def test_a_tile_that_lies_proves_nothing(nodes: dict[tuple[int, int], bytes]) -> None:
    def fetch(tile: Tile) -> bytes:
        data = bytearray(b"".join(nodes[tile.height, tile.first + at] for at in range(tile.width)))
        data[0] ^= 1
        return bytes(data)

    root = Frontier.read(lambda *at: nodes[at], SIZE).root
    with pytest.raises(ProofError):
        verify_inclusion(inclusion_path(tile_nodes(fetch, SIZE), 3, SIZE), nodes[0, 3], 3, SIZE, root)


def test_what_is_beyond_the_tree_is_not_read(nodes: dict[tuple[int, int], bytes]) -> None:
    node = tile_nodes(lambda tile: bytes(32 * tile.width), 300)
    for level, at in ((0, 300), (8, 1), (0, -1), (9, 0)):
        with pytest.raises((ProofError, MessageError)):
            node(level, at)
    with pytest.raises(MessageError, match="31 bytes"):
        read_tile(Tile(0, 0, 1), bytes(31))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_are_read_as_they_are_written(entries: list[bytes]) -> None:
    assert read_bundle(write_bundle(entries), len(entries)) == entries


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\x00", 1), (b"\x00\x02a", 1), (b"\x00\x01ab", 1), (b"\x00\x01a", 2), (b"", 1), (b"\x00\x00", 0)],
)
def test_bundles_of_another_form_are_refused(data: bytes, width: int) -> None:
    with pytest.raises((MessageError, EncodingError)):
        read_bundle(data, width)


def test_what_is_too_long_for_a_bundle_is_not_cut() -> None:
    assert len(write_bundle([bytes(65_535)])) == 65_537
    with pytest.raises(MessageError, match="65536 bytes"):
        write_bundle([bytes(65_536)])
    assert Tile(ENTRIES, 0).height == 0
