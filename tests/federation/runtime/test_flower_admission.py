"""Who commands a SuperLink, and the list of bundles in front of a SuperNode."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from flwr.common.constant import ACCESS_TOKEN_KEY, NOOP_FLWR_AID
from flwr.supercore.fab import Fab
from flwr.supernode.start_client_internal import _verify_fab
from hypothesis import given
from hypothesis import strategies as st

from federation.runtime.flower.admission import Admission
from federation.runtime.flower.guard import OperatorOnly

TOKEN = "0123456789abcdef" * 4


def test_the_operators_token_is_the_only_one() -> None:
    plugin = OperatorOnly(TOKEN)
    admitted, account = plugin.validate_tokens_in_metadata([(ACCESS_TOKEN_KEY, TOKEN)])
    assert admitted
    assert account is not None
    assert account.flwr_aid == NOOP_FLWR_AID
    assert plugin.validate_tokens_in_metadata([(ACCESS_TOKEN_KEY, TOKEN.encode())])[0]
    assert plugin.get_login_details() is None
    assert plugin.get_auth_tokens("") is None
    assert plugin.refresh_tokens([(ACCESS_TOKEN_KEY, TOKEN)]) == (None, None)


@given(shown=st.text() | st.none())
def test_no_other_token_is_admitted(shown: str | None) -> None:
    metadata = [] if shown is None else [(ACCESS_TOKEN_KEY, shown)]
    admitted, account = OperatorOnly(TOKEN).validate_tokens_in_metadata(metadata)
    assert admitted == (shown == TOKEN)
    assert (account is None) == (shown != TOKEN)


def test_a_token_is_never_empty() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        OperatorOnly("")


@pytest.fixture
def content() -> bytes:
    return b"a bundle"


def trusted(admission: Admission, folder: Path) -> dict[str, str]:
    entities: dict[str, str] = json.loads(admission.trust(folder / "trusted").read_text())
    return entities


def test_an_allowed_bundle_passes_flowers_own_check(content: bytes, tmp_path: Path) -> None:
    allowed = {hashlib.sha256(content).hexdigest()}
    admission = Admission(lambda: allowed, lambda _: pytest.fail("refused"))
    fab = admission.guard(lambda fab_hash, run: Fab(fab_hash, content, {}))("what the SuperLink says", 1)
    assert fab.verifications["valid_license"]
    assert _verify_fab(fab, trusted(admission, tmp_path))
    assert fab.hash_str in allowed
    other = Fab(fab.hash_str, b"another", fab.verifications)
    assert not _verify_fab(other, trusted(admission, tmp_path))


def test_what_is_not_allowed_is_refused_and_told_once_per_run(content: bytes) -> None:
    told: list[str] = []
    admission = Admission(lambda: frozenset(), told.append)
    forged = {"valid_license": "yes", "fpk_institution": json.dumps({"signed_at": 1, "signature": "AAAA"})}
    get_fab = admission.guard(lambda fab_hash, run: Fab(fab_hash, content, forged))
    assert get_fab("x", 1).verifications == {}
    assert get_fab("x", 1).verifications == {}
    assert told == [hashlib.sha256(content).hexdigest()]
    get_fab("x", 2)
    assert len(told) == 2


def test_the_list_is_read_anew(content: bytes) -> None:
    allowed: set[str] = set()
    get_fab = Admission(lambda: allowed, lambda _: None).guard(lambda fab_hash, run: Fab(fab_hash, content, {}))
    assert not get_fab("x", 1).verifications
    allowed.add(hashlib.sha256(content).hexdigest())
    assert get_fab("x", 1).verifications


def test_one_process_signature_is_worth_nothing_to_another(content: bytes, tmp_path: Path) -> None:
    allowed = {hashlib.sha256(content).hexdigest()}
    first, second = (Admission(lambda: allowed, lambda _: None) for _ in range(2))
    fab = first.guard(lambda fab_hash, run: Fab(fab_hash, content, {}))("x", 1)
    assert not _verify_fab(fab, trusted(second, tmp_path))
