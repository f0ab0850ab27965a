"""ristretto255 with SHA-512: the published vectors, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rbcl
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError
from protocols.oprf import group
from protocols.oprf.group import BASE, IDENTITY, ORDER, Scalar

VECTORS = Path(__file__).parents[2] / "vectors"
RISTRETTO = json.loads((VECTORS / "rfc9496_ristretto255.json").read_text())
EXPAND = json.loads((VECTORS / "rfc9380_expand_message_xmd_sha512.json").read_text())
VOPRF = json.loads((VECTORS / "rfc9497_voprf_ristretto255.json").read_text())["suite"]


def scalar(number: int) -> Scalar:
    return number.to_bytes(32, "little")


scalars = st.integers(min_value=1, max_value=ORDER - 1).map(scalar)


def test_the_multiples_of_the_generator_of_rfc_9496() -> None:
    for number, expected in enumerate(RISTRETTO["multiples"], start=1):
        assert group.base(scalar(number)).hex() == expected
        assert group.multiply(scalar(number), BASE).hex() == expected
        assert group.sum_of([BASE] * number).hex() == expected


@pytest.mark.parametrize("encoding", RISTRETTO["invalid"])
def test_an_invalid_encoding_of_rfc_9496_is_refused(encoding: str) -> None:
    for refuse in (lambda data: group.check_element(data, "point"), lambda data: group.multiply(scalar(3), data)):
        with pytest.raises(MessageError):
            refuse(bytes.fromhex(encoding))


@pytest.mark.parametrize("vector", EXPAND["vectors"], ids=lambda v: f"{v['message'][:5]}-{v['size']}")
def test_the_expanded_messages_of_rfc_9380(vector: dict[str, str | int]) -> None:
    message, size = str(vector["message"]).encode(), int(vector["size"])
    assert group.expand_message(message, EXPAND["dst"].encode(), size).hex() == vector["output"]


def test_the_key_derivation_of_rfc_9497() -> None:
    seed, info = bytes.fromhex(VOPRF["seed"]), bytes.fromhex(VOPRF["keyInfo"])
    derived = group.hash_to_scalar(seed + len(info).to_bytes(2, "big") + info + b"\x00", b"DeriveKeyPair" + group.SUITE)
    assert derived.hex() == VOPRF["skSm"]
    assert group.base(derived).hex() == VOPRF["pkSm"]


@pytest.mark.parametrize("vector", VOPRF["vectors"], ids=lambda v: f"batch-{v['Batch']}-{v['Input'][:4]}")
def test_the_blinded_and_evaluated_elements_of_rfc_9497(vector: dict[str, str]) -> None:
    key = bytes.fromhex(VOPRF["skSm"])
    columns = [
        [bytes.fromhex(part) for part in vector[name].split(",")]
        for name in ("Input", "Blind", "BlindedElement", "EvaluationElement")
    ]
    for text, blind, blinded, evaluated in zip(*columns, strict=True):
        assert group.multiply(blind, group.hash_to_group(text)) == blinded
        assert group.multiply(key, blinded) == evaluated
        assert group.multiply(group.invert(blind), evaluated) == group.multiply(key, group.hash_to_group(text))


def test_the_identity_is_refused_though_rbcl_calls_it_valid() -> None:
    assert rbcl.crypto_core_ristretto255_is_valid_point(IDENTITY)
    with pytest.raises(MessageError, match="the identity"):
        group.check_element(IDENTITY, "point")
    for result_is_identity in (lambda: group.multiply(scalar(5), IDENTITY), lambda: group.base(scalar(0))):
        with pytest.raises(MessageError):
            result_is_identity()
    assert group.subtract(BASE, BASE) == IDENTITY == group.sum_of([])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_other_sizes_are_refused_by_name(size: int) -> None:
    for check in (group.check_element, group.check_scalar):
        with pytest.raises(MessageError, match=f"the field: got {size} bytes"):
            check(bytes(size), "the field")
    with pytest.raises(MessageError):
        group.multiply(scalar(3), bytes(size))


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_scalar_that_is_zero_or_not_reduced_is_refused_unseen(number: int) -> None:
    with pytest.raises(MessageError, match="key share") as caught:
        group.check_scalar(scalar(number), "key share")
    assert scalar(number).hex() not in str(caught.value)


@pytest.mark.parametrize("number", [1, ORDER - 1])
def test_the_ends_of_the_range_are_scalars(number: int) -> None:
    assert group.check_scalar(scalar(number), "key share") == scalar(number)


@settings(max_examples=25, deadline=None)
@given(scalars, scalars, st.binary(max_size=20))
def test_multiplication_is_the_group_operation(left: Scalar, right: Scalar, text: bytes) -> None:
    element = group.hash_to_group(text)
    assert group.multiply(left, group.multiply(right, element)) == group.multiply(right, group.multiply(left, element))
    total = scalar((int.from_bytes(left, "little") + int.from_bytes(right, "little")) % ORDER)
    if any(total):
        assert group.add(group.multiply(left, element), group.multiply(right, element)) == group.multiply(
            total, element
        )
    assert group.subtract(group.add(element, BASE), BASE) == element


@settings(max_examples=25, deadline=None)
@given(st.lists(scalars, max_size=6))
def test_inverting_many_is_inverting_each(many: list[Scalar]) -> None:
    assert group.invert_all(many) == [group.invert(one) for one in many]


@settings(max_examples=25, deadline=None)
@given(scalars, scalars, scalars)
def test_a_response_is_the_nonce_less_challenge_times_secret(nonce: Scalar, challenge: Scalar, secret: Scalar) -> None:
    a, b, c = (int.from_bytes(s, "little") for s in (nonce, challenge, secret))
    assert int.from_bytes(group.respond(nonce, challenge, secret), "little") == (a - b * c) % ORDER


def test_a_random_scalar_is_never_zero() -> None:
    answers = iter([bytes(64), ORDER.to_bytes(64, "little"), (7).to_bytes(64, "little")])
    assert group.random_scalar(lambda size: next(answers)) == scalar(7)


def test_tags_and_sizes_have_bounds() -> None:
    with pytest.raises(MessageError, match="tag"):
        group.expand_message(b"", bytes(256), 64)
    with pytest.raises(MessageError, match="size"):
        group.expand_message(b"", b"tag", 255 * 64 + 1)


def test_the_library_leaves_no_file_behind(tmp_path: Path) -> None:
    code = "import protocols.oprf.group"
    subprocess.run([sys.executable, "-c", code], env={"TMPDIR": str(tmp_path)}, check=True, cwd=VECTORS.parents[1])
    assert list(tmp_path.iterdir()) == []
