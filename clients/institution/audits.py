"""Audits of this institution's own trainer: from a plan that its node serves to a signed result.

    result = run_audit(home, plan, "canary", seed, now=time.time())
    path = keep(home, result)              # HOME/audits: whoever brings statements to the log takes them from there

The trainer is made by `clients.institution.training.make_trainer`, as for every round. Records and models come from the
seed, noise and sampling from production's source; the institution's own records are not opened and nothing is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from clients.institution.home import InstitutionHome
from clients.institution.training import make_trainer
from federation.audits import Build, Claim, Kind, Subject, SumSubject, audit
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.ledger import Caps, Ledger, Release
from federation.ledger.budget import Scope
from federation.ledger.journal import code_version
from federation.oversight.audits import AuditRequest, AuditResult
from federation.privacy import NoiseSource, OsNoise
from federation.rounds import TrainingPlan
from federation.rounds.rule import summed_model
from federation.runtime.private_files import private_directory, write_public
from federation.training import Recipe, initial_parameters
from federation.training.sums.trainer import SumTrainer
from protocols.errors import ProtocolError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement
from protocols.transparency.entry import read_entry

FOLDER = "audits"
MOST_RECORDS = 100_000  # nominal size of an audited trainer: in float32 parameters one record of more is lost
_REHEARSED: dict[Kind, int] = {
    "contract": 3,
    "canary": 8,
    "one-run": 1,
}  # rounds whose epsilons the ledger is asked for


@dataclass(frozen=True)
class Requested:
    """A regulator's request as it stands in the log, and who signed it."""

    request: AuditRequest
    leaf_hash: str
    signer: VerifyingKey

    @classmethod
    def read(cls, path: Path, institution: str, *, now: float) -> Requested:
        """Raises ConfigurationError for a file that is no request to `institution`, or one that has expired."""
        try:
            entry = read_entry(path.read_bytes().strip())
            statement = Statement.read(entry)
            request = AuditRequest.from_json(statement.content)
        except OSError as error:
            raise ConfigurationError(str(path), got=error.strerror, expected="a readable file") from error
        except ProtocolError as error:
            raise ConfigurationError(f"{path}: {error.field}", got=error.got, expected=error.expected) from error
        if entry.kind != AuditRequest.kind_of_statement:
            raise ConfigurationError(str(path), got=entry.kind, expected=AuditRequest.kind_of_statement)
        if request.institution != institution:
            raise ConfigurationError(f"{path}: institution", got=request.institution, expected=institution)
        if now > request.expires:
            raise ConfigurationError(f"{path}: expires", got=request.expires, expected=f"after {int(now)}")
        return cls(request, entry.hash.hex(), statement.signer)


def run_audit(
    home: InstitutionHome, plan: TrainingPlan, kind: Kind, seed: bytes, *, requested: Requested | None = None
) -> AuditResult:
    """Audit the trainer that serves `plan` at this institution.

    Raises ConfigurationError for a plan without this institution or of another catalogue, or one that another request
    names; PrivacyError for a plan that cannot be audited.
    """
    catalogue = load_catalogue(home.catalogue)
    if plan.member(home.name) is None or plan.catalogue.hash != catalogue.hash:
        raise ConfigurationError("plan", got=plan.run_id, expected=f"a plan of {home.name} and its catalogue")
    report = audit(subject_of(catalogue, plan, home.name, OsNoise(), _REHEARSED[kind]), kind, seed)
    return AuditResult(
        request=None if requested is None else requested.leaf_hash,
        institution=home.name,
        kind=kind,
        plan_hash=plan.hash,
        code_version=code_version(),
        seed=seed.hex(),
        delta=plan.privacy.delta,
        claimed=report.headline.claimed,
        measured=report.headline.measured,
        confidence=report.headline.confidence,
        findings=report.findings,
        passed=report.passed,
    )


def subject_of(
    catalogue: Catalogue, plan: TrainingPlan, institution: str, noise: NoiseSource, rounds: int = 3
) -> Subject | SumSubject:
    """What is audited of `institution` under `plan`: its trainer, and its ledger over the first `rounds` rounds.

    Of a recipe of sums: over a round of each stage.
    """
    nominal = min(plan.by_name[institution].nominal_records, MOST_RECORDS)
    recipe = plan.recipe
    if not isinstance(recipe, Recipe):
        return sum_subject_of(catalogue, plan, institution, noise)
    return Subject(
        cast(Build, lambda source: make_trainer(catalogue, plan, nominal, source)),
        Claim(plan.privacy, nominal, recipe.learning_rate, recipe.momentum),
        initial_parameters(catalogue, recipe),
        [feature.n_cells for feature in catalogue.features],
        noise,
        rehearse(plan, institution, range(1, min(rounds, plan.privacy.rounds) + 1)),
    )


def sum_subject_of(catalogue: Catalogue, plan: TrainingPlan, institution: str, noise: NoiseSource) -> SumSubject:
    """The same of a recipe of sums; its ledger is asked about the first round of each stage, and the last of all.

    The auditor's model and the trainer's are made apart.
    """
    nominal, served = plan.by_name[institution].nominal_records, summed_model(catalogue, plan)
    model = summed_model(catalogue, plan)
    asked = sorted({1 + model.rounds.index(stage) for stage in model.rounds} | {len(model.rounds)})
    return SumSubject(
        cast(
            Callable[[NoiseSource], SumTrainer], lambda source: make_trainer(catalogue, plan, nominal, source, served)
        ),
        model,
        plan.privacy,
        noise,
        dict(zip(asked, rehearse(plan, institution, asked), strict=True)),
    )


def rehearse(plan: TrainingPlan, institution: str, numbers: Iterable[int]) -> Sequence[float]:
    """What this institution's ledger states (PLD) after each of the rounds `numbers` of a run.

    The ledger that serves production, on a database of its own: a rehearsal charges nobody.
    """
    privacy = plan.privacy
    caps = Caps(run=1e3, year=1e3, lifetime=1e3, delta=privacy.delta)
    ledger = Ledger.in_memory(institution=institution, key=SigningKey.generate(), caps=caps)
    stated = []
    for number in numbers:
        ledger.reserve(
            Release(
                run_id=plan.run_id,
                phase="train",
                round=number,
                event=privacy.round_event(number),
                delta=privacy.delta,
                plan_hash=plan.hash,
                catalogue_hash=plan.catalogue.hash,
                model_hash=f"{number:064x}",
                nominal_records=plan.by_name[institution].nominal_records,
                vintage="audit",
                family=plan.recipe.family,
            )
        )
        stated.append(ledger.claims(Scope.RUN, plan.run_id).pld)
    ledger.close()
    return stated


def keep(home: InstitutionHome, result: AuditResult) -> Path:
    """Sign `result` and keep it in HOME/audits as the log entry that it will be; the file is named by its leaf hash."""
    entry = result.sign(home.signing_key)
    path = private_directory(home.path / FOLDER) / f"{entry.hash.hex()}.json"
    write_public(path, entry.data, mode=0o600)
    return path


def kept(home: InstitutionHome) -> Iterator[Entry]:
    """Every signed result in HOME/audits, by leaf hash: what the log is to have. Raises MessageError for a bad file."""
    for path in sorted((home.path / FOLDER).glob("*.json")):
        yield read_entry(path.read_bytes())
