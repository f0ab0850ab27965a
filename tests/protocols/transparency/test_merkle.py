"""The tree against published vectors, against the definition, and against forged proofs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProofError
from protocols.transparency import (
    EMPTY_ROOT,
    Frontier,
    KeptNodes,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6962_merkle.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(each)) for each in VECTORS["leaf_inputs"]]


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**e for e in range(len(leaves).bit_length()) if 2**e < len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = max(2**e for e in range(len(leaves).bit_length()) if 2**e < len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m: int, leaves: list[bytes], complete: bool = True) -> list[bytes]:
    """Section 2.1.2, SUBPROOF."""
    if m == len(leaves):
        return [] if complete else [naive_root(leaves)]
    k = max(2**e for e in range(len(leaves).bit_length()) if 2**e < len(leaves))
    if m <= k:
        return [*naive_proof(m, leaves[:k], complete), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def reader(leaves: list[bytes], reads: list[tuple[int, int]] | None = None) -> Callable[[int, int], bytes]:
    """Serves perfect subtrees only, as a store does."""

    def node(level: int, index: int) -> bytes:
        start, end = index << level, (index + 1) << level
        assert end <= len(leaves), "asked for a node that is not complete"
        if reads is not None:
            reads.append((level, index))
        return naive_root(leaves[start:end])

    return node


def test_published_leaf_and_node_hashes() -> None:
    levels = [[bytes.fromhex(each) for each in level] for level in VECTORS["nodes"]]
    assert levels[0] == LEAVES
    for below, above in pairwise(levels):
        assert above == [node_hash(below[i], below[i + 1]) for i in range(0, len(below), 2)]


def test_published_roots() -> None:
    roots = [bytes.fromhex(each) for each in VECTORS["roots"]]
    assert [root(LEAVES[:size]) for size in range(len(LEAVES) + 1)] == roots
    assert roots[0] == EMPTY_ROOT


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: f"{case['index']} of {case['size']}")
def test_published_inclusion_proofs(case: dict[str, Any]) -> None:
    index, size, path = case["index"], case["size"], [bytes.fromhex(p) for p in case["path"]]
    assert inclusion_path(reader(LEAVES[:size]), index, size) == path
    verify_inclusion(path, LEAVES[index], index, size, bytes.fromhex(VECTORS["roots"][size]))


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: f"{case['old']} to {case['new']}")
def test_published_consistency_proofs(case: dict[str, Any]) -> None:
    old, new, path = case["old"], case["new"], [bytes.fromhex(p) for p in case["path"]]
    assert consistency_path(reader(LEAVES[:new]), old, new) == path
    roots = VECTORS["roots"]
    verify_consistency(path, old, new, bytes.fromhex(roots[old]), bytes.fromhex(roots[new]))


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


def test_every_proof_of_every_small_tree_is_the_definitions_and_verifies() -> None:
    leaves = leaves_of(20)
    roots = [naive_root(leaves[:size]) for size in range(21)]
    for new in range(1, 21):
        node = reader(leaves[:new])
        for index in range(new):
            path = inclusion_path(node, index, new)
            assert path == naive_path(index, leaves[:new])
            verify_inclusion(path, leaves[index], index, new, roots[new])
        for old in range(1, new + 1):
            path = consistency_path(node, old, new)
            assert path == naive_proof(old, leaves[:new])
            verify_consistency(path, old, new, roots[old], roots[new])


@given(st.integers(1, 300))
def test_frontier_is_the_definition(size: int) -> None:
    leaves = leaves_of(size)
    frontier = Frontier()
    stored: dict[tuple[int, int], bytes] = {}
    for leaf in leaves:
        frontier, completed = frontier.append(leaf)
        stored |= {(level, index): value for level, index, value in completed}
    assert frontier.root == naive_root(leaves)
    assert frontier == Frontier.read(lambda level, index: stored[level, index], size)
    assert len(stored) == 2 * size - size.bit_count()


def test_a_tree_that_grew_from_an_edge_proves_what_was_appended_since() -> None:
    for start in range(18):
        leaves, tree = leaves_of(start + 18), Frontier()
        for leaf in leaves[:start]:
            tree, _ = tree.append(leaf)
        kept = KeptNodes(tree)
        for size in range(start + 1, start + 19):
            tree, completed = tree.append(leaves[size - 1])
            kept.keep(completed)
            for index in range(start, size):
                path = inclusion_path(kept.node, index, size)
                assert path == inclusion_path(reader(leaves), index, size)
                verify_inclusion(path, leaves[index], index, size, tree.root)
        missing = [(0, start + 18)] + [(0, 0)] * (start > 1)
        for node in missing:
            with pytest.raises(KeyError):
                kept.node(*node)


@given(st.data())
def test_no_proof_of_one_statement_serves_for_another(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 65))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    path, head = inclusion_path(reader(leaves), index, size), naive_root(leaves)
    other_index = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
    other_size = data.draw(st.integers(index + 1, 200).filter(lambda n: n != size))
    bad = bytes(a ^ 1 for a in path[0])
    forgeries: list[Callable[[], None]] = [
        lambda: verify_inclusion(path, leaves[index], other_index, size, head),
        lambda: verify_inclusion(path, leaf_hash(b"never logged"), index, size, head),
        lambda: verify_inclusion([bad, *path[1:]], leaves[index], index, size, head),
        lambda: verify_inclusion(path[:-1], leaves[index], index, size, head),
        lambda: verify_inclusion([*path, bytes(32)], leaves[index], index, size, head),
        lambda: verify_inclusion(path, leaves[index], index, size, naive_root(leaves_of(other_size))),
    ]
    for forged in forgeries:
        with pytest.raises(ProofError):
            forged()


@given(st.data())
def test_a_log_that_rewrote_itself_has_no_consistency_proof(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 65))
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    leaves = leaves_of(new)
    rewritten = [*leaves[:changed], leaf_hash(b"rewritten"), *leaves[changed + 1 :]]
    seen = naive_root(leaves[:old])
    for path in (consistency_path(reader(rewritten), old, new), consistency_path(reader(leaves), old, new)):
        with pytest.raises(ProofError):
            verify_consistency(path, old, new, seen, naive_root(rewritten))


def test_nothing_proves_a_fork_to_be_trivial() -> None:
    one, two = naive_root(leaves_of(3)), naive_root(leaves_of(4))
    for old, new, old_root, new_root, path in (
        (3, 3, one, two, []),
        (0, 3, one, one, []),
        (3, 3, one, one, [bytes(32)]),
        (4, 3, two, one, []),
        (2, 3, one, two, []),
    ):
        with pytest.raises(ProofError):
            verify_consistency(path, old, new, old_root, new_root)


@given(
    st.lists(st.binary(max_size=40), max_size=70),
    st.integers(-2, 2**65),
    st.integers(-2, 2**65),
    st.binary(max_size=40),
)
def test_hostile_proofs_raise_nothing_but_proof_errors(path: list[bytes], a: int, b: int, head: bytes) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(path, bytes(32), a, b, head)
    try:
        verify_consistency(path, a, b, head, bytes(32))
    except ProofError:
        return
    assert (a, path, head) == (0, [], EMPTY_ROOT)


def test_a_proof_reads_logarithmically_many_nodes() -> None:
    zero = bytes(32)
    for size in (2**40 - 1, 2**40 + 12345):
        for old in (1, 2**39 - 7, size - 1):
            reads: list[tuple[int, int]] = []

            def node(level: int, index: int, reads: list[tuple[int, int]] = reads) -> bytes:
                reads.append((level, index))
                return zero

            inclusion_path(node, old, size)
            assert len(reads) <= 2 * 41
            consistency_path(node, old, size)
            assert len(reads) <= 4 * 41
