"""A member's side: one state, from which every step makes the next.

    state, advert = Member.start(plan, name, key, os.urandom)     # set-up, first exchange
    state, shares = state.share(adverts)                          # set-up, second exchange: {name: signed advert}
    state, masked = state.mask(number, vector, basis)             # every round, first exchange
    state, reveal = state.reveal(unmasking)                       # second exchange, where members may drop
    state = state.finish(number)                                  # the round's secrets are forgotten

The new state is to be stored, durably, BEFORE what came with it is sent: a member that forgets what it said can be
made to say something else, and two vectors under one mask, or shares for two lists, open what nobody may see. Asked
again for the same, it answers with the same bytes. An old copy of a state is such a forgetting: give up the run.

`basis` is what the vector was computed from, such as the hash of a model: the coordinator tells it each member, and may
tell them differently. It is in the keys of the pairwise masks, so vectors of members that were told different things
stay masked. Pasquini, Francati and Ateniese, "Eluding Secure Aggregation in Federated Learning via Model
Inconsistency" (CCS 2022), is the attack without it.

A plan is started once, and a vector, with its noise, goes under the masks of one number: the same vector in two sums of
different members shows who is missing in one of them. A round that is tried again has another number and fresh noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from protocols.errors import MessageError, StageError
from protocols.lookup.fields import sized
from protocols.secagg.advert import Advert, Setup
from protocols.secagg.keys import KEY_BYTES, private_of, said_key, self_key
from protocols.secagg.masks import Words, check_words, fingerprint, with_masks
from protocols.secagg.messages import parse, same
from protocols.secagg.plan import SecaggPlan
from protocols.secagg.secrets import Random, RoundSecrets, check_fresh
from protocols.secagg.sharing import Place, Shares, open_share
from protocols.secagg.unmasking import Reveal, Unmasking, check_survivors, kind_of
from protocols.signing import SigningKey
from protocols.wire.secagg_pb2 import SecaggRound, SecaggState

VERSION = 1
MAX_BYTES = 2**28


@dataclass(frozen=True)
class Said:
    """What was sent in a round: a fingerprint of the masked vector; the survivors that shares were opened for."""

    masked: bytes
    survivors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """`name`'s part in one plan. `secrets` and `said` go by round; rounds that are over are in neither."""

    plan: SecaggPlan
    name: str
    key: SigningKey = field(repr=False)
    channel: bytes = field(repr=False)
    secrets: Mapping[int, RoundSecrets] = field(repr=False)
    setup: Setup | None = field(default=None, repr=False)
    said: Mapping[int, Said] = field(default_factory=dict, repr=False)

    @classmethod
    def start(cls, plan: SecaggPlan, name: str, key: SigningKey, random: Random) -> tuple[Member, bytes]:
        """The state, and the signed advert.

        `random(n)` gives n uniform bytes. Raises MessageError for a stranger, a key that is not the enrolled one, or a
        generator that repeats itself.
        """
        _check_key(plan, name, key)
        channel = random(KEY_BYTES)
        secrets = {number: RoundSecrets.draw(random) for number in range(1, plan.rounds + 1)}
        check_fresh([channel, *(secret for each in secrets.values() for secret in (each.mask, each.seed, each.coins))])
        return cls(plan, name, key, channel, secrets), Advert.of(plan, name, channel, secrets).sign(key)

    def advert(self) -> bytes:
        """The advert again, signed; StageError once a round is over: its keys are gone."""
        if len(self.secrets) != self.plan.rounds:
            raise StageError("secagg.advert", got="a question after rounds", expected="one before the first is over")
        return Advert.of(self.plan, self.name, self.channel, self.secrets).sign(self.key)

    def share(self, adverts: Mapping[str, bytes]) -> tuple[Member, bytes]:
        """The state, and the signed shares of all rounds' secrets (none where nobody may drop).

        Raises Fault naming whose advert does not hold, and StageError for an advert that is missing, other adverts than
        those of the first time, or rounds that have begun.
        """
        setup = Setup.open(self.plan, adverts)
        own = setup.adverts[self.name]
        if self.setup is not None and self.setup.id != setup.id:
            raise StageError("secagg.adverts", got="others than before", expected="those that shares were made for")
        if len(self.secrets) != self.plan.rounds:
            raise StageError("secagg.adverts", got="a second time, after rounds", expected="before the first round")
        if own != Advert.of(self.plan, self.name, self.channel, self.secrets):
            raise StageError(f"advert of {self.name}", got="one of an earlier start", expected="the one of this start")
        shares = Shares.deal(setup, self.name, self.channel, self.secrets)
        return replace(self, setup=setup), shares.sign(self.key)

    def mask(self, number: int, vector: Words, basis: bytes = b"") -> tuple[Member, Words]:
        """The state, and `vector`, computed from `basis`, under the masks of round `number`: uint32[m] or uint64[m], as
        it is, modulo 2^32 or 2^64.

        Every number masks one vector: the same again gives the same. Raises StageError for another, before the set-up
        or after `finish`; MessageError for what is neither.
        """
        total = self.masked(number, vector, basis)
        return self.sent(number, total), total

    def masked(self, number: int, vector: Words, basis: bytes = b"") -> Words:
        """`vector` under the masks of round `number`, for whoever computes again what was sent."""
        setup, secrets = self._ready(number)
        check_words(vector)
        peers = [name for name in self.plan.names if name != self.name]
        plus, minus = setup.pair_keys(number, self.name, secrets.mask, peers, basis, vector.itemsize)
        if self.plan.recoverable:
            plus.append(self_key(secrets.seed, setup.id, number, self.name, vector.itemsize))
        return with_masks(vector, plus, minus)

    def sent(self, number: int, masked: Words) -> Member:
        """The state once `masked`, which `mask` gave, is sent: for whoever keeps the vector itself, and sends it again.

        Raises StageError for another vector than the one that was sent before.
        """
        setup, secrets = self._ready(number)
        check_words(masked)
        found = fingerprint(said_key(secrets.coins, setup.id, number), masked)
        before = self.said.get(number)
        if before is not None and before.masked != found:
            raise StageError(f"round {number}", got="a second vector", expected="the one that was masked")
        return self if before else self._with(number, Said(found))

    def reveal(self, unmasking: Unmasking) -> tuple[Member, bytes]:
        """The state, and the signed shares that the list of survivors calls for.

        Raises StageError for a round in which nothing was sent, or another list than before; MessageError for a list
        that no honest coordinator sends; Fault naming the dealer of a share that does not open.
        """
        number, survivors = unmasking.round, unmasking.survivors
        setup, _ = self._ready(number)
        if not self.plan.recoverable:
            raise StageError(f"round {number}", got="an unmasking", expected="none: nobody may drop")
        same("unmasking.setup_id", unmasking.setup_id, setup.id)
        self._check_list(number, survivors)
        if tuple(unmasking.cells) != self.plan.names:
            raise MessageError("unmasking.cells", got="other members", expected="a cell of every member, in order")
        shares, own = {}, private_of(self.channel)
        for dealer, cell in unmasking.cells.items():
            place = Place(setup, number, kind_of(dealer, survivors), dealer, self.name)
            shares[dealer] = open_share(place, own, cell)
        revealed = Reveal(setup.id, self.name, number, survivors, shares).sign(self.key)
        return self._with(number, replace(self.said[number], survivors=survivors)), revealed

    def finish(self, number: int) -> Member:
        """The state without the secrets of round `number`, which can then neither be masked nor revealed."""
        self.plan.check_round(number)
        secrets = {at: each for at, each in self.secrets.items() if at != number}
        return replace(self, secrets=secrets, said={at: each for at, each in self.said.items() if at != number})

    def over(self, number: int) -> bool:
        """Whether the secrets of round `number` are forgotten."""
        self.plan.check_round(number)
        return number not in self.secrets

    def _check_list(self, number: int, survivors: tuple[str, ...]) -> None:
        said = self.said.get(number)
        if said is None:
            raise StageError(f"round {number}", got="an unmasking", expected="none before a vector was masked")
        check_survivors(self.plan, survivors, self.name)
        if said.survivors not in ((), survivors):
            raise StageError(f"round {number}", got="a second list of survivors", expected=", ".join(said.survivors))

    def _ready(self, number: int) -> tuple[Setup, RoundSecrets]:
        self.plan.check_round(number)
        if self.setup is None:
            raise StageError(f"round {number}", got="a round", expected="the adverts of all members first")
        if number not in self.secrets:
            raise StageError(f"round {number}", got="a round that is over", expected="one that is not")
        return self.setup, self.secrets[number]

    def _with(self, number: int, said: Said) -> Member:
        return replace(self, said={**self.said, number: said})

    def to_bytes(self) -> bytes:
        """For the institution's private file, and nowhere else: the secrets of all rounds that are not over."""
        rounds = []
        for number, secrets in sorted(self.secrets.items()):
            said = self.said.get(number, Said(b""))
            rounds.append(SecaggRound(number=number, masked=said.masked, survivors=said.survivors, **vars(secrets)))
        return SecaggState(
            version=VERSION,
            plan_id=self.plan.id,
            member=self.name,
            channel=self.channel,
            rounds=rounds,
            adverts=[advert.message() for advert in self.setup.adverts.values()] if self.setup else (),
        ).SerializeToString(deterministic=True)

    @classmethod
    def from_bytes(cls, plan: SecaggPlan, key: SigningKey, data: bytes) -> Member:
        """The reverse. Raises MessageError for another version, plan, member or form."""
        state = parse(data, SecaggState, MAX_BYTES)
        if state.version != VERSION:
            raise MessageError("secagg state.version", got=state.version, expected=VERSION)
        same("secagg state.plan_id", state.plan_id, plan.id)
        _check_key(plan, state.member, key)
        sized(state.channel, "secagg state.channel", KEY_BYTES)
        adverts = {each.member: Advert.of_message(each) for each in state.adverts}
        secrets, said = {}, {}
        for each in state.rounds:
            plan.check_round(each.number)
            secrets[each.number] = RoundSecrets(each.mask, each.seed, each.coins)
            if each.masked:
                said[each.number] = Said(each.masked, tuple(each.survivors))
        setup = Setup(plan, adverts) if adverts else None
        return cls(plan, state.member, key, state.channel, secrets, setup, said)


def _check_key(plan: SecaggPlan, name: str, key: SigningKey) -> None:
    plan.place(name)
    if plan.members[name] != key.public:
        raise MessageError(f"key of {name}", got=key.public.key_id, expected=plan.members[name].key_id)
