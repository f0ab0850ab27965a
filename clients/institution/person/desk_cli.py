"""`fedscore institution desk`: pages for people at this institution, on loopback, each behind a code of its own.

fedscore institution desk admit - --home HOME < identifier        # an employee, after looking at a passport
fedscore institution desk serve --home HOME --port 8470           # on the machine at which people look
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from clients.institution.cli_enrol import Home
from clients.institution.home import InstitutionHome
from clients.institution.person.admission import HOURS, admit
from clients.institution.person.desk import Desk
from federation.lookup.reading import read_subject
from federation.runtime.logging import configure_process
from federation.runtime.stop_signal import until_stopped

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Pages for people, on loopback."
)


@app.command("admit")
def admit_person(
    subject: Annotated[str, typer.Argument(help="The person's identifier; - reads it from standard input.")],
    home: Home,
    hours: Annotated[float, typer.Option(min=0.1, max=168, help="How long the code may wait.")] = HOURS,
) -> None:
    """A code that opens this person's own pages, once. Whoever has it is taken for the person: check who it is."""
    desk, named = Desk.open(InstitutionHome.open(home)), read_subject(subject)
    desk.tags.tag(named)  # an identifier of the scheme, or an error that does not quote it
    typer.echo(admit(desk.home, named, time.time(), hours=hours))


@app.command()
def serve(
    home: Home,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 8470,
    model: Annotated[Path | None, typer.Option(help="The published model. Default: lookup.model.")] = None,
) -> None:
    """Serve the pages until Ctrl-C."""
    from clients.institution.person.pages.serve import serving  # the web packages take a moment

    opened = InstitutionHome.open(home)
    configure_process(opened.logs / "desk.jsonl")
    stop = until_stopped()
    with serving(opened, port=port, model=model) as bound:
        typer.echo(f"{opened.name}: http://127.0.0.1:{bound}/ until Ctrl-C")
        stop.wait()
