"""What `propose` says of the roster, and the short name by which people compare it before they agree to it.

    roster_fingerprint(proposal)          # the same text at the coordinator and at every member

Keys of other members, the log and the pool come from the coordinator alone, so a member believes none of them before
somebody there has approved this fingerprint. It stays the same from epoch to epoch while the roster does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocols.canonical import canonical, digest
from protocols.errors import MessageError
from protocols.lookup.fields import integer, take, text
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import MAX_CUSTOMERS, authorities_json, read_authorities
from protocols.oprf.group import check_element
from protocols.signing import VerifyingKey

FINGERPRINT_LABEL = "fedscore/v1/lookup/roster-fingerprint"
_KEYS = ("coordinator_key", "log_key", "pool_key")
_GROUP = 4


def roster_fingerprint(proposal: Mapping[str, Any]) -> str:
    """SHA-256, 64 hexadecimal digits in groups of four: whoever makes the proposal could search for two that agree in
    half of them.

    It covers every member's name, key and attested customers, the parameters, the keys of coordinator, log, pool and
    oversight, and the identity authorities; not what changes with every epoch (auditors, catalogue, model). Raises
    MessageError naming the field, or SignatureError for a key that is none.
    """
    members = proposal.get("members")
    if not isinstance(members, dict) or not members:
        raise MessageError("proposal.members", got=type(members).__name__, expected="an object with members")
    content: dict[str, Any] = {
        "version": 1,
        "members": {name: _member(name, members[name]) for name in sorted(members)},
        "parameters": Parameters.from_json(proposal.get("parameters")).to_json(),
        "oversight": _oversight(proposal.get("oversight")),
        "authorities": authorities_json(read_authorities(proposal.get("authorities"), "proposal.authorities")),
        **{name: _key(proposal.get(name), f"proposal.{name}") for name in _KEYS},
    }
    digits = digest(FINGERPRINT_LABEL, canonical(content)).hex()
    return " ".join(digits[place : place + _GROUP] for place in range(0, len(digits), _GROUP))


def _member(name: str, value: Any) -> dict[str, Any]:
    where = f"proposal.members.{name}"
    said = take(value, where, ("key", "customers"))
    return {
        "key": _key(said["key"], f"{where}.key"),
        "customers": integer(said["customers"], f"{where}.customers", 0, MAX_CUSTOMERS),
    }


def _key(value: Any, field: str) -> str:
    return VerifyingKey.from_hex(text(value, field)).hex


def _oversight(value: Any) -> str:
    data = text(value, "proposal.oversight")
    if data:
        try:
            check_element(bytes.fromhex(data), "proposal.oversight")
        except ValueError as error:
            raise MessageError(
                "proposal.oversight", got="no hexadecimal digits", expected="32 bytes or none"
            ) from error
    return data
