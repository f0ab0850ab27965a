"""The person asks both holders which logged requests are about her, and believes neither.

    asking = Asking(wallet, key, now=time.time)
    for done in asking.ask(leaves): ...              # how many tags are answered
    asking.found                                     # the leaves about her, each with what shows it

Each holder gets her signed question and every proof so far, over TLS under the authority that the key's document names.
She carries what one makes to the next, so that no holder hears from another, and none of them sees the other's
decryption: the result exists at her side alone. A holder that hides or invents a match is named (ProofError).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc

from clients.subject.wallet import Wallet
from federation.errors import Refused
from federation.inquiries.log_leaves import LoggedLeaf
from federation.runtime.rpc import ask, client_tls, dial
from protocols.consent.holders import OversightKey
from protocols.consent.question import MAX_QUESTION, TagQuestion, write_tags
from protocols.consent.tag_lookup import Decryption, Step, TagTest, follow, matches
from protocols.consent.tag_match import TagMatch
from protocols.consent.tag_request import TagRequest
from protocols.oprf.group import Random
from protocols.wire import inquiries_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Holder"]
_TIMEOUT_S = 120.0
Channels = dict[str, grpc.Channel]


class Found(NamedTuple):
    """A leaf about her, and the holders' proofs that it is."""

    leaf: LoggedLeaf
    match: TagMatch


@dataclass
class Asking:
    """One wallet and the holders of one key. `now`: Unix seconds."""

    wallet: Wallet
    key: OversightKey
    now: Callable[[], float]
    random: Random = os.urandom
    found: list[Found] = field(default_factory=list)

    def ask(self, leaves: Sequence[LoggedLeaf]) -> Iterator[int]:
        """Ask about all of them; yields how many tags are answered, after each question of up to MAX_QUESTION.

        Raises Unreachable, Refused (a holder's quota, or what it objects to), ProofError naming a holder,
        ConfigurationError before an authority stated whose key the wallet's is.
        """
        by_tag: dict[bytes, list[LoggedLeaf]] = {}
        for leaf in leaves:
            by_tag.setdefault(leaf.tag.tag, []).append(leaf)
        each = list(by_tag.values())  # a tag that its querier used twice is asked about once
        with ExitStack() as stack:
            channels: Channels = {}
            for name in self.key.shares:
                said = self.key.holder(name)
                credentials = client_tls(said.authority.encode())
                channels[name] = stack.enter_context(dial(said.address, credentials=credentials))
            for start in range(0, len(each), MAX_QUESTION):
                part = each[start : start + MAX_QUESTION]
                answers = self._ask(channels, [same[0] for same in part])
                for same, match in zip(part, answers, strict=True):
                    self.found += [Found(leaf, match) for leaf in same if match]
                yield start + len(part)

    def _ask(self, channels: Channels, leaves: Sequence[LoggedLeaf]) -> list[TagMatch | None]:
        question = self._question(leaves)
        message = wire.Question(
            request=question.signed.encode(),
            identity=question.identity.encode(),
            salt=question.salt,
            tags=write_tags(question.tags),
        )
        test = question.test(self.key)
        steps = self._steps(channels, message, test)
        encoded = [step.encode() for step in steps]

        def decrypt(name: str) -> Decryption:
            order = question.order(self.wallet.key, name, encoded)
            request = wire.DecryptRequest(question=message, steps=encoded, order=order)
            return Decryption.decode(ask(channels[name], SERVICE, "Decrypt", request, timeout=_TIMEOUT_S).decryption)

        with ThreadPoolExecutor(len(channels)) as pool:
            asked = {name: pool.submit(decrypt, name) for name in channels}
            follow(test, steps)  # meanwhile: whoever blinded otherwise is named here, on nobody's word
            said = {name: future.result() for name, future in asked.items()}
        hers = matches(test, steps, said, followed=True)
        return [TagMatch.of(test, steps, said, place) if found else None for place, found in enumerate(hers)]

    def _steps(self, channels: Channels, message: wire.Question, test: TagTest) -> list[Step]:
        """What every holder made of the tags, each after those before it."""
        steps: list[Step] = []
        for channel in channels.values():  # in the order of the holders' names
            blind = wire.BlindRequest(question=message, steps=[step.encode() for step in steps])
            try:
                steps.append(Step.decode(ask(channel, SERVICE, "Blind", blind, timeout=_TIMEOUT_S).step))
            except Refused:
                follow(test, steps)  # where one before it is at fault, it is named here, on nobody's word
                raise
        return steps

    def _question(self, leaves: Sequence[LoggedLeaf]) -> TagQuestion:
        wallet, identity = self.wallet, self.wallet.stated
        places = [leaf.index for leaf in leaves]
        request = TagRequest(
            subject_key=wallet.key.public,
            identifier=wallet.subject.identifier,
            session=self.random(32),
            first=min(places),
            size=max(places) + 1,
            issued=int(self.now()),
        )
        tags = tuple(leaf.tag for leaf in leaves)
        return TagQuestion(request.sign(wallet.key), identity, wallet.subject.salt, tags)
