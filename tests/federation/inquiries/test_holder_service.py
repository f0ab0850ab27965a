"""Both holders of the oversight key in this process, asked over TLS: what they answer, refuse, count and show."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from holder_homes import holder_homes
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner
from wallets import DAY_S, Persons

from clients.ombudsman.cli import app as ombudsman
from clients.subject.asking import Asking
from federation.errors import ConfigurationError, Refused
from federation.inquiries.holder_home import HolderHome, settings_text
from federation.inquiries.holder_service import SERVICE, _observe, rpc_address, serving
from federation.inquiries.log_leaves import LoggedLeaf
from federation.observability.monitor import Monitor
from federation.observability.names import Process, of_process
from federation.observability.targets import targets
from federation.runtime.rpc import ask, client_tls, dial
from protocols.consent.holders import OversightKey
from protocols.consent.question import ProvenTag, TagQuestion, write_tags
from protocols.consent.tag_lookup import Step
from protocols.consent.tag_request import TagRequest
from protocols.lookup.elgamal import make_tag, prove_tag
from protocols.oprf.group import hash_to_group
from protocols.signing import SigningKey
from protocols.wire import inquiries_pb2 as wire

HELD = ("ombudsman", "regulator")
MOST = 40  # tags in a day


@dataclass
class Index:
    """Both homes, joined; what is on the log's place are leaves that are made here."""

    folder: Path
    persons: Persons
    homes: dict[str, HolderHome]
    key: OversightKey
    now: float = field(default_factory=time.time)

    def leaves(self, *persons: str) -> list[LoggedLeaf]:
        return [self._leaf(index, person) for index, person in enumerate(persons)]

    def _leaf(self, index: int, person: str) -> LoggedLeaf:
        nonce, bond = os.urandom(32), os.urandom(32)
        tag = make_tag(self.point(person), nonce, self.key.public)
        proven = ProvenTag(tag, prove_tag(tag, bond, nonce, os.urandom), bond)
        return LoggedLeaf(index, os.urandom(32), "bank-a", "credit-application", "s", int(self.now), 1, proven, b"")

    def point(self, person: str) -> bytes:
        return hash_to_group(self.persons.wallet(person).subject.identifier)

    def asks(self, person: str, leaves: Sequence[LoggedLeaf]) -> list[int]:
        """Places of the leaves that both holders together show to be hers."""
        asking = Asking(self.persons.wallet(person), self.key, lambda: self.now)
        for _ in asking.ask(leaves):
            pass
        return [each.leaf.index for each in asking.found]

    def question(self, person: str, leaves: Sequence[LoggedLeaf]) -> tuple[TagQuestion, wire.Question]:
        wallet = self.persons.wallet(person)
        assert wallet.identity is not None
        request = TagRequest(
            wallet.key.public, wallet.subject.identifier, os.urandom(32), 0, len(leaves), int(self.now)
        )
        made = TagQuestion(
            request.sign(wallet.key), wallet.identity, wallet.subject.salt, tuple(leaf.tag for leaf in leaves)
        )
        return made, written(made)

    def says(self, holder: str, method: str, message: Any) -> Any:
        said = self.key.holder(holder)
        with dial(said.address, credentials=client_tls(said.authority.encode())) as channel:
            return ask(channel, SERVICE, method, message, timeout=60.0)

    def refused(self, holder: str, method: str, message: Any) -> str:
        with pytest.raises(Refused) as told:
            self.says(holder, method, message)
        return told.value.code

    def page(self, holder: str, path: str) -> tuple[int, bytes]:
        (target,) = targets(self.homes[holder].path)
        with closing(http.client.HTTPConnection(target.address, timeout=30)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()


def written(question: TagQuestion) -> wire.Question:
    return wire.Question(
        request=question.signed.encode(),
        identity=question.identity.encode(),
        salt=question.salt,
        tags=write_tags(question.tags),
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("index")
    persons = Persons.under(folder / "persons")
    keys = {"log": SigningKey.generate().public.hex, "coordinator": SigningKey.generate().public.hex}
    homes = holder_homes(folder, persons, **keys)
    for home in homes.values():
        text = home.path / "holder.toml"
        text.write_text(text.read_text().replace("daily_tags = 200000", f"daily_tags = {MOST}"))
    key = homes["ombudsman"].oversight
    return Index(folder, persons, {name: HolderHome.open(home.path) for name, home in homes.items()}, key)


@pytest.fixture
def served(index: Index) -> Iterator[Index]:
    """Both serve until the test ends; figures are the ombudsman's, which is started last: a process shows its own."""
    with ExitStack() as stack:
        for name in reversed(HELD):
            stack.enter_context(serving(index.homes[name]))
        yield index


def test_a_person_learns_which_leaves_are_about_her_and_nobody_learns_it_for_her(served: Index) -> None:
    leaves = served.leaves("Mary", "John", "Mary", "Eve")
    assert served.asks("Mary", leaves) == [0, 2]
    assert served.asks("Nobody", leaves) == []


def test_whom_no_authority_vouches_for_gets_no_step(served: Index) -> None:
    leaves = served.leaves("Mary")
    other = Persons.under(served.folder / f"others-{os.urandom(4).hex()}")
    stranger = Index(served.folder, other, served.homes, served.key)
    _, mallory = stranger.question("Mary", leaves)
    assert served.refused("ombudsman", "Blind", wire.BlindRequest(question=mallory)) == "invalid"
    _, hers = served.question("Mary", leaves)
    assert served.says("ombudsman", "Blind", wire.BlindRequest(question=hers)).step
    _, old = replace(served, now=served.now - DAY_S - 3600).question("Mary", leaves)
    with pytest.raises(Refused, match="expired"):
        served.says("ombudsman", "Blind", wire.BlindRequest(question=old))


def test_a_session_serves_once_and_decrypts_once_and_on_her_order_alone(served: Index) -> None:
    leaves = served.leaves("Mary", "John")
    question, message = served.question("Mary", leaves)
    blind = wire.BlindRequest(question=message)
    steps = [served.says("ombudsman", "Blind", blind).step]
    assert served.refused("ombudsman", "Blind", blind) == "conflict"
    steps.append(served.says("regulator", "Blind", wire.BlindRequest(question=message, steps=steps)).step)
    key = served.persons.wallet("Mary").key
    order = question.order(key, "ombudsman", steps)
    assert served.refused("ombudsman", "Decrypt", wire.DecryptRequest(question=message, steps=steps)) == "invalid"
    to_other = wire.DecryptRequest(question=message, steps=steps, order=order)
    assert served.refused("regulator", "Decrypt", to_other) == "invalid"
    assert served.says("ombudsman", "Decrypt", to_other).decryption
    assert served.refused("ombudsman", "Decrypt", to_other) == "unknown"


def test_a_tag_that_its_maker_cannot_have_made_is_not_touched(served: Index) -> None:
    first, second = served.leaves("Mary", "John")
    stolen = ProvenTag(first.tag.tag, second.tag.proof, first.tag.bond)
    question, _ = served.question("Mary", [first])
    forged = TagQuestion(question.signed, question.identity, question.salt, (stolen,))
    message = wire.BlindRequest(question=written(forged))
    assert served.refused("ombudsman", "Blind", message) == "invalid"


def test_a_holder_builds_on_no_step_that_does_not_hold(served: Index) -> None:
    leaves = served.leaves("Mary", "John")
    _, message = served.question("Mary", leaves)
    step = Step.decode(served.says("ombudsman", "Blind", wire.BlindRequest(question=message)).step)
    wrong = Step(step.pairs[::-1], step.proofs)
    request = wire.BlindRequest(question=message, steps=[wrong.encode()])
    with pytest.raises(Refused, match="ombudsman"):
        served.says("regulator", "Blind", request)


def test_one_person_asks_about_so_many_tags_in_a_day(served: Index) -> None:
    leaves = served.leaves(*["John"] * (MOST // 2 + 1))
    assert len(served.asks("Greedy", leaves)) == 0
    _, message = served.question("Greedy", leaves)
    assert served.refused("ombudsman", "Blind", wire.BlindRequest(question=message)) == "quota"


def figures(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_it_shows_what_is_documented_and_nobody(served: Index) -> None:
    before = figures(served.page("ombudsman", "/metrics")[1])
    served.asks("Shown to nobody", served.leaves("Shown to nobody", "John", "John"))
    _, message = served.question("Shown to nobody", served.leaves("John"))
    message.salt = bytes(32)
    served.refused("ombudsman", "Blind", wire.BlindRequest(question=message))
    status, page = served.page("ombudsman", "/metrics")
    after = figures(page)
    assert status == 200
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(page.decode())
    }
    assert shown == {metric.name for metric in of_process(Process.HOLDER)}

    def more(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    assert more("fedscore_holder_questions") == 1
    assert more("fedscore_holder_tags") == 3
    assert more("fedscore_rpc_calls_total", method="Holder.Blind", code="invalid") == 1
    assert more("fedscore_rpc_calls_total", method="Holder.Decrypt", code="ok") > 0
    ends = after["fedscore_certificate_expires_timestamp_seconds", ()]
    assert ends == served.homes["ombudsman"].certificate_ends.timestamp()
    home = served.homes["ombudsman"].path
    identifier = served.persons.wallet("Shown to nobody").subject.identifier
    texts = [page, *(file.read_bytes() for file in (home / "run").iterdir())]
    assert not any(form in text for form in (identifier, identifier.hex().encode(), b"Shown") for text in texts)


def test_it_says_whether_it_is_ready_in_three_ways(served: Index) -> None:
    home = served.homes["ombudsman"]
    status, page = served.page("ombudsman", "/health/ready")
    assert (status, json.loads(page)["parts"]) == (200, {"certificate": "ok", "sessions": "ok"})
    told = CliRunner().invoke(ombudsman, ["health", "--home", str(home.path), "--json"])
    assert (told.exit_code, json.loads(told.stdout)["ready"]) == (0, True)
    said = served.key.holder("ombudsman")
    with dial(said.address, credentials=client_tls(said.authority.encode())) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        assert check(HealthCheckRequest(service=SERVICE.full_name), timeout=30).status == HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError):
            check(HealthCheckRequest(service="another"), timeout=30)


def test_alone_it_holds_no_key_and_does_not_serve(tmp_path: Path) -> None:
    key = SigningKey.generate().public.hex
    where = {"host": "localhost", "bind": "127.0.0.1", "port": 0}
    text = settings_text(name="ombudsman", log=key, coordinator=key, authorities={"e-id": key}, **where)
    with pytest.raises(ConfigurationError, match="join"), serving(HolderHome.create(tmp_path / "alone", text)):
        pass


def test_when_it_does_not_serve_nothing_is_announced(index: Index) -> None:
    told = CliRunner().invoke(ombudsman, ["health", "--home", str(index.homes["ombudsman"].path)])
    assert told.exit_code == 3
    assert targets(index.homes["ombudsman"].path) == ()


def test_it_is_not_ready_with_a_certificate_that_ends_or_a_database_that_is_gone() -> None:
    def gone() -> tuple[int, int]:
        raise OSError("secret words")

    monitor = Monitor(Process.HOLDER)
    _observe(monitor, datetime.now(UTC) + timedelta(days=6), gone)
    found = monitor.health()
    assert not found.ready
    assert found.parts == {
        "certificate": "the certificate ends soon, restart",
        "sessions": "cannot be asked, OSError",
    }
    assert b"secret words" not in monitor.exposition()


def test_a_flood_is_held_back_and_counted_by_its_code(served: Index) -> None:
    """Last: it uses up what this address may call."""
    said, codes = served.key.holder("ombudsman"), set[str]()
    with dial(said.address, credentials=client_tls(said.authority.encode())) as channel:
        end = time.monotonic() + 120
        while "rate" not in codes:
            assert time.monotonic() < end
            with pytest.raises(Refused) as told:
                ask(channel, SERVICE, "Blind", wire.BlindRequest(), timeout=60.0)
            codes.add(told.value.code)
    assert codes == {"invalid", "rate"}
    shown = figures(served.page("ombudsman", "/metrics")[1])
    assert shown["fedscore_rpc_calls_total", (("code", "rate"), ("method", "Holder.Blind"))] == 1


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:9490"), ("::1", "[::1]:9490")])
def test_an_address_has_brackets_where_it_needs_them(host: str, address: str) -> None:
    assert rpc_address(host, 9490) == address
