"""Consent over real processes: an authority, wallets, members that approve, a bank that asks, everything recorded.

What a bank's `query` process sends and receives is on record message by message: for a question that is refused there
is none. A bank whose check was taken out does get its answer: a spot check is what finds it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recorded_world import RECORDING, RecordedWorld, now, recorded
from wallets import DAY_S, scope_of

from clients.subject.wallet import Wallet
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry
from protocols.wire import lookup_pb2 as wire
from workbench.demo.processes import FEDSCORE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PURPOSE = "credit-application"


@dataclass
class Scene:
    """The deployment, the authority's home and one person's wallet, all made by commands."""

    world: RecordedWorld
    folder: Path
    person: str

    def receipt(self, name: str, *, querier: str = "aurora", purpose: str = PURPOSE) -> Path:
        """Of the wallet that commands made; without a process for each."""
        out, made = self.folder / f"{name}.json", int(time.time())
        consent = Wallet.open(self.folder / "wallet").permit(
            querier=querier, purpose=purpose, scope=scope_of(), inquiry=Inquiry.HARD, now=made, until=made + DAY_S
        )
        out.write_bytes(consent.encode())
        return out

    def query(self, *questions: Sequence[object]) -> list[tuple[int, dict[str, Any]]]:
        """Exit code and JSON of aurora's `query` about the person, with the words of each question; side by side."""
        fixed = ("query", "-", "--purpose", PURPOSE, "--json")
        running = [self.world.start("aurora", *fixed, *words, stdin=self.person.encode()) for words in questions]
        told = []
        for process in running:
            out, err = self.world.wait(process, 150)
            assert out, err.decode()
            told.append((process.returncode, dict(json.loads(out))))
        return told

    def exchanged(self, since: float) -> list[str]:
        """Calls whose replies reached a `query` process."""
        heard = [each for each in self.world.messages(since) if " query " in each.command]
        return [each.method for each in heard]

    def leaves(self, since: float) -> int:
        appended = [m for m in self.world.reached("relay", since) if (m.side, m.method) == ("server", "Append")]
        return sum(len(wire.AppendRequest.FromString(message.data).leaves) for message in appended)


def fedscore(*words: object, stdin: str = "") -> Any:
    done = subprocess.run([*FEDSCORE, *map(str, words)], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, person = tmp_path_factory.mktemp("persons"), ""
    told = json.loads(fedscore("identity", "init", "--home", folder / "e-id", "--name", "e-id", "--json"))
    made = recorded(
        tmp_path_factory.mktemp("consent"), persons=200, engine="lwe", authorities={told["name"]: told["key"]}
    )
    with made as world:
        person = world.subjects("borealis")[0]
        wallet = ("--wallet", folder / "wallet")
        fedscore("subject", "init", "-", *wallet, "--request", folder / "request.json", stdin=person)
        certify = (
            "certify",
            folder / "request.json",
            "-",
            "--home",
            folder / "e-id",
            "--out",
            folder / "identity.json",
        )
        fedscore("identity", *certify, stdin=person)
        fedscore("subject", "accept", folder / "identity.json", *wallet)
        words = ("receipt", "--querier", "aurora", "--purpose", PURPOSE, "--scope", "synthetic")
        fedscore("subject", *words, "--out", folder / "good.json", *wallet)
        yield Scene(world, folder, person)


def test_members_see_whom_they_approved_to_state_keys(scene: Scene) -> None:
    home = scene.world.institutions["cassiopeia"].path
    shown = json.loads(fedscore("institution", "lookup", "roster", "--home", home, "--json"))
    assert list(shown["authorities"]) == ["e-id"]
    assert shown["approved"]
    assert "every question needs consent" in fedscore("institution", "lookup", "roster", "--home", home)


def test_with_her_receipt_the_bank_asks_once(scene: Scene) -> None:
    receipt, since = scene.folder / "good.json", now()  # what `subject receipt` wrote
    [(code, told)] = scene.query(("--receipt", receipt))
    assert (code, told["outcome"], told["inquiry"]) == (0, "scored", "hard")
    assert {"View", "Append", "Ticket", "Query"} <= set(scene.exchanged(since))
    assert scene.leaves(since) == 1
    data = scene.world.reached("relay", since)
    consent = Consent.decode(receipt.read_bytes())
    assert any(consent.serial.encode() in message.data for message in data)  # the serial is public ...
    for secret in (consent.salt.hex().encode(), consent.receipt.signature.hex().encode(), scene.person.encode()):
        assert not any(secret in message.data for message in scene.world.messages(since))  # ... and nothing else
    since = now()
    [(code, told)] = scene.query(("--receipt", receipt))
    assert (code, told["refused"]) == (4, "used")
    assert (scene.exchanged(since), scene.leaves(since)) == ([], 0)


def test_what_is_not_covered_is_refused_and_nothing_leaves_the_process(scene: Scene) -> None:
    revoked = scene.receipt("revoked")
    serial = Consent.decode(revoked.read_bytes()).serial
    taken_back = scene.folder / "revocation.json"
    fedscore("subject", "revoke", serial, "--wallet", scene.folder / "wallet", "--out", taken_back)
    home = scene.world.institutions["aurora"].path
    fedscore("institution", "consent", "revoke", taken_back, "--home", home)
    since = now()
    cases = {
        "missing": (),
        "revoked": ("--receipt", revoked),
        "wrong_querier": ("--receipt", scene.receipt("other", querier="borealis")),
        "wrong_purpose": ("--receipt", scene.receipt("purpose", purpose="credit-review")),
        "malformed": ("--receipt", scene.folder / "identity.json"),
    }
    told = dict(zip(cases, scene.query(*cases.values()), strict=True))
    assert {rule: (code, said["refused"]) for rule, (code, said) in told.items()} == {rule: (4, rule) for rule in cases}
    assert (scene.exchanged(since), scene.leaves(since)) == ([], 0)


def test_a_bank_that_takes_its_check_out_is_answered_and_leaves_a_leaf(scene: Scene) -> None:
    """What the members see is the same as of anybody: without the node's own check nothing stops it."""
    since = now()
    words = [sys.executable, str(RECORDING / "unchecked_process.py"), str(scene.world.institutions["aurora"].path)]
    done = subprocess.run([*words, scene.person], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "scored", done.stderr
    assert scene.leaves(since) == 1
