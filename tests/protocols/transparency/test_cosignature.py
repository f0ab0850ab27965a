"""Cosignatures against one that witnesses of the public network made, and against forgers."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import (
    Checkpoint,
    LogKey,
    Quorum,
    VerifierKey,
    WitnessKey,
    WitnessVerifier,
    attach,
    cosign,
    cosignature_in,
    cosignature_time,
    leaf_hash,
    open_checkpoint,
    split_note,
    verify_cosignature,
)

# A checkpoint of the log arche2025h1.staging (transparency.dev, 2026), cosigned by four public witnesses; their keys
# are as their operators publish them. The log also signed with a key of another type, under the same name.
PUBLIC_NOTE = (Path(__file__).parents[2] / "vectors/arche2025h1-staging.note").read_bytes()
PUBLIC_LOG = VerifierKey.from_text(
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
PUBLIC_WITNESSES = [
    WitnessVerifier.from_text(text)
    for text in (
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
        "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
        "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    )
]
PUBLIC_TIME = 1779573024  # 2026-05-23 21:50:24 UTC

LOG = LogKey.from_seed("example.com/log", bytes(32))
WITNESS = WitnessKey.from_seed("example.com/w1", bytes([1]) * 32)
NOTE = Checkpoint("example.com/log", 3, leaf_hash(b"")).note(LOG)
TEXT = split_note(NOTE)[0]
NOW = 1_900_000_000.9


def test_the_public_networks_cosignatures_verify() -> None:
    assert open_checkpoint(PUBLIC_NOTE, PUBLIC_LOG).size == 1432088532
    assert [cosignature_time(PUBLIC_NOTE, witness) for witness in PUBLIC_WITNESSES] == [PUBLIC_TIME] * 4
    quorum = Quorum.of(PUBLIC_WITNESSES)
    checkpoint, times = quorum.check(PUBLIC_NOTE, PUBLIC_LOG)
    assert (quorum.faults, quorum.size, checkpoint.size) == (1, 3, 1432088532)
    assert set(times) == {witness.name for witness in PUBLIC_WITNESSES}


def test_on_another_tree_the_public_networks_cosignatures_are_worth_nothing() -> None:
    other = PUBLIC_NOTE.replace(b"\n1432088532\n", b"\n1432088533\n")
    for witness in PUBLIC_WITNESSES:
        with pytest.raises(SignatureError):
            cosignature_time(other, witness)


def test_the_specifications_example_has_the_form() -> None:
    """C2SP tlog-cosignature: key id, time 1679315147 and 64 bytes in the second line of its example."""
    line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    data = base64.b64decode(line)
    assert (len(data), int.from_bytes(data[4:12], "big")) == (4 + 8 + 64, 1679315147)
    ours = base64.b64decode(cosign(TEXT, WITNESS, 1679315147).split()[-1])
    assert (len(ours), ours[4:12]) == (len(data), data[4:12])


def test_a_key_is_read_as_it_is_written_and_is_no_logs_key() -> None:
    text = WITNESS.public.text
    assert WitnessVerifier.from_text(text) == WITNESS.public
    with pytest.raises(MessageError, match="type 04"):
        VerifierKey.from_text(text)
    with pytest.raises(MessageError, match="type 01"):
        WitnessVerifier.from_text(LOG.public.text)
    same = WitnessKey.from_pem(WITNESS.to_pem())
    assert same.public == WitnessVerifier.of(WITNESS.public.key)
    assert same.name == f"fedscore/witness/{WITNESS.public.key.key_id}"
    assert "example.com/w1" in repr(WITNESS)
    assert WITNESS.to_pem().decode().split("\n")[1] not in repr(WITNESS)
    assert WitnessKey.generate().public != WitnessKey.generate().public


def test_a_cosignature_says_when_and_the_first_time_counts() -> None:
    late, early = cosign(TEXT, WITNESS, NOW + 60), cosign(TEXT, WITNESS, NOW)
    note = attach(NOTE, [late, early, early])
    assert cosignature_time(note, WITNESS.public) == int(NOW)
    assert cosignature_in(note, WITNESS.public) == (int(NOW), early)
    assert note.count(b"example.com/w1") == 2
    assert open_checkpoint(note, LOG.public) == open_checkpoint(NOTE, LOG.public)
    assert cosignature_time(NOTE, WITNESS.public) is None
    assert cosignature_in(NOTE, WITNESS.public) is None


@pytest.mark.parametrize("at", [0, 7, 8, 71])
def test_no_bit_of_a_cosignature_may_change(at: int) -> None:
    """Its time neither: the eight bytes in front are signed."""
    raw = bytearray(base64.b64decode(cosign(TEXT, WITNESS, NOW).split()[-1])[4:])
    assert verify_cosignature(TEXT, bytes(raw), WITNESS.public) == int(NOW)
    raw[at] ^= 1
    with pytest.raises(SignatureError):
        verify_cosignature(TEXT, bytes(raw), WITNESS.public)


def test_a_replayed_cosignature_of_another_tree_makes_the_note_malformed() -> None:
    other = Checkpoint("example.com/log", 4, leaf_hash(b"x")).note(LOG)
    replayed = attach(other, [cosign(TEXT, WITNESS, NOW)])
    with pytest.raises(SignatureError, match=r"example\.com/w1"):
        cosignature_time(replayed, WITNESS.public)


def test_a_name_without_its_key_is_nobodys() -> None:
    """Another key under the witness's name has another key id, so its line is a stranger's and ignored."""
    impostor = WitnessKey.from_seed("example.com/w1", bytes([2]) * 32)
    note = attach(NOTE, [cosign(TEXT, impostor, NOW)])
    assert cosignature_time(note, WITNESS.public) is None
    forged = WITNESS.public.line(bytes(8) + impostor.sign_at(TEXT, int(NOW)))
    with pytest.raises(SignatureError):
        cosignature_time(attach(NOTE, [forged]), WITNESS.public)


def test_no_signature_of_one_kind_is_one_of_another() -> None:
    """One key used for everything: still a cosignature is no note's signature, and neither one under a label."""
    everything = SigningKey.from_pem(WITNESS.to_pem())
    as_log = LogKey.from_pem(WITNESS.to_pem())
    with pytest.raises(SignatureError):
        as_log.public.verify_text(TEXT, WITNESS.sign_at(TEXT, int(NOW)))
    with pytest.raises(SignatureError):
        verify_cosignature(TEXT, int(NOW).to_bytes(8, "big") + as_log.sign_text(TEXT), WITNESS.public)
    with pytest.raises(SignatureError):
        verify_cosignature(TEXT, int(NOW).to_bytes(8, "big") + everything.sign("cosignature/v1", TEXT), WITNESS.public)


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_times_there_cannot_be_are_not_signed(time: int) -> None:
    with pytest.raises(MessageError, match=r"cosignature\.time"):
        cosign(TEXT, WITNESS, time)


@pytest.mark.parametrize("line", [b"", b"no newline", b"two\nlines\n"])
def test_what_is_no_line_is_not_attached(line: bytes) -> None:
    with pytest.raises(MessageError):
        attach(NOTE, [line])


def test_a_note_has_at_most_a_hundred_lines() -> None:
    lines = [cosign(TEXT, WITNESS, NOW + number) for number in range(100)]
    attach(NOTE, lines[:99])
    with pytest.raises(MessageError, match="101 signature lines"):
        attach(NOTE, lines)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else_is_raised(data: bytes) -> None:
    for ask in (
        lambda: verify_cosignature(TEXT, data, WITNESS.public),
        lambda: cosignature_time(NOTE + data, WITNESS.public) is None or pytest.fail("accepted"),
    ):
        try:
            ask()
        except ProtocolError:
            continue
        assert data == b"" or ask() is True
