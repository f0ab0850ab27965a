"""Whether what was told about canaries answers questions that stand in the log, in epochs of one model: nobody's word.

    check_logged(files, CopiedLog.read(home, store), model, planted) # ProofError naming who told what is not so

What stays the querier's word is the sum itself, and that the question was about this canary: a spot check that draws
the leaf opens it (docs/spot-checks.md). That a question answers no other sum holds among the files of one call: nothing
is kept of the calls before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clients.regulator.inquiries.copied import CopiedLog
from clients.regulator.mirror.roster import kind_of
from federation.lookup.canaries import CanaryAnswers
from protocols.errors import ProofError
from protocols.lookup.leaf import CLOCK_SKEW_S, KIND, SignedLeaf
from protocols.transparency import leaf_hash, read_entry


def check_logged(files: Sequence[CanaryAnswers], copied: CopiedLog, model: bytes, planted: int) -> None:
    """Of every sum that was told: 1. its question is under a checkpoint that a quorum cosigned, 2. and is the querier's
    own; 3. it answers no other sum of `files`; 4. it is dated after the canaries were `planted` (Unix s): by its
    querier, whom the members hold to its clock; 5. the epoch that the question names, as all its members signed it, is
    of `model` (its hash, 32 bytes). Raises ProofError, or SignatureError for a leaf that its querier did not sign.
    """
    told = [(said.querier, answer.leaf) for said in files for answer in said.answers if answer.steps]
    leaves = _leaves(copied, {leaf for _, leaf in told})
    answered: set[str] = set()
    for querier, leaf in told:
        where = f"canary.leaf of {querier}"
        signed = leaves.get(leaf)
        if signed is None:
            got = f"{leaf[:16] or 'no question'}, which the log does not show"
            raise ProofError(where, got=got, expected=f"one of the {copied.size} entries that are cosigned")
        if signed.leaf.querier != querier:
            raise ProofError(where, got=f"a question of {signed.leaf.querier}", expected="its own")
        if leaf in answered:
            raise ProofError(where, got=f"{leaf[:16]} twice", expected="a question for every sum")
        answered.add(leaf)
        if signed.leaf.issued_at < planted - CLOCK_SKEW_S:
            got = f"a question of {signed.leaf.issued_at}"
            raise ProofError(where, got=got, expected=f"one since the planting, {planted}")
        context = copied.contexts.get(signed.leaf.epoch_id)
        if context is None:
            raise ProofError(where, got="an epoch that the log does not show", expected="one that is logged before")
        signed.check_signature(context)
        layout = context.signed.layout
        if layout.model != model:
            got = f"a sum of epoch {layout.counter}, whose model is {layout.model.hex()[:16]}"
            raise ProofError(where, got=got, expected=f"one of the model that is checked, {model.hex()[:16]}")


def _leaves(copied: CopiedLog, wanted: Collection[str]) -> dict[str, SignedLeaf]:
    """Those of the wanted leaves (hashes, hex) that the verified copy has."""
    found = {}
    for data in copied.store.entries(0, copied.size):
        if kind_of(data) == KIND and (name := leaf_hash(data).hex()) in wanted:
            found[name] = SignedLeaf.decode(read_entry(data).body)
    return found
