from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from importlib.metadata import EntryPoint

import pytest

from federation import cli
from federation.errors import ConfigurationError
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
