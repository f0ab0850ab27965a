"""`fedscore institution blind`: let lenders outside score encrypted applicants with a model that stays here.

fedscore institution blind init --model model.json --port 9600
fedscore institution blind allow acme --application acme.csr --fingerprint "e3b0 c442 ..." --address bank-a:9600
fedscore institution blind serve
fedscore institution blind status
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.institution.blind.folder import BlindFolder
from clients.institution.blind.model_file import ModelFile, read_effects
from clients.institution.blind.settings import settings_text
from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.score_cli import read_scaling
from clients.institution.scoring import open_scorer
from federation.blind.columns import By
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.models import effects_of
from federation.runtime.logging import configure_process
from federation.runtime.pki import key_fingerprint
from federation.runtime.private_files import write_public
from federation.runtime.processes import protect_memory
from federation.runtime.stop_signal import until_stopped
from protocols.blind.messages import FLOOD_BITS
from protocols.blind.quota import check_parts
from protocols.signing import VerifyingKey

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Let lenders outside score encrypted applicants with a model that stays here.",
)
MAX_APPLICATION_BYTES = 16 * 2**10


@app.command()
def init(
    home: Home,
    model: Annotated[Path | None, typer.Option(help="A published model: model.json.")] = None,
    effects: Annotated[
        Path | None, typer.Option(help="Or a scorecard of your own, JSON {feature: \\[log-odds of BAD per cell]}.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen.")] = 9600,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="A name or address by which lenders reach it; repeat. \\[the host]")
    ] = None,
    scaling: Annotated[Path | None, typer.Option(help="The scaling of scores, JSON.")] = None,
    flood: Annotated[int, typer.Option(min=0, max=20, help="Bits of each part that noise drowns.")] = FLOOD_BITS,
    parts: Annotated[
        By, typer.Option(help="What an answer's parts and reasons are: families are finer, and allow fewer answers.")
    ] = "dimension",
    replace_model: Annotated[
        bool, typer.Option("--replace-model", help="Serve this model instead; answers about the old one stay counted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a model: its weights and a secret salt go to HOME/blind, which only you can read."""
    opened = InstitutionHome.open(home)
    made = _model(opened, model, effects, scaling, flood, parts)
    if replace_model:
        folder = BlindFolder.open(opened)
        with closing(folder.count()) as count:
            blind = made.model(made.load_catalogue())
            check_parts(count.parts_of(blind.counted_as()), blind.divided_as())
        folder.replace_model(made)
    else:
        text = settings_text(port=port, host=host, names=tuple(name or (host,)), written=datetime.now(UTC))
        folder = BlindFolder.create(opened, text, made)
    facts = _facts(folder)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    _say_model(facts)
    if replace_model:
        typer.echo("Served from the next `fedscore institution blind serve` on; lenders must accept its terms.")
    else:
        typer.echo(f"Read {folder.path / 'blind.toml'}, allow lenders, then `fedscore institution blind serve`.")


@app.command()
def allow(
    lender: Annotated[str, typer.Argument(help="What to call the lender: a-z, 0-9 and hyphens.")],
    home: Home,
    application: Annotated[Path, typer.Option(help="What the lender's `init` wrote.")],
    fingerprint: Annotated[str, typer.Option(help="Of the lender's key, as it read it out to you.")],
    address: Annotated[str, typer.Option(help="HOST:PORT by which the lender reaches this service.")],
    out: Annotated[Path | None, typer.Option(help="The invitation \\[LENDER.invitation.json].")] = None,
) -> None:
    """Allow a lender to ask, by its key; writes the invitation to hand to it. Again: another key counts from now on."""
    from clients.institution.blind.lenders import invite  # gRPC

    folder = BlindFolder.open(InstitutionHome.open(home))
    with closing(folder.count()) as count:
        invitation = invite(
            count,
            folder.authority(),
            folder.home.signing_key,
            name=lender,
            request=_application(application),
            fingerprint=fingerprint,
            address=address,
            now=datetime.now(UTC),
        )
    path = out or Path(f"{lender}.invitation.json")
    write_public(path, invitation.canonical())
    key = key_fingerprint(VerifyingKey.from_hex(invitation.owner_key))
    typer.echo(f"{lender} may ask from now on. Hand it {path}, and read out the fingerprint of your key:\n  {key}")


@app.command()
def revoke(lender: Annotated[str, typer.Argument(help="Which lender.")], home: Home) -> None:
    """Answer this lender no more, from its next call on."""
    folder = BlindFolder.open(InstitutionHome.open(home))
    with closing(folder.count()) as count:
        if not count.revoke(lender):
            raise ConfigurationError("lender", got=lender, expected="one that is allowed")
    typer.echo(f"{lender} is answered no more.")


@app.command()
def serve(home: Home) -> None:
    """Answer lenders until Ctrl-C."""
    from clients.institution.blind.serving import serving

    protect_memory()
    folder = BlindFolder.open(InstitutionHome.open(home))
    configure_process(folder.home.logs / "blind.jsonl")
    stop = until_stopped()
    with serving(folder) as served:
        typer.echo(f"{folder.home.name}: blind scores on port {served.port}", err=True)
        stop.wait()


@app.command()
def status(home: Home, as_json: AsJson = False) -> None:
    """The model, what was answered and what is left, the lenders."""
    facts = _facts(BlindFolder.open(InstitutionHome.open(home)))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    _say_model(facts)
    for lender in facts["lenders"]:
        state = "may ask" if lender["allowed"] else "revoked"
        typer.echo(f"  {lender['name']}: {state}, {lender['answered']} applicants answered")


def _model(
    home: InstitutionHome, model: Path | None, effects: Path | None, scaling: Path | None, flood: int, by: By
) -> ModelFile:
    named = str(home.catalogue)
    scale = read_scaling(scaling)
    if model is not None and effects is None:
        scorer = open_scorer(home, model, None, scale)
        tables = effects_of(scorer.model, scorer.catalogue)
        return ModelFile.of(scorer.catalogue, named, tables, scale, source=scorer.model.hash, flood=flood, by=by)
    if effects is not None and model is None:
        catalogue = load_catalogue(home.catalogue)
        return ModelFile.of(catalogue, named, read_effects(effects, catalogue), scale, flood=flood, by=by)
    raise typer.BadParameter("one of --model and --effects is needed")


def _facts(folder: BlindFolder) -> dict[str, Any]:
    file = folder.model_file()
    blind, quota, signed = folder.offer(file, file.load_catalogue())
    with closing(folder.count()) as count:
        answered = count.by_lender(blind.counted_as())
        lenders = [
            {
                "name": each.name,
                "key": each.key,
                "allowed": each.revoked is None,
                "answered": answered.get(each.name, 0),
                "today": count.spent(blind.counted_as(), each.name).today,
            }
            for each in count.lenders()
        ]
    total = sum(answered.values())
    return {
        "model": blind.identity().hex(),
        "source": file.source or None,
        "features": len(blind.weights),
        "parts": list(signed.offer.parts),
        "smallest_part": blind.smallest_part,
        "solved_by": blind.solved_by,
        "limits": signed.offer.limits.model_dump(),
        "answered": total,
        "left": max(0, quota.lifetime - total),
        "weights_protected": total < blind.solved_by and not quota.may_extract,
        "lenders": lenders,
        "time": int(time.time()),
    }


def _say_model(facts: dict[str, Any]) -> None:
    limits = facts["limits"]
    typer.echo(f"model {facts['model'][:16]}: {facts['features']} weights in {len(facts['parts'])} parts")
    typer.echo(f"{facts['answered']} applicants answered, {facts['left']} left of {limits['lifetime']} in its life")
    if facts["weights_protected"]:
        typer.echo(
            f"The smallest part has {facts['smallest_part']} weights, and it takes {facts['solved_by']} answers to"
            " solve for a part: so few leave every part undetermined."
        )
    else:
        typer.echo("THE WEIGHTS ARE NOT PROTECTED: with so many answers lenders can solve for them.")


def _application(path: Path) -> bytes:
    try:
        return path.read_bytes()[:MAX_APPLICATION_BYTES]
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="what the lender's `init` wrote") from error
