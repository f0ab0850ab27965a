from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from membership_world import BUNDLE, NOW, admitted, make_coordinator

from federation.errors import ConfigurationError, FederationError
from server.train import PlanFile, keep, prepare, read_plan_file, roster

PLAN = """
epsilon = 2.0
noise = "local"
rounds = 3
members = ["bank-a", "bank-b"]
[recipe]
family = "additive"
learning_rate = 4.0
"""


MEMBERS = tuple(admitted(f"bank-{letter}", seed) for seed, letter in enumerate("abc"))


def test_a_plan_that_is_kept_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    home = make_coordinator(tmp_path / "c")
    file = read_plan_file(tmp_path / "plan.toml").with_overrides(epsilon=1.5, delta=None)
    when = NOW.timestamp()
    prepared = prepare(home, MEMBERS, file, run_id="spring", bundle_hash=BUNDLE, now=when)
    plan = prepared.plan
    assert prepared.noise.startswith("noise: local, because it was asked for; every institution adds all the noise")
    assert (plan.privacy.epsilon, plan.rounds, plan.recipe.learning_rate) == (1.5, 3, 4.0)
    assert [m.institution for m in plan.members] == ["bank-a", "bank-b"]
    assert plan.coordinator == home.signing_key.public.hex
    assert list(home.runs.iterdir()) == []
    keep(home, plan)
    again = prepare(home, MEMBERS, PlanFile(epsilon=0.5), run_id="spring", bundle_hash=BUNDLE, now=when)
    assert again.plan.hash == plan.hash
    assert again.noise.startswith("noise: local, because the plan of spring has it so; ")


def test_from_three_members_on_noise_is_shared_and_a_line_says_why(tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c")
    made = {
        count: prepare(
            home,
            MEMBERS[:count],
            PlanFile(force=True),
            run_id=f"run-{count}",
            bundle_hash=BUNDLE,
            now=NOW.timestamp(),
        )
        for count in (2, 3)
    }
    assert (made[2].plan.privacy.noise, made[3].plan.privacy.noise) == ("local", "secagg")
    assert made[2].noise.startswith("noise: local, because 2 institutions joined, and sharing noise takes 3; ")
    assert made[3].noise.startswith("noise: shared under secure aggregation, because 3 institutions joined; ")
    assert "any 1 of the 3 institutions together, if the others add their shares" in made[3].noise


def test_too_few_records_prepare_nothing(tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c")
    few = tuple(replace(m, nominal_records=300) for m in MEMBERS)
    with pytest.raises(FederationError):
        prepare(home, few, PlanFile(), run_id="spring", bundle_hash=BUNDLE, now=NOW.timestamp())
    assert list(home.runs.iterdir()) == []


def test_only_admitted_members_take_part() -> None:
    assert [m.institution for m in roster(MEMBERS)] == ["bank-a", "bank-b", "bank-c"]
    with pytest.raises(ConfigurationError, match="bank-x not admitted"):
        roster(MEMBERS, ["bank-a", "bank-x"])
    with pytest.raises(ConfigurationError, match="no admitted member"):
        roster(())


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("epsilom = 1", "epsilom"),
        ('rounds = "many"', "rounds"),
        ("droppers = -1", "droppers"),
        ("colluders = 0", "colluders"),
        ("rounds = ", "plan.toml"),
    ],
)
def test_a_plan_file_names_what_is_wrong(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_plan_file(tmp_path / "plan.toml")
    assert where in caught.value.where
