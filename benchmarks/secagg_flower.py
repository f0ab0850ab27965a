"""Flower's legacy SecAgg+ client: its `secaggplus_mod`, called as Flower's client app calls it, four stages a round.

Of the other clients only what the measured one receives is made, by Flower's own functions; what it trains is there
before the clock starts. Its configuration is that of `SecAggWorkflow`: every client shares with all others.
"""

from __future__ import annotations

import importlib
import logging
import os
import statistics
import time
from typing import Any

import numpy as np

BITS = 22  # that Flower quantises a number to, by `SecAggWorkflow`'s own default


class FlowerClient:
    """Client 0 of `members`, with this reconstruction threshold."""

    def __init__(self, members: int, threshold: int) -> None:
        logging.getLogger("flwr").setLevel(logging.ERROR)
        # the package exports a function of the module's name, which hides the module
        self._mod: Any = importlib.import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")
        self._members, self._threshold = members, threshold

    def measure(self, width: int, repeats: int) -> dict[str, float]:
        """Medians of the CPU seconds of the stages, and what the client sends."""
        rounds = [self._round(width) for _ in range(repeats)]
        figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        stages = [value for name, value in figures.items() if name.endswith("_cpu_s")]
        return {**figures, "round_cpu_s": sum(stages)}

    def _round(self, width: int) -> dict[str, float]:
        mod, key, stage = self._mod, self._mod.Key, self._mod.Stage
        client, everybody = _Client(mod, width), range(self._members)
        setup_s, own = client.ask(stage.SETUP, self._config())
        others = {number: mod.SecAggPlusState() for number in everybody[1:]}
        publics = {str(number): mod._setup(state, self._config()) for number, state in others.items()}
        keys = {
            number: [sent[key.PUBLIC_KEY_1], sent[key.PUBLIC_KEY_2]] for number, sent in {"0": own, **publics}.items()
        }
        share_s, dealt = client.ask(stage.SHARE_KEYS, keys)
        share = mod.create_shares(os.urandom(32), self._threshold, self._members)[0]
        inbox = [self._sealed(number, state.sk2, own[key.PUBLIC_KEY_2], share) for number, state in others.items()]
        received = {key.CIPHERTEXT_LIST: inbox, key.SOURCE_LIST: list(others)}
        mask_s, masked = client.ask(stage.COLLECT_MASKED_VECTORS, received)
        lists = {key.ACTIVE_NODE_ID_LIST: list(everybody), key.DEAD_NODE_ID_LIST: []}
        reveal_s, revealed = client.ask(stage.UNMASK, lists)
        sent = [*dealt[key.CIPHERTEXT_LIST], *masked[key.MASKED_PARAMETERS], *revealed[key.SHARE_LIST]]
        return {
            "setup_cpu_s": setup_s,
            "share_cpu_s": share_s,
            "mask_cpu_s": mask_s,
            "reveal_cpu_s": reveal_s,
            "round_bytes_sent": sum(map(len, sent)),
        }

    def _config(self) -> dict[str, Any]:
        key = self._mod.Key
        return {
            key.SAMPLE_NUMBER: self._members,
            key.SHARE_NUMBER: self._members,
            key.THRESHOLD: self._threshold,
            key.CLIPPING_RANGE: 8.0,
            key.TARGET_RANGE: 2**BITS,
            key.MOD_RANGE: 2**32,
            key.MAX_WEIGHT: 1000.0,
        }

    def _sealed(self, sender: int, secret: bytes, public: bytes, share: bytes) -> bytes:
        mod = self._mod
        shared = mod.generate_shared_key(mod.bytes_to_private_key(secret), mod.bytes_to_public_key(public))
        sealed: bytes = mod.encrypt(shared, mod.share_keys_plaintext_concat(sender, 0, share, share))
        return sealed


class _Client:
    """One node's context, which holds SecAgg+'s state between the stages, and the reply of its training."""

    def __init__(self, mod: Any, width: int) -> None:
        from flwr.app import Context, Message, RecordDict
        from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1  # whoever makes a message has these
        self._mod = mod
        self._context = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
        trained = ndarrays_to_parameters([np.random.default_rng(0).normal(size=width)])
        fitted = mod.compat.fitres_to_recorddict(FitRes(Status(Code.OK, ""), trained, 100, {}), keep_input=False)
        self._trained = lambda message, _: Message(fitted, reply_to=message)

    def ask(self, stage: str, configs: dict[str, Any]) -> tuple[float, Any]:
        """CPU seconds of `secaggplus_mod` for this stage, and what it answers."""
        from flwr.app import ConfigRecord, Message, RecordDict

        record = ConfigRecord({**configs, self._mod.Key.STAGE: stage})
        content = RecordDict({self._mod.RECORD_KEY_CONFIGS: record})
        message = Message(content, dst_node_id=0, message_type="train")
        start = time.process_time()
        reply = self._mod.secaggplus_mod(message, self._context, self._trained)
        elapsed = time.process_time() - start
        return elapsed, reply.content.config_records[self._mod.RECORD_KEY_CONFIGS]
