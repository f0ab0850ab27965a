"""A holder that lies, in a process of its own: it is named; with the person's verification off it succeeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from inquiries_world import World, world

from clients.subject import asking
from protocols.consent import tag_lookup
from protocols.consent.tag_lookup import Decryption, Step, TagTest
from protocols.errors import ProofError
from protocols.oprf.group import sum_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lies"), liars=True) as made:
        for person, bank in (("Mary", "bank-a"), ("John", "bank-b"), ("Mary", "bank-c")):
            made.inquire(person, bank)
        made.seal()
        yield made


def found(at: World) -> list[str]:
    """Who inquired about Mary, as her wallet finds it out."""
    mary = at.asking("Mary")
    for _ in mary.ask(at.logged().leaves):
        pass
    return [each.leaf.querier for each in mary.found]


def believed(test: TagTest, steps: Sequence[Step], said: dict[str, Decryption], **_: object) -> tuple[bool, ...]:
    """What the holders say, with no proof verified."""
    sums = [sum_of(elements) for elements in zip(*(each.elements for each in said.values()), strict=True)]
    return tuple(total == right for total, (_, right) in zip(sums, steps[-1].pairs, strict=True))


@pytest.mark.parametrize(
    ("holder", "lie", "named"),
    [
        ("regulator", "hides", "step of regulator"),
        ("regulator", "skips", "step of regulator"),
        ("regulator", "invents", "decryption of regulator"),
        ("regulator", "decrypts", "decryption of regulator"),
        ("ombudsman", "invents", "decryption of ombudsman"),
        ("ombudsman", "hides", "step of ombudsman"),
        ("ombudsman", "skips", "step of ombudsman"),
    ],
)
def test_a_holder_that_lies_is_named(at: World, holder: str, lie: str, named: str) -> None:
    with at.lying(**{holder: lie}), pytest.raises(ProofError, match=named):
        found(at)


def test_her_command_names_it_too(at: World) -> None:
    with at.lying(ombudsman="hides"):
        told = at.look_up("Mary", check=False)
    assert "ProofError: step of ombudsman" in told["error"]


@pytest.mark.parametrize(("lie", "expected"), [("hides", []), ("invents", ["bank-a", "bank-b", "bank-c"])])
def test_with_nothing_verified_a_lie_is_believed(
    at: World, monkeypatch: pytest.MonkeyPatch, lie: str, expected: list[str]
) -> None:
    """By neither her nor the other holder, whose own check would end the look-up."""
    monkeypatch.setattr(asking, "matches", believed)
    monkeypatch.setattr(asking, "follow", lambda test, steps: steps[-1].pairs)
    with at.lying(regulator=lie, ombudsman="trusts"):
        assert found(at) == expected


def test_honest_holders_are_believed_and_verified_alike(at: World) -> None:
    assert found(at) == ["bank-a", "bank-c"]
    assert tag_lookup.matches is asking.matches
