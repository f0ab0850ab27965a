"""Finds the benchmarks of this package, runs one, prints its figures, writes them as JSON.

A benchmark is a module or a package with `add_arguments(parser: argparse.ArgumentParser) -> None` and
`run(args: argparse.Namespace) -> dict`; the first line of its docstring is its help.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def available() -> dict[str, str]:
    """Name and first docstring line of every benchmark, without importing any."""
    found = {}
    for path in sorted([*_HERE.glob("[a-z]*.py"), *_HERE.glob("[a-z]*/__init__.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"add_arguments", "run"} <= functions:
            name = path.parent.name if path.stem == "__init__" else path.stem
            found[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """One subcommand per benchmark; only the chosen one is imported, for its own arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure fedscore.")
    commands = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for name, summary in available().items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
        if name == chosen:
            importlib.import_module(f"benchmarks.{name}").add_arguments(command)
    return parser


def show(figures: dict[str, Any], indent: int = 0) -> None:
    """Nested figures as indented lines."""
    for key, value in figures.items():
        if isinstance(value, dict):
            print(f"{'  ' * indent}{key}")
            show(value, indent + 1)
        else:
            print(
                f"{'  ' * indent}{key:<28} {value:.4g}"
                if isinstance(value, float)
                else f"{'  ' * indent}{key:<28} {value}"
            )


def main(argv: Sequence[str]) -> int:
    """0: measured; 2: wrong usage (argparse)."""
    args = build_parser(next((word for word in argv if not word.startswith("-")), None)).parse_args(argv)
    figures: dict[str, Any] = importlib.import_module(f"benchmarks.{args.name}").run(args)
    show(figures)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
