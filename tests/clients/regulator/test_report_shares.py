"""The report says what one member's silence would cost, for every run whose noise is shared."""

from __future__ import annotations

from clients.regulator.account import Account
from clients.regulator.report import _shares
from federation.privacy import SharedNoise
from federation.training.sums import SumRecipe


def test_every_run_with_shared_noise_has_its_sentence() -> None:
    recipe, account = SumRecipe.of("a"), Account()
    for run, sharing in (("spring", SharedNoise(members=5)), ("summer", None), ("autumn", SharedNoise(members=3))):
        privacy = recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=sharing)
        account.plans[run] = {"run_id": run, "privacy": privacy.to_json()}
    for run, privacy_of in (("no plan", None), ("a list", [1]), ("half of one", {"epsilon": 1.0})):
        account.plans[run] = {"privacy": privacy_of}
    autumn, spring = _shares(account)
    assert autumn.startswith("That in production every member of autumn adds its share of the noise: epsilon")
    assert autumn.endswith(
        "1 of 3 members leaves out its share of the noise: 1.00 to who sees sums alone, 1.47 to 1 that colludes."
    )
    assert "1 of 5 members" in spring
    assert "1.17 to 1 that colludes" in spring
