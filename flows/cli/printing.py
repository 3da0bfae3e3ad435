"""How commands print what they found: lines or JSON, and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
"""The type of arguments and options that name a file."""


def print_lines(lines: list[str], value: Any, as_json: bool) -> None:
    """Print lines for people, or the same as one JSON object."""
    if as_json:
        lines = [json.dumps(value, indent=1, ensure_ascii=False)]
    for line in lines:
        click.echo(line)


def print_table(table: Any) -> None:
    """Print a table as wide as the terminal; without one as wide as it needs to be."""
    from rich.console import Console

    console = Console(highlight=False)
    Console(highlight=False, width=None if console.is_terminal else 240).print(table)
