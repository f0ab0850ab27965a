"""What an institution says of a revocation, and that the commitment to it binds and hides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.canonical import canonical, digest, parse_canonical
from protocols.consent.acknowledgement import Acknowledgement, commitment
from protocols.errors import MessageError

HASHES = st.binary(min_size=32, max_size=32)
SAID = st.builds(
    Acknowledgement,
    institution=st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
    revocation=HASHES,
    leaf=st.none() | HASHES,
    time=st.integers(0, 2**53 - 1),
)
ONE = Acknowledgement("bank-a", b"r" * 32, None, 1_900_000_000)


@given(SAID)
def test_it_reads_back_and_has_one_spelling(said: Acknowledgement) -> None:
    encoded = canonical(said.to_json())
    assert Acknowledgement.from_json(parse_canonical(encoded)) == said


@given(SAID, SAID, HASHES, HASHES)
def test_the_commitment_is_to_all_of_it(one: Acknowledgement, two: Acknowledgement, a: bytes, b: bytes) -> None:
    assert (commitment(a, one) == commitment(b, two)) == ((a, one) == (b, two))


def test_every_field_counts() -> None:
    changed = [
        replace(ONE, institution="bank-b"),
        replace(ONE, revocation=bytes(32)),
        replace(ONE, leaf=bytes(32)),
        replace(ONE, time=1),
    ]
    assert len({commitment(bytes(32), each) for each in (ONE, *changed)}) == 5


def test_without_the_nonce_whoever_knows_the_receipt_would_see_whose_it_is() -> None:
    logged, guess = commitment(b"n" * 32, ONE), Acknowledgement("bank-a", b"r" * 32, None, 1_900_000_000)
    assert commitment(bytes(32), guess) != logged
    bare = digest("fedscore/v1/consent/acknowledgement", canonical(ONE.to_json()))
    assert digest("fedscore/v1/consent/acknowledgement", canonical(guess.to_json())) == bare


def test_it_forbids_its_institutions_later_inquiries_but_for_the_one_on_its_way() -> None:
    assert ONE.forbids("bank-a", b"l" * 32)
    assert not ONE.forbids("bank-b", b"l" * 32)
    served = replace(ONE, leaf=b"l" * 32)
    assert not served.forbids("bank-a", b"l" * 32)
    assert served.forbids("bank-a", b"m" * 32)


@pytest.mark.parametrize(
    "changes",
    [{"institution": ""}, {"institution": "a\nb"}, {"revocation": b"r"}, {"leaf": b""}, {"time": -1}, {"time": True}],
)
def test_other_forms_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MessageError, match="acknowledgement"):
        replace(ONE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"version": 2}, {"leaf": "zz"}, {"leaf": "AB" * 32}, {"extra": 1}, {"time": 1.5}])
def test_other_documents_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        Acknowledgement.from_json(ONE.to_json() | changes)


def test_a_nonce_of_another_length_is_refused() -> None:
    with pytest.raises(MessageError, match="nonce"):
        commitment(b"short", ONE)
