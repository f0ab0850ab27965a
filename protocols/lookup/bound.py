"""What relay and members must write in the same way, because one signs it and the other checks it."""

from __future__ import annotations

from protocols.canonical import canonical, digest

CEREMONY_LABEL = "fedscore/v1/lookup/roster-context"
ENROL_KIND = "lookup-enrol"
# Requests and steps are logged in hexadecimal, with their envelopes, and an entry of the log has at most 65,535 bytes.
ENROL_POINTS = 1000  # of one request
MAX_STEP_BYTES = 31 * 2**10  # of a step's body
BATCH_BYTES = {"bfv": 8 * 2**20, "lwe": 2**20, "mirror": 4 * 2**10}
"""Of what a member hands over to an auditor, before it is sealed: one size for every member, by engine. Room for the
evaluation keys and some ten hand-overs."""


def ceremony_context(proposal: bytes) -> bytes:
    """32 bytes that commitments and proofs of possession are bound to; `proposal` is the recorded `propose` step."""
    return digest(CEREMONY_LABEL, proposal)


def enrol_body(institution: str, count: int, envelope: bytes) -> bytes:
    """What the log holds of an enrolment, as kind `ENROL_KIND`: who, how many, and the request as its maker signed it.

    Canonical JSON. Raises EncodingError for a count beyond 2^53.
    """
    return canonical({"institution": institution, "count": count, "envelope": envelope.hex()})
