"""A deployment of which every page is read while a planted person is trained on and asked for.

with observed(folder) as world:
    world.live_through_it()
    world.shown()["aurora node"]
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import grpc
import polars as pl
from founding import in_process
from lookup_deployment import PURPOSE, LookupDeployment
from prometheus_client.parser import text_string_to_metric_families

from clients.institution.home import InstitutionHome
from clients.institution.lookup.querier import Querier
from federation.catalogue import load_catalogue
from federation.errors import FederationError
from federation.models import PublishedModel
from federation.observability.targets import targets
from federation.rounds import SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_to_bytes
from federation.runtime.rpc import call
from federation.training import initial_parameters
from federation.training.recipe import noise_of
from protocols.envelope import seal
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope, HelloRequest, Phase, PlanProposal, RoundRequest

SUBJECT, NOTE, BALANCE = "PLANTED77QX31", "Quillfeather", "73182.6401"
NODE = training_pb2.DESCRIPTOR.services_by_name["Node"]
PAGES = ("/metrics", "/health/live", "/health/ready")
# How often these are called is a matter of time: they wait for news.
POLLS = ("Relay.Work", "Relay.View", "Log.", "Mailbox.")
Series = dict[tuple[str, str, tuple[tuple[str, str], ...]], float]


class Observed:
    """A federation of three, an epoch open; `world` is what runs it."""

    def __init__(self, world: LookupDeployment) -> None:
        self.world = world
        self.aurora = world.institutions["aurora"]
        self.model = PublishedModel.read(world.model.read_bytes())

    @property
    def homes(self) -> dict[str, Path]:
        return {
            "coordinator": self.world.coordinator.path,
            **{name: home.path for name, home in self.world.institutions.items()},
        }

    def shown(self) -> dict[str, dict[str, bytes]]:
        """Party and process -> page -> what it says now."""
        found = {}
        for party, home in self.homes.items():
            for target in targets(home):
                found[f"{party} {target.process}"] = {page: get(target.address, page) for page in PAGES}
        return found

    def series(self) -> Series:
        """What all endpoints count, but for time, machine, and calls that wait for news."""
        found: Series = {}
        for process, pages in self.shown().items():
            for family in text_string_to_metric_families(pages["/metrics"].decode()):
                for sample in family.samples:
                    timed = sample.name.endswith(("_bucket", "_sum", "_timestamp_seconds"))
                    polled = sample.labels.get("method", "").startswith(POLLS)
                    if not timed and not polled and not sample.name.startswith("process_"):
                        found[process, sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def ask(self, name: str, subjects: list[str]) -> list[str]:
        with Querier.open(self.world.institutions[name]) as querier:
            return [querier.ask(subject, PURPOSE).outcome.kind for subject in subjects]

    def ask_node(self, data: bytes) -> str:
        """The kind of aurora's answer."""
        with grpc.insecure_channel(f"unix:{self.aurora.socket}") as channel:
            answer = call(channel, NODE, "Handle", Envelope.FromString(data), timeout=150.0)
        return str(answer.kind)

    def live_through_it(self) -> None:
        """Rounds, questions, refusals, errors; all of them about, or full of, the planted person."""
        key = self.world.coordinator.signing_key
        signed = self.signed_plan()
        assert self.ask_node(seal(HelloRequest(challenge=b"c" * 32), key)) == "HelloReply"
        assert self.ask_node(seal(PlanProposal(plan=signed.plan.canonical()), key)) == "PlanApproval"
        assert self.ask_node(self.round(signed, 1)) == "RoundReply"
        assert self.ask_node(self.round(signed, 2, in_ms=-1)) == "Refusal"
        assert self.ask_node(Envelope(kind=SUBJECT, body=NOTE.encode()).SerializeToString()) == "Refusal"
        assert self.ask("borealis", [SUBJECT, SUBJECT]) == ["scored", "scored"]
        for words in (["query", SUBJECT, "--purpose", NOTE], ["query", f"{SUBJECT} {NOTE}", "--purpose", PURPOSE]):
            process = self.world.start("borealis", *words)
            self.world.wait(process, 150)
        with Querier.open(self.world.institutions["cassiopeia"]) as querier, suppress(FederationError):
            querier.ask(SUBJECT, NOTE)
        for target in (target for home in self.homes.values() for target in targets(home)):
            get(target.address, f"/{SUBJECT}")

    def signed_plan(self) -> SignedPlan:
        """A plan that all three approved, for a run of its own."""
        drawn = self.model.signed_plan.plan
        privacy = drawn.privacy.model_copy(update={"distribution": noise_of(drawn.recipe.family)})
        plan = TrainingPlan.read(
            drawn.model_copy(
                update={"run_id": "watched", "privacy": privacy, "expires": int(time.time()) + 3600}
            ).canonical()
        )
        approvals = {name: approve(plan, home.signing_key) for name, home in self.world.institutions.items()}
        return SignedPlan.sign(plan, approvals, self.world.coordinator.signing_key)

    def round(self, signed: SignedPlan, number: int, *, in_ms: int = 150_000) -> bytes:
        parameters = initial_parameters(load_catalogue("synthetic"), signed.plan.recipe)
        message = RoundRequest(
            signed_plan=signed.canonical(),
            plan_hash=bytes.fromhex(signed.plan.hash),
            phase=Phase.TRAIN,
            round=number,
            model=model_to_bytes(parameters),
            deadline_ms=int(time.time() * 1000) + in_ms,
        )
        return seal(message, self.world.coordinator.signing_key)

    def until_ready(self, seconds: float = 150.0) -> None:
        """Every process but the pool says so, for SuperLinks do not run here."""
        self.world.until(
            lambda: all(b'"log": "ok"' in self.ready(home) for home in self.nodes), seconds, "nodes hear the log"
        )

    @property
    def nodes(self) -> list[InstitutionHome]:
        return list(self.world.institutions.values())

    @staticmethod
    def ready(home: InstitutionHome) -> bytes:
        return b"".join(get(target.address, "/health/ready") for target in targets(home.path))


def get(address: str, path: str) -> bytes:
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


@contextmanager
def observed(folder: Path, *, persons: int = 250) -> Iterator[Observed]:
    """Founded, the person planted in aurora's file, an epoch open."""
    deployment = LookupDeployment.create(folder, persons=persons, found=in_process)
    for home in deployment.institutions.values():
        home.accept_bundle("0" * 64)
    _plant(deployment.institutions["aurora"].data)
    with deployment:
        deployment.open_epoch("lwe", daily_tickets=1000)
        deployment.take_part()
        world = Observed(deployment)
        world.until_ready()
        yield world


def _plant(file: Path) -> None:
    """The first good record is the person's; another of theirs breaks a rule."""
    table = pl.read_csv(file, infer_schema_length=0)
    first = pl.int_range(pl.len()) == 0
    planted = {"person_id": SUBJECT, "revolving_balance": BALANCE}
    table = table.with_columns(
        pl.when(first).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in planted.items()
    )
    broken = table[:1].with_columns(person_id=pl.lit(SUBJECT + "2"), age=pl.lit(NOTE))
    pl.concat([table, broken]).write_csv(file, compression="gzip")
