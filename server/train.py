"""From the operator's choices to a finished run: plan file, plan, run, summary.

options = read_plan_file(Path("plan.toml")).with_overrides(epsilon=0.5)
prepared = prepare(home, store.admitted(), options, run_id="2030-spring", bundle_hash=..., now=time.time())
print(prepared.noise)
summary = carry(home, prepared.plan, on_event=print)
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.rounds import Member, TrainingPlan
from federation.rounds.plan import read_recipe
from federation.runtime.wording import expected, got
from server.card import CARD, write_card
from server.checkpoint_store import PLAN, CheckpointStore
from server.choices import Method, Noise
from server.home import CoordinatorHome
from server.membership import Membership
from server.oversight.cards import say_card
from server.plans import PlanOptions, build_plan, explain, method_of, trust
from server.run_submission import run_training
from server.stopping import go_on

OnEvent = Callable[[Mapping[str, Any]], None]


class PlanFile(BaseModel):
    """What plan.toml and the command line may say of a run; what stays None keeps the default of `PlanOptions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float | None = None
    delta: float | None = None
    rounds: int | None = None
    steps_per_round: int | None = None
    sampling_rate: float | None = None
    clip: float | None = None
    spare_rounds: int | None = None
    evaluation_share: float | None = None
    quorum: int | None = None
    round_deadline_s: float | None = None
    lifetime_s: float | None = None
    force: bool | None = None
    members: tuple[str, ...] | None = None
    recipe: dict[str, Any] | None = None
    method: Method | None = None
    noise: Noise | None = None
    droppers: int | None = Field(default=None, ge=0)
    colluders: int | None = Field(default=None, ge=1)

    def with_overrides(self, **values: object) -> Self:
        """The same with every value that is not None put in its place."""
        return self.model_copy(update={key: value for key, value in values.items() if value is not None})

    def options(self, base: PlanOptions) -> PlanOptions:
        """`base` with what is said here. Raises ConfigurationError for a recipe that cannot be."""
        said = self.model_dump(exclude_none=True, exclude={"members", "recipe"})
        recipe = None if self.recipe is None else read_recipe(self.recipe)
        return replace(base, **said, recipe=recipe)


def read_plan_file(file: Path) -> PlanFile:
    """Raises ConfigurationError: file, key, got, expected."""
    try:
        return PlanFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a TOML file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(str(file), got=str(error), expected="TOML") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {key}", got=got(first), expected=expected(first)) from error


@dataclass(frozen=True)
class Prepared:
    """A plan, and a line for people: whose noise it has, why, and what its epsilon rests on."""

    plan: TrainingPlan
    noise: str


def prepare(
    home: CoordinatorHome,
    admitted: Sequence[Membership],
    file: PlanFile,
    *,
    run_id: str,
    bundle_hash: str,
    now: float,
) -> Prepared:
    """The plan of `run_id`: the one in its folder where there is one, else a new one. Nothing is written.

    Raises ConfigurationError without members, and whatever `build_plan` refuses.
    """
    folder = home.run(run_id)
    if (folder / PLAN).exists() and (kept := CheckpointStore(folder).plan()) is not None:
        return Prepared(kept, explain(kept, f"the plan of {run_id} has it so"))
    catalogue = load_catalogue(home.catalogue)
    base = PlanOptions(
        run_id=run_id,
        coordinator=home.signing_key.public.hex,
        bundle_hash=bundle_hash,
        now=now,
        overseen=home.settings.regulator is not None,
    )
    options, members = file.options(base), roster(admitted, file.members)
    plan = build_plan(members, catalogue, options)
    return Prepared(plan, explain(plan, options.choice(len(members)).because))


def roster(admitted: Sequence[Membership], names: Sequence[str] | None = None) -> tuple[Member, ...]:
    """The admitted members, or those named, as a plan lists them. Raises ConfigurationError if one is missing."""
    chosen = {member.institution: member for member in admitted}
    wanted = sorted(chosen) if names is None else sorted(set(names))
    missing = [name for name in wanted if name not in chosen]
    if missing or not wanted:
        got = f"{', '.join(missing)} not admitted" if missing else "no admitted member"
        raise ConfigurationError("members", got=got, expected="admitted members: see `fedscore coordinator members`")
    return tuple(
        Member(
            institution=name,
            key=chosen[name].key.hex,
            nominal_records=chosen[name].nominal_records,
            features=chosen[name].features,
        )
        for name in wanted
    )


def carry(home: CoordinatorHome, plan: TrainingPlan, *, on_event: OnEvent) -> dict[str, Any]:
    """Keep `plan`, run it to its end over the served SuperLink, write the model's card and say it in the log.

    Raises RunFailed, and what `write_card` raises: the model is there by then, and `fedscore coordinator card` will do.
    """
    started = time.monotonic()
    keep(home, plan)
    file = run_training(home, plan.run_id, on_event=on_event)
    summary = summarise(home, plan, file, seconds=time.monotonic() - started)
    write_card(home.run(plan.run_id), load_catalogue(home.catalogue))
    say_card(home, plan.run_id)
    return summary


def keep(home: CoordinatorHome, plan: TrainingPlan) -> None:
    """Write `plan` to its run's folder, from where it is continued; the plan that is there already stays.

    A run that was stopped goes on: whoever trains it again wants that.
    """
    folder = home.run(plan.run_id)
    go_on(folder)
    if not (folder / PLAN).exists():
        CheckpointStore(folder).write(PLAN, plan)


def summarise(home: CoordinatorHome, plan: TrainingPlan, model: Path, *, seconds: float) -> dict[str, Any]:
    """Public figures of a finished run: its plan, its claims and its model's hash."""
    store = CheckpointStore(home.run(plan.run_id))
    published = store.model()
    averaged = [event["seconds"] for event in store.events() if event.get("event") == "averaged"]
    claims = plan.privacy.claims()
    return {
        "run_id": plan.run_id,
        "plan_hash": plan.hash,
        "model": str(model),
        "card": str(model.with_name(CARD)),
        "model_hash": None if published is None else published.hash,
        "rounds": plan.rounds,
        "members": [member.institution for member in plan.members],
        "adjacency": plan.privacy.adjacency,
        "delta": plan.privacy.delta,
        "recipe": method_of(plan.recipe),
        "noise": plan.privacy.noise,
        "trust": trust(plan),
        "epsilon": {"asked": plan.privacy.epsilon, "pld": claims.pld, "prv": claims.prv, "rdp": claims.rdp},
        "evaluated": store.evaluation() is not None,
        "seconds": round(seconds, 3),
        "seconds_per_round": round(sum(averaged) / len(averaged), 3) if averaged else None,
    }
