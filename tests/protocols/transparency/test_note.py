"""Notes and checkpoints against published examples, against other forms, and against other keys."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    LogKey,
    VerifierKey,
    leaf_hash,
    open_checkpoint,
    open_note,
    sign_note,
)

# golang.org/x/mod/sumdb/note, package documentation (BSD-3-Clause): key, text and note.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBw"
    "JnAM=\n".encode()
)
# C2SP signed-note, section "Verifier keys", example.
C2SP_VERIFIER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZX"
    "sYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# C2SP tlog-checkpoint, the example's text.
C2SP_CHECKPOINT = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

KEY = LogKey.from_seed("example.com/log", bytes(32))
WITNESS = LogKey.from_seed("witness.example", bytes([1]) * 32)
CHECKPOINT = Checkpoint("example.com/log", 3, leaf_hash(b""))


def test_the_reference_implementations_note_is_made_byte_for_byte() -> None:
    key = LogKey.from_seed("PeterNeumann", base64.b64decode(GO_SIGNER)[1:])
    assert key.public.text == GO_VERIFIER
    assert sign_note(GO_TEXT, key) == GO_NOTE
    assert open_note(GO_NOTE, VerifierKey.from_text(GO_VERIFIER)) == GO_TEXT


def test_the_specifications_note_opens() -> None:
    verifier = VerifierKey.from_text(C2SP_VERIFIER)
    assert verifier.text == C2SP_VERIFIER
    assert open_note(C2SP_NOTE, verifier) == b"This is an example message.\n"


def test_the_specifications_checkpoint_has_our_text() -> None:
    origin, size, root, _ = C2SP_CHECKPOINT.decode().split("\n")
    assert Checkpoint(origin, int(size), base64.b64decode(root)).text == C2SP_CHECKPOINT


def test_a_checkpoint_comes_back() -> None:
    assert open_checkpoint(CHECKPOINT.note(KEY), KEY.public) == CHECKPOINT


def test_cosignatures_and_strangers_ride_along() -> None:
    note = sign_note(CHECKPOINT.text, WITNESS, KEY)
    assert open_checkpoint(note, KEY.public) == CHECKPOINT
    assert open_note(note, WITNESS.public) == CHECKPOINT.text
    seventeen = sign_note(CHECKPOINT.text, *[LogKey.from_seed(f"w{i}", bytes([i]) * 32) for i in range(1, 17)], KEY)
    assert open_checkpoint(seventeen, KEY.public) == CHECKPOINT


def test_a_witness_alone_is_not_the_log() -> None:
    with pytest.raises(SignatureError):
        open_checkpoint(sign_note(CHECKPOINT.text, WITNESS), KEY.public)


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    note = CHECKPOINT.note(KEY)
    bad = Checkpoint("example.com/log", 4, leaf_hash(b"")).note(KEY).split(b"\n\n")[1]
    for forged in (note + bad, note.split(b"\n\n")[0] + b"\n\n" + bad + note.split(b"\n\n")[1]):
        with pytest.raises(SignatureError):
            open_note(forged, KEY.public)


def test_a_key_of_the_same_name_is_another_key() -> None:
    impostor = LogKey.from_seed("example.com/log", bytes([9]) * 32)
    with pytest.raises(SignatureError):
        open_checkpoint(CHECKPOINT.note(impostor), KEY.public)


def test_the_origin_must_be_the_keys() -> None:
    with pytest.raises(MessageError, match="origin"):
        open_checkpoint(sign_note(Checkpoint("other.example", 0, EMPTY_ROOT).text, KEY), KEY.public)
    with pytest.raises(MessageError, match="origin"):
        Checkpoint("other.example", 0, EMPTY_ROOT).note(KEY)


@pytest.mark.parametrize(
    "text",
    [
        b"example.com/log\n03\nR" + base64.b64encode(bytes(32)) + b"\n",
        b"example.com/log\n+3\n" + base64.b64encode(bytes(32)) + b"\n",
        "example.com/log\n٣\n".encode() + base64.b64encode(bytes(32)) + b"\n",
        b"example.com/log\n-1\n" + base64.b64encode(bytes(32)) + b"\n",
        b"example.com/log\n99999999999999999999\n" + base64.b64encode(bytes(32)) + b"\n",
        b"example.com/log\n3\n" + base64.b64encode(bytes(31)) + b"\n",
        b"example.com/log\n3\n" + base64.b64encode(bytes(32)) + b"\nextension\n",
        b"example.com/log\n0\n" + base64.b64encode(bytes(32)) + b"\n",
        b"example.com/log\n3\n" + base64.b64encode(bytes(32))[:-2] + b"B=\n",
        b"example.com/log\n3\n",
    ],
)
def test_signed_texts_that_are_no_checkpoints(text: bytes) -> None:
    with pytest.raises(MessageError):
        open_checkpoint(sign_note(text, KEY), KEY.public)


def test_texts_that_are_no_notes_are_not_signed() -> None:
    for text in (b"", b"no newline", b"a\tb\n", b"\xff\n", b"a\r\n"):
        with pytest.raises(MessageError):
            sign_note(text, KEY)


def test_keys_of_another_form() -> None:
    for text in (
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER.replace("+AR", "+BB"),
        "PeterNeumann",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(ProtocolError):
            VerifierKey.from_text(text)


def test_a_log_key_is_kept_as_pem_and_never_printed() -> None:
    key = LogKey.generate()
    again = LogKey.from_pem(key.to_pem())
    assert again.public == key.public == VerifierKey.of(key.public.key)
    assert key.to_pem().decode().split("\n")[1][-16:] not in repr(key)
    with pytest.raises(SignatureError):
        LogKey.from_pem(b"nothing")


def test_a_signature_under_a_label_is_none_under_a_note() -> None:
    """One key signs both: what it says of a label must never pass for a checkpoint, nor the other way round."""
    note = CHECKPOINT.note(KEY)
    signature = base64.b64decode(note.decode().rsplit(" ", 1)[1])[4:]
    with pytest.raises(SignatureError):
        KEY.public.key.verify("fedscore/v1/log-promise", CHECKPOINT.text, signature)
    labelled = KEY.sign("fedscore/v1/log-promise", CHECKPOINT.text)
    with pytest.raises(SignatureError):
        KEY.public.verify_text(CHECKPOINT.text, labelled)
    assert SigningKey.from_seed(bytes(32)).sign("fedscore/v1/log-promise", CHECKPOINT.text) == labelled


NOTE = sign_note(CHECKPOINT.text, WITNESS, KEY)


@given(st.data())
def test_damaged_notes_raise_nothing_but_protocol_errors(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    cut = data.draw(st.integers(0, 8))
    damaged = NOTE[:at] + data.draw(st.binary(max_size=4)) + NOTE[at + cut :]
    try:
        assert open_checkpoint(damaged, KEY.public) == CHECKPOINT  # only the stranger's line can change
    except ProtocolError:
        return


@given(st.binary(max_size=200))
def test_bytes_that_are_no_note(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_note(data, KEY.public)
