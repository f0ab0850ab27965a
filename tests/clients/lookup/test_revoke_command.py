"""`institution consent revoke`: in force whatever the log does; the acknowledgement comes once the log is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from consenting_home import consenting_home, listening
from oversight_world import log_key
from typer.testing import CliRunner
from wallets import Persons

from clients.institution.home import InstitutionHome
from clients.institution.lookup import consent_cli
from clients.institution.lookup.gate import Gate
from clients.institution.lookup.questions import Question
from federation.inquiries.acknowledged import Acknowledged
from federation.oversight.inquiries import RevocationTaken
from federation.runtime.database import open_engine
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.transparency import Entry, LogKey, Promise

MARY, PURPOSE, NOW = "P-0017", "credit-application", 1_800_000_000


class Log:
    """The log as the command reaches it; what is appended is promised under `key`."""

    said: list[Entry]

    def __init__(self, key: LogKey) -> None:
        self.key, self.said = key, []

    def __call__(self, _home: InstitutionHome) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def append(self, entries: Sequence[Entry]) -> list[bytes]:
        self.said += entries
        made = (Promise.make(self.key, leaf_hash=each.hash, index=7, issued_at=1, merge_delay_s=60) for each in entries)
        return [promise.encode() for promise in made]


def run(home: InstitutionHome, *words: object, code: int) -> dict[str, Any]:
    done = CliRunner().invoke(consent_cli.app, ["revoke", *map(str, words), "--home", str(home.path), "--json"])
    assert done.exit_code == code, done.output
    return dict(json.loads(done.stdout))


def test_it_is_in_force_without_the_log_and_acknowledged_once_the_log_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    persons = Persons.under(tmp_path)
    consent = persons.consent(MARY, "bank-a")
    file, out = tmp_path / "revocation.json", tmp_path / "a.json"
    file.write_bytes(persons.wallet(MARY).revoke(consent.serial).encode())
    with listening() as coordinator:
        home = consenting_home(tmp_path, coordinator, persons.authorities)
        home.save_coordinator(home.coordinator().model_copy(update={"log_key": log_key().public.key.hex}))
        away = run(home, file, "--out", out, code=3)
    assert away["acknowledgement"] is None
    assert not out.exists()
    gate = Gate.of(home, open_engine(f"sqlite:///{home.path / 'lookup.db'}"), lambda: away["since"] + 1)
    with pytest.raises(ConsentRefused) as refused:
        gate.check(Question(MARY, PURPOSE, consent.encode()))
    assert refused.value.rule is Rule.REVOKED

    false = Log(LogKey.from_seed("fedscore/log/false", bytes(32)))
    monkeypatch.setattr(consent_cli, "LogClient", false)
    assert run(home, file, "--out", out, code=3)["acknowledgement"] is None  # whoever answered is not the log
    log = Log(log_key())
    monkeypatch.setattr(consent_cli, "LogClient", log)
    told = run(home, file, "--out", out, code=0)
    assert (told["index"], told["served"], told["since"]) == (7, False, away["since"])
    shown = Acknowledged.decode(out.read_bytes())
    shown.check(persons.wallet(MARY).revoke(consent.serial), "bank-a")
    assert [RevocationTaken.read(each, home.signing_key.public) for each in log.said] == [shown.taken]
    assert false.said == log.said  # asked again, it says the same
