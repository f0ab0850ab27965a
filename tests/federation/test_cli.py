from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from federation import cli
from federation.errors import ConfigurationError, Refused
from protocols.errors import SignatureError


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fedscore", *words])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def announce(monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    entries = [EntryPoint(name, value, cli.GROUP) for name, value in modules.items()]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)


def fail_with(error: Exception) -> str:
    import typer

    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise error

    globals()["failing"] = app
    return f"{__name__}:failing"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"fedscore {metadata.version('fedscore')}\n"


def test_help_lists_every_role_and_imports_none() -> None:
    code = (
        "import sys; sys.argv = ['fedscore', '--help']\n"
        "from federation.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print('exit', end.code)\n"
        "print(sorted({'torch', 'flwr', 'polars', 'grpc', 'server', 'clients'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for entry in metadata.entry_points(group=cli.GROUP):
        assert entry.name in shown
    assert shown.endswith("exit 0\n[]\n")


@pytest.mark.parametrize("role", ["coordinator", "institution"])
def test_a_roles_help_needs_no_torch(role: str) -> None:
    code = (
        f"import sys; sys.argv = ['fedscore', '{role}', '--help']\n"
        "from federation.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'torch', 'flwr', 'polars'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("[]\n")
    assert "init" in shown


def test_a_missing_role_breaks_no_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    announce(monkeypatch, here=fail_with(ConfigurationError("x", got="a", expected="b")), gone="nowhere.at_all:app")
    assert run(monkeypatch, "--help") == 0
    assert "(not installed)" in capsys.readouterr().out
    assert run(monkeypatch, "gone") == 1
    assert "gone is not available" in capsys.readouterr().err
    assert run(monkeypatch, "here") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ConfigurationError("a.toml: caps.run", got="-1", expected="more"),
            "ConfigurationError: a.toml: caps.run: got -1",
        ),
        (Refused("too_early", "cadence", got="x", expected="y"), "Refused too_early: cadence: got x"),
        (SignatureError("key", got="x", expected="y"), "SignatureError: key: got x"),
    ],
)
def test_an_error_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    announce(monkeypatch, role=fail_with(error))
    assert run(monkeypatch, "role") == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"fedscore: {line}")
    assert shown.count("\n") == 1


@pytest.mark.parametrize("words", [("nope",), ("role", "--wrong"), ()])
def test_wrong_usage_is_exit_2(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    announce(monkeypatch, role=fail_with(ValueError()))
    assert run(monkeypatch, *words) == 2


SECRET = "RSSMRA80A01H501U"


def leak() -> str:
    """A command that holds a secret in a local and in the message of what a library raises under it."""
    import typer

    app = typer.Typer()

    @app.command()
    def command() -> None:
        identifier = SECRET
        int(identifier)

    globals()["leaking"] = app
    return f"{__name__}:leaking"


def test_an_unexpected_error_is_one_line_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(monkeypatch, role=leak())
    assert run(monkeypatch, "role") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert SECRET not in shown.err
    assert shown.err.count("\n") == 1
    for words in ("unexpected ValueError at test_cli.command:", "FEDSCORE_TRACEBACK=1", "logs/"):
        assert words in shown.err


def test_whoever_asks_for_it_gets_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, role=leak())
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(ValueError, match=SECRET):
        run(monkeypatch, "role")


PROCESS = """
import sys
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
sys.path.insert(0, {folder!r})
metadata.entry_points = lambda group: [EntryPoint("role", "leaky:app", group)]
sys.argv = {words!r}
{start}
"""
LEAKY = """
import typer
app = typer.Typer({options})
@app.command()
def command() -> None:
    identifier = open({file!r}).read()
    [][len(identifier)]
"""
MAIN, DIRECTLY = "from federation.cli import main; main()", "import leaky; leaky.app()"


@pytest.mark.parametrize(
    ("options", "start", "leaks"),
    [
        ("pretty_exceptions_enable=False", MAIN, False),
        ("", MAIN, False),
        ("pretty_exceptions_enable=False", DIRECTLY, False),
        ("", DIRECTLY, True),  # what the option is for
    ],
)
def test_no_process_prints_what_a_local_holds(tmp_path: Path, options: str, start: str, leaks: bool) -> None:
    (tmp_path / "subject").write_text(SECRET)
    (tmp_path / "leaky.py").write_text(LEAKY.format(options=options, file=str(tmp_path / "subject")))
    words = ["fedscore", "role"] if start == MAIN else ["leaky"]
    code = PROCESS.format(folder=str(tmp_path), words=words, start=start)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "IndexError" in done.stderr
    assert (SECRET in done.stdout + done.stderr) is leaks


def test_no_app_prints_locals() -> None:
    import typer

    apps = []
    for package in ("federation", "clients", "server", "workbench"):
        for file in sorted((cli.ROOT / package).rglob("*.py")):
            if "typer.Typer(" in file.read_text(encoding="utf-8"):
                module = importlib.import_module(".".join(file.relative_to(cli.ROOT).with_suffix("").parts))
                apps += [value for value in vars(module).values() if isinstance(value, typer.Typer)]
    assert len(apps) >= 10
    assert not any(app.pretty_exceptions_enable for app in apps)


def test_a_summary_is_read_without_importing() -> None:
    assert cli.summary("server.cli").startswith("found a federation")
    assert cli.summary("nowhere.at_all") == ""
    assert cli.summary("federation.not_there") == ""


def test_mounted_commands_are_lazy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    app = typer.Typer(cls=cli.mount(later=fail_with(SignatureError("a", got="b", expected="c")), gone="nowhere:app"))

    @app.callback()
    def role() -> None: ...

    @app.command()
    def now() -> None:
        typer.echo("own")

    globals()["mounted"] = app
    announce(monkeypatch, role=f"{__name__}:mounted")
    assert run(monkeypatch, "role", "--help") == 0
    shown = capsys.readouterr().out
    assert "now" in shown
    assert "later" in shown
    assert run(monkeypatch, "role", "now") == 0
    assert run(monkeypatch, "role", "later") == 1
    assert run(monkeypatch, "role", "gone") == 1
    assert "own" in capsys.readouterr().out
