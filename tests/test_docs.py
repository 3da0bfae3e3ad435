"""What the docs list is what there is."""

from __future__ import annotations

from pathlib import Path

from click import Command

from fusemine.flows.cli.main import main
from fusemine.tasks.core.stage import Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.graph import GRAPH

REPOSITORY = Path(__file__).parents[1]


def line_of(stage: Stage) -> str:
    """A stage's line in the table of docs/architecture.md."""
    read = "all before it" if stage.gathers else ", ".join(f"`{name}`" for name in stage.reads)
    tables = ", ".join("main" if name == MAIN else f"`{name}`" for name in stage.tables)
    return f"| `{stage.name}` | {stage.scope} | {read or 'the source'} | {tables} |"


def test_the_architecture_lists_every_stage() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = "\n".join(map(line_of, GRAPH))
    assert table in text, f"docs/architecture.md needs this table of stages:\n{table}"


def test_the_readme_lists_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    commands: dict[str, Command] = main.commands
    assert {name for name in commands if f"`fusemine {name}" not in text} == set()
