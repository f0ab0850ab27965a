"""Flower's legacy SecAgg+ client, driven through its own functions: four stages, every round.

Of the other clients only what the measured one receives is made, by Flower's own key agreement and encryption; their
shares are its own, as it neither uses nor checks what it stores for them before a reveal.
"""

from __future__ import annotations

import importlib
import logging
import statistics
import time
from typing import Any

import numpy as np

_MOD = "flwr.client.mod.secure_aggregation.secaggplus_mod"


class FlowerClient:
    """Client 0 of `members`, sharing with all others, as in Flower's `SecAggWorkflow` with this threshold."""

    def __init__(self, members: int, threshold: int) -> None:
        logging.getLogger("flwr").setLevel(logging.ERROR)
        self._mod = importlib.import_module(_MOD)
        self._members = members
        key = self._mod.Key
        self._config = {
            key.SAMPLE_NUMBER: members,
            key.SHARE_NUMBER: members,
            key.THRESHOLD: threshold,
            key.CLIPPING_RANGE: 8.0,
            key.TARGET_RANGE: 2**22,
            key.MOD_RANGE: 2**32,
            key.MAX_WEIGHT: 1000.0,
        }

    def measure(self, width: int, repeats: int) -> dict[str, float]:
        """Medians of the CPU seconds of the stages, and what the client sends."""
        rounds = [self._round(width) for _ in range(repeats)]
        figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        stages = [value for name, value in figures.items() if name.endswith("_cpu_s")]
        return {**figures, "round_cpu_s": sum(stages)}

    def _round(self, width: int) -> dict[str, float]:
        from flwr.common import ndarrays_to_parameters

        mod, key = self._mod, self._mod.Key
        states = [mod.SecAggPlusState() for _ in range(self._members)]
        publics: dict[str, Any] = {}
        for number, state in enumerate(states):
            state.nid = number
            start = time.process_time()
            sent = mod._setup(state, dict(self._config))
            if number == 0:
                setup_s = time.process_time() - start
            publics[str(number)] = [sent[key.PUBLIC_KEY_1], sent[key.PUBLIC_KEY_2]]
        me = states[0]
        start = time.process_time()
        dealt = mod._share_keys(me, publics)
        share_s = time.process_time() - start
        inbox = [self._from(state, me) for state in states[1:]]
        parameters = ndarrays_to_parameters([np.random.default_rng(0).normal(size=width)])
        received = {key.CIPHERTEXT_LIST: inbox, key.SOURCE_LIST: list(range(1, self._members))}
        start = time.process_time()
        masked = mod._collect_masked_vectors(me, received, 100, parameters)[key.MASKED_PARAMETERS]
        mask_s = time.process_time() - start
        lists = {key.ACTIVE_NODE_ID_LIST: list(range(self._members)), key.DEAD_NODE_ID_LIST: []}
        start = time.process_time()
        revealed = mod._unmask(me, lists)[key.SHARE_LIST]
        return {
            "setup_cpu_s": setup_s,
            "share_cpu_s": share_s,
            "mask_cpu_s": mask_s,
            "reveal_cpu_s": time.process_time() - start,
            "round_bytes_sent": sum(map(len, [*dealt[key.CIPHERTEXT_LIST], *masked, *revealed])),
        }

    def _from(self, sender: Any, receiver: Any) -> bytes:
        mod = self._mod
        shared = mod.generate_shared_key(mod.bytes_to_private_key(sender.sk2), mod.bytes_to_public_key(receiver.pk2))
        shares = receiver.rd_seed_share_dict[receiver.nid], receiver.sk1_share_dict[receiver.nid]
        sealed: bytes = mod.encrypt(shared, mod.share_keys_plaintext_concat(sender.nid, receiver.nid, *shares))
        return sealed
