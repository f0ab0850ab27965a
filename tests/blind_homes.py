"""An owner with a published model and lenders outside, in homes as the commands make them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from bank_home import bank_home
from scores_world import published_model
from typer.testing import CliRunner, Result

from clients.institution.blind.folder import BlindFolder
from clients.institution.cli import app as institution
from clients.institution.home import InstitutionHome
from clients.lender.cli import app as lender_app
from clients.lender.home import LenderHome
from federation.models import PublishedModel
from federation.runtime.ports import free_ports
from federation.synthetic import Population, PopulationSpec, write_population
from protocols.blind import BlindModel

MODEL = published_model()
READY_S = 240.0


def applicants(folder: Path, persons: int = 300) -> Path:
    """A file of the synthetic population."""
    drawn = Population.draw(PopulationSpec(persons=persons, institutions=1), np.random.default_rng(4))
    return write_population(drawn, folder, form="csv")[0]


@dataclass
class Blind:
    """`limits` are keys of blind.toml."""

    folder: Path
    limits: Mapping[str, object] = field(default_factory=dict)
    model: PublishedModel = MODEL
    port: int = field(default_factory=free_ports)

    def __post_init__(self) -> None:
        data = self.folder / "records.csv"
        data.write_text("person_id\n")
        bank_home(self.bank, data)
        (self.folder / "model.json").write_bytes(self.model.canonical())
        made = self.owner("init", "--model", str(self.folder / "model.json"), "--port", str(self.port))
        assert made.exit_code == 0, made.output
        self.settings(**self.limits)

    @property
    def bank(self) -> Path:
        return self.folder / "bank"

    @property
    def opened(self) -> BlindFolder:
        return BlindFolder.open(InstitutionHome.open(self.bank))

    @property
    def secret(self) -> BlindModel:
        """What no lender may learn."""
        file = self.opened.model_file()
        return file.model(file.load_catalogue())

    def settings(self, **limits: object) -> None:
        path = self.bank / "blind" / "blind.toml"
        kept = [line for line in path.read_text().splitlines() if line.partition(" = ")[0] not in limits]
        path.write_text("\n".join([*kept, *(f"{name} = {json.dumps(value)}" for name, value in limits.items())]) + "\n")

    def owner(self, command: str, *arguments: str) -> Result:
        return run(institution, "blind", command, "--home", str(self.bank), *arguments)

    def status(self) -> dict[str, object]:
        return dict(json.loads(self.owner("status", "--json").stdout))

    def lender(self, name: str, *, port: int | None = None) -> LenderHome:
        """Makes a lender's home, allows it and joins; it has accepted nothing yet."""
        home, invitation = self.folder / name, self.folder / f"{name}.json"
        made = run(lender_app, "init", "--home", str(home), "--name", name, "--catalogue", "synthetic", "--json")
        said = json.loads(made.stdout)
        address = f"127.0.0.1:{port or self.port}"
        allowing = ["--application", said["application"], "--fingerprint", said["fingerprint"], "--address", address]
        allowed = self.owner("allow", name, *allowing, "--out", str(invitation))
        assert allowed.exit_code == 0, allowed.output
        fingerprint = self.opened.home.fingerprint
        joined = run(lender_app, "join", "--home", str(home), str(invitation), "--fingerprint", fingerprint)
        assert joined.exit_code == 0, joined.output
        return LenderHome.open(home)

    @contextmanager
    def process(
        self, *, port: int | None = None, variables: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """`fedscore institution blind serve`, as a process; killed at the end."""
        environment = {**os.environ, **(variables or {}), "FEDSCORE_BLIND_PORT": str(port or self.port)}
        serving = subprocess.Popen(
            [sys.executable, "-m", "federation.cli", "institution", "blind", "serve", "--home", str(self.bank)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert serving.stderr is not None
            for line in serving.stderr:
                if "blind scores on port" in line:
                    break
            else:
                raise AssertionError("the service did not start")
            yield serving
        finally:
            serving.kill()
            serving.wait()
            serving.stderr.close()


def run(app: object, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})  # type: ignore[arg-type]


def fedscore(*arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as a process."""
    command = [sys.executable, "-m", "federation.cli", *arguments]
    environment = {**os.environ, **(variables or {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def write(rows: pl.DataFrame, path: Path) -> Path:
    rows.write_csv(path)
    return path
