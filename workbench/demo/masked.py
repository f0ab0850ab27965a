"""What the coordinator saw of every masked round, and what it would have seen without masks.

What it received, and the sums that it opened, are the files in its own home, by the hashes in the log. What the masks
hid nobody in a deployment can show: it takes every institution's secrets. Here they are taken off by each institution's
own code and file, and what comes out has to add up to the sum that the coordinator opened.

    sight = look(homes, plan, catalogue)         # None where noise is local
    sight.received.p_value, sight.bare.p_value   # of uniform bytes: one, and none at all
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from clients.institution.home import InstitutionHome
from clients.institution.masking import Masking, masking_of
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.watch.thorough import trail_of
from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.oversight.rounds import ROUND, RoundStatement
from federation.rounds.masking import mask_number
from federation.rounds.plan import TrainingPlan
from federation.rounds.rule import Summing, summed_model
from federation.rounds.vectors import MaskedForm, Vector, to_bytes
from federation.training.sums import SumModel
from protocols.secagg import Words
from protocols.transparency import Statement, read_entry
from server.checkpoint_store import UPDATES
from workbench.demo.cast import Homes
from workbench.demo.processes import DemoFailed

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Bytes:
    """How often each byte occurred. `p_value`: of chi-square, that bytes so uneven are uniform ones."""

    counts: tuple[int, ...]

    @classmethod
    def of(cls, vectors: Iterable[Vector]) -> Bytes:
        data = np.frombuffer(b"".join(map(to_bytes, vectors)), dtype=np.uint8)
        return cls(tuple(np.bincount(data, minlength=256).tolist()))

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @property
    def p_value(self) -> float:
        return float(chisquare(self.counts).pvalue)


@dataclass(frozen=True)
class SeenRound:
    """One round of training: what came in (`received`), what that hid (`bare`), and the sum (`opened`).

    bytes  of one institution's vector
    p      of its bytes, all institutions' together, under the hypothesis that they are uniform
    bits   of the largest number
    size   root mean square over the standard deviation of the noise in it; of the institution where it is largest
    """

    round: int
    stage: str
    survivors: int
    bytes: int
    received_p: float
    received_bits: int
    bare_p: float
    bare_bits: int
    bare_size: float
    opened_bits: int
    opened_size: float


@dataclass(frozen=True)
class Sight:
    """All rounds of training, and the bytes of all of them together."""

    members: int
    droppers: int
    rounds: tuple[SeenRound, ...]
    received: Bytes
    bare: Bytes

    def summary(self) -> dict[str, Any]:
        """`masked` of `summary.json`."""
        return {
            "rounds": len(self.rounds),
            "members": self.members,
            "droppers": self.droppers,
            "survivors": min(seen.survivors for seen in self.rounds),
            "bytes_received": sum(self.received.counts),
            "received_p": self.received.p_value,
            "bare_p": self.bare.p_value,
        }

    def evidence(self) -> dict[str, Any]:
        """`masked` of `evidence.json`."""
        return {
            "rounds": [asdict(seen) for seen in self.rounds],
            "bytes": {"received": list(self.received.counts), "bare": list(self.bare.counts)},
        }


@dataclass(frozen=True)
class Material:
    """Of one round, by institution: words [width] of `form`, under masks and without. `opened`: int64 [width].

    Raises DemoFailed unless `hidden` adds up to `opened`.
    """

    number: int
    form: MaskedForm
    received: Mapping[str, Words]
    hidden: Mapping[str, Words]
    opened: I64

    def __post_init__(self) -> None:
        if not np.array_equal(self.form.sum(self.hidden.values()), self.opened):
            raise DemoFailed(f"round {self.number}", got="another sum", expected="what the masks hid, added up")


def look(homes: Homes, plan: TrainingPlan, catalogue: Catalogue) -> Sight | None:
    """Every round of `plan` that is in the log; None where its noise is local. Raises DemoFailed as `Material`."""
    if plan.privacy.sharing is None:
        return None
    rule = Summing(plan, summed_model(catalogue, plan))
    return measure(plan, rule.model, _material(homes, rule))


def measure(plan: TrainingPlan, model: SumModel, material: Iterable[Material]) -> Sight:
    """The figures of every round, and of all their bytes. Pure."""
    sharing = plan.privacy.sharing
    if sharing is None:
        raise ConfigurationError("plan.privacy.noise", got="local", expected="secagg")
    rounds, received, bare = [], Bytes((0,) * 256), Bytes((0,) * 256)
    for each in material:
        noise = model.sensitivity(each.number) * float(plan.privacy.noise_share(each.number))
        came_in, under = Bytes.of(each.received.values()), Bytes.of(each.hidden.values())
        signed = [[each.form.signed(words) for words in of.values()] for of in (each.received, each.hidden)]
        rounds.append(
            SeenRound(
                round=each.number,
                stage=str(model.rounds[each.number - 1]),
                survivors=len(each.received),
                bytes=each.form.word_bytes * each.opened.size,
                received_p=came_in.p_value,
                received_bits=max(map(_bits, signed[0])),
                bare_p=under.p_value,
                bare_bits=max(map(_bits, signed[1])),
                bare_size=max(_size(vector) / noise for vector in signed[1]),
                opened_bits=_bits(each.opened),
                opened_size=_size(each.opened) / (noise * len(each.received) ** 0.5),
            )
        )
        received, bare = received + came_in, bare + under
    return Sight(sharing.members, sharing.droppers, tuple(rounds), received, bare)


def _material(homes: Homes, rule: Summing) -> Iterator[Material]:
    """What the coordinator's home has, by the hashes in the log, and what each institution's own secrets take off."""
    folder, plan = homes.run / UPDATES, rule.plan
    masks = {name: masking_of(InstitutionHome.open(homes.institution(name))) for name in plan.by_name}
    for said in _statements(homes, plan):
        form = rule.masked_form(said.round)
        received = {name: form.read((folder / each.update_hash).read_bytes()) for name, each in said.updates.items()}
        hidden = {name: _bare(masks[name], plan, said, words) for name, words in received.items()}
        opened = form.total.read((folder / said.sum_hash).read_bytes()).astype(np.int64)
        yield Material(said.round, form, received, hidden, opened)


def _statements(homes: Homes, plan: TrainingPlan) -> Iterator[RoundStatement]:
    """What the coordinator said of the rounds of training, by the regulator's copy of the log."""
    home = RegulatorHome.open(homes.regulator)
    store = MirrorStore.open(home.database_url)
    try:
        for data in trail_of(home, store).entries():
            entry = read_entry(data)
            if entry.kind != ROUND:
                continue
            said = RoundStatement.from_json(Statement.read(entry).content)
            if (said.plan_hash, said.phase) == (plan.hash, "train"):
                yield said
    finally:
        store.close()


def _bare(masking: Masking, plan: TrainingPlan, said: RoundStatement, received: Words) -> Words:
    """What an institution sent, without its masks: a zero under them is the masks themselves."""
    number, told = mask_number(plan, said.phase, said.round), bytes.fromhex(said.model_hash)
    return received - masking.mask_again(plan, number, np.zeros_like(received), told)


def _bits(vector: I64) -> int:
    """Of its largest number, sign aside."""
    return max(abs(int(vector.max())), abs(int(vector.min()))).bit_length()


def _size(vector: I64) -> float:
    return float(np.sqrt(np.mean(vector.astype(np.float64) ** 2)))
