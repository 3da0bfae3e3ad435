"""What commands print: nothing of it is markup or an order to the terminal."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table
from support.hostile_texts import ORDERS

from fusemine.flows.backfills.grids import backfill_cells, backfill_table
from fusemine.flows.backfills.state import Backfill, Row, RowState
from fusemine.flows.cli.main import main
from fusemine.flows.cli.terminal import cell, echo, print_view, shown_on_terminal
from fusemine.tasks.core import progress

CONTROLS = {"\x00", "\x07", "\x08", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\ud800", "\r"}


def printed(table: Table) -> str:
    out = StringIO()
    Console(file=out, width=4000, highlight=False, force_terminal=False).print(table)
    return out.getvalue()


@pytest.mark.parametrize("text", ORDERS)
def test_lines_tables_and_json_show_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None)
    table.add_column("name", no_wrap=True)
    table.add_row(cell(text))
    echo(text)
    echo(text, err=True)
    print_view((None, [text], None), as_json=False)
    print_view((None, [], {"name": text}), as_json=True)
    out, err = capsys.readouterr()
    shown = printed(table) + out + err
    assert CONTROLS.isdisjoint(shown)
    assert json.loads(out[out.index("{") :]) == {"name": text}
    if "[" in text and text.isprintable():
        assert shown.count(text) == 5  # in the table, three lines and the JSON


@pytest.mark.parametrize("text", ORDERS)
def test_progress_shows_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on_terminal():
        progress.report(text, 1, 1, text)
    assert CONTROLS.isdisjoint(capsys.readouterr().err)


@pytest.mark.parametrize("text", ORDERS)
def test_a_backfill_shows_errors_and_sends_none(text: str) -> None:
    row = Row(partition="2024-01", state=RowState.WAITING)
    row.failed(f"{text} of a row", "a SourceError")
    plan = Backfill.model_validate(
        {"id": "b", "pipeline": Path("p.yaml"), "only": "all", "order": "oldest", "rows": [row],
         "max_parallel": 1, "max_failures": 1, "pool": "here", "created_at": "2024-01-01T00:00:00Z"}
    )  # fmt: skip
    assert CONTROLS.isdisjoint(printed(backfill_table(plan)))
    assert [cells["error"] for cells in backfill_cells(plan)] == ["a SourceError"]
    assert "of a row" in str(backfill_cells(plan, public=False))


@pytest.mark.parametrize("name", ["x[/b].csv", "[bold red]x.csv", "x\x1b[2J.csv", "\u202ex.csv"])
def test_a_file_that_is_not_there_is_named_and_not_obeyed(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(tmp_path / name)])
    assert done.exit_code == 2
    assert CONTROLS.isdisjoint(done.output)
    assert not name.isprintable() or name in done.output
