"""A holder of the oversight key that is not honest, in a process of its own: python lying_holder.py HOME FILE

Which lies it tells, FILE says at every call; an empty one: none.

hides      blinds the two halves of every pair with different scalars: no leaf is found any more
invents    decrypts so that every leaf would be the person's
skips      leaves the last pair out of its step
decrypts   decrypts with another share
believes   answers whoever asks, about whomever: the check of who asks is off
forgets    remembers no session: answers one question again and again
obeys      decrypts for whoever has the steps: the check of the person's order is off
accepts    asks for no proof that the maker of a tag knows what is in it
trusts     verifies no step of another holder
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from federation.inquiries import holder_service, session_store
from federation.inquiries.holder_home import HolderHome
from federation.inquiries.session_store import SessionStore
from protocols.consent import tag_lookup
from protocols.consent.question import TagQuestion
from protocols.consent.tag_lookup import Decryption, Holder, Step, follow
from protocols.oprf.dleq import prove
from protocols.oprf.group import Random, multiply, random_scalar, subtract
from protocols.oprf.joint_key import KeyShare

_blind, _decrypt, _begin = Holder.blind, Holder.decrypt, SessionStore.begin


def passes(*_: Any, **__: Any) -> None:
    """A check that is off."""


def hides(self: Holder, steps: Sequence[Step], random: Random) -> Step:
    _blind(self, steps, random)
    pairs, proofs = [], []
    context = self._test.context("blind", self._name)
    for left, right in follow(self._test, steps):
        z = random_scalar(random)
        first, second = multiply(z, left), multiply(random_scalar(random), right)
        pairs.append((first, second))
        proofs.append(prove(z, left, first, [right], [second], random, context=context))
    step = Step(tuple(pairs), tuple(proofs))
    self._kept = tag_lookup.steps_hash(self._test, [*steps, step])
    return step


def skips(self: Holder, steps: Sequence[Step], random: Random) -> Step:
    step = _blind(self, steps, random)
    short = Step(step.pairs[:-1], step.proofs[:-1])
    self._kept = tag_lookup.steps_hash(self._test, [*steps, short])
    return short


def invents(self: Holder, steps: Sequence[Step], random: Random) -> Decryption:
    """What, with the other holder's share of each pair, opens to the identity; the other's share is in OTHER."""
    other = KeyShare(bytes.fromhex(os.environ["OTHER"]))
    honest = _decrypt(self, steps, random)
    lie = tuple(subtract(right, multiply(other.secret, left)) for left, right in steps[-1].pairs)
    return replace(honest, elements=lie)


def decrypts(self: Holder, steps: Sequence[Step], random: Random) -> Decryption:
    own, self._share = self._share, KeyShare.generate(random)
    try:
        return _decrypt(self, steps, random)
    finally:
        self._share = own


def forgets(self: SessionStore, session: bytes, person: str, tags: int, now: int) -> None:
    with session_store.writing(self._engine) as connection:
        connection.execute(session_store.delete(session_store._sessions))
    _begin(self, session, person, tags, now)


LIES: dict[str, list[tuple[Any, str, Any]]] = {
    "hides": [(Holder, "blind", hides)],
    "skips": [(Holder, "blind", skips)],
    "invents": [(Holder, "decrypt", invents)],
    "decrypts": [(Holder, "decrypt", decrypts)],
    "believes": [(TagQuestion, "check_asker", passes)],
    "obeys": [(TagQuestion, "check_order", passes)],
    "accepts": [(TagQuestion, "check_tags", passes)],
    "forgets": [(SessionStore, "begin", forgets)],
    "trusts": [(tag_lookup, "verify", passes)],
}


def switch(file: Path, lie: str, owner: Any, name: str, other: Any) -> None:
    """`owner.name` is `other` while `lie` is among the words of the file."""
    honest = getattr(owner, name)

    def either(*arguments: Any, **named: Any) -> Any:
        return (other if lie in file.read_text().split() else honest)(*arguments, **named)

    setattr(owner, name, either)


def main(home: str, file: str) -> None:
    for lie, changes in LIES.items():
        for owner, name, other in changes:
            switch(Path(file), lie, owner, name, other)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with holder_service.serving(HolderHome.open(home)):
        stop.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
