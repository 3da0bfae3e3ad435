"""Privacy: what Prefect is sent and keeps, and texts that a terminal or a page would obey."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import polars as pl

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from pathlib import Path

MONTH = "2024-05"
ORDERS = {"\x1b", "\x07", "\x00", "\x9b", "\x7f", "\u202e", "\ud800"}
TITLE = "[click](javascript:alert(1)) ![x](http://127.0.0.1:9/x.png) <b>b</b>"
HERE = {"PREFECT_API_URL": ""}
"""A temporary server with a database below the case's own folder."""


def plant(case: Case, **cells: Any) -> str:
    """A further month, one row of which has a word of its own in text, id and category."""
    word = f"zyx{uuid4().hex[:12]}"
    path = case.add_month(MONTH)
    rows = pl.read_csv(path).to_dicts()
    rows[7] |= {"id": f"ID-{word}", "body": f"{word} broke {word}", "priority": f"p{word}"} | cells
    pl.DataFrame(rows).write_csv(path)
    return word


def database(case: Case, own: bool = False) -> Path:
    return (case.folder if own else case.folder.parent) / "home" / "prefect.db"


def kept(case: Case, word: str, own: bool = False) -> list[str]:
    """Tables of the server's database that hold a word, once its events have come."""
    time.sleep(3)
    with closing(sqlite3.connect(f"file:{database(case, own)}?mode=ro", uri=True)) as found:
        names = found.execute("select name from sqlite_master where type = 'table'").fetchall()
        rows = {name: found.execute(f'select * from "{name}"').fetchall() for (name,) in names}
    return sorted(name for name, all_rows in rows.items() if word in repr(all_rows))


def ended_well(done: Ran) -> None:
    assert done.code == 0, done.text[-600:]


def refused(done: Ran, words: str) -> None:
    assert done.code == 2, f"exit code {done.code}: {done.text[-300:]}"
    assert words in done.text, done.text[-300:]


def obeys_nothing(done: Ran) -> None:
    found = ORDERS & set(done.out + done.err)
    assert not found, f"printed {found!r}"


def artifact(case: Case, run: str, kind: str) -> dict[str, Any]:
    """The artifact of a type that a run with this name made, as the server has it."""
    api = case.server["PREFECT_API_URL"]
    asked = {"flow_runs": {"name": {"any_": [run]}}, "artifacts": {"type": {"any_": [kind]}}}
    found = httpx.post(f"{api}/artifacts/filter", json=asked, timeout=60).json()
    assert found, f"no {kind} artifact of {run}"
    shown: dict[str, Any] = found[0]
    return shown


def register_title(what: str, escaped: str) -> None:
    @fault(f"{what} in the pipeline's title")
    def title(case: Case) -> None:
        text = case.pipeline.read_text()
        case.pipeline.write_text(f'{text}title: "a{escaped}b"\n')
        done = case.run("check", case.pipeline)
        refused(done, "with the character" if escaped != "\\ud800" else "invalid Unicode")
        obeys_nothing(done)


for what, escaped in (
    ("half a character", "\\ud800"),
    ("NUL", "\\0"),
    ("an escape sequence", "\\e[2J"),
    ("a control character of eight bits", "\\x9b"),
):
    register_title(what, escaped)


@fault("a line break in the name of the root")
def root_of_two_lines(case: Case) -> None:
    case.edit(root="arti\nfacts")
    refused(case.run("check", case.pipeline), "with the character")


def register_file(what: str, name: str) -> None:
    @fault(f"{what} in the name of a file to score", model=True)
    def scored(case: Case) -> None:
        path = case.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((case.inbox / "tickets-2024-04.csv").read_bytes())
        done = case.run("predict", case.pipeline, path)
        ended_well(done)
        obeys_nothing(done)
        assert not name.isprintable() or name in done.text, done.text

    @fault(f"{what} in the name of a pipeline that is not there")
    def missing(case: Case) -> None:
        done = case.run("check", case.folder / name.replace(".csv", ".yaml"))
        refused(done, "readable pipeline.yaml")
        obeys_nothing(done)


for what, name in (
    ("a closing tag", "x[/b].csv"),
    ("markup", "[bold red]x.csv"),
    ("an escape sequence", "x\x1b[2J\x1b]0;t\x07.csv"),
    ("text from right to left", "x\u202evsc.csv"),
):
    register_file(what, name)


@fault("an escape sequence in a category")
def order_in_a_cell(case: Case) -> None:
    plant(case, priority="\x1b[31mred\u202e")
    done = case.run("run", case.pipeline)
    ended_well(done)
    obeys_nothing(done)
    obeys_nothing(case.run("run", case.pipeline, "--json"))


@fault("formulas in cells, exported as CSV and as Parquet")
def formulas(case: Case) -> None:
    plant(case, priority="=1+1", id="@SUM(A1)")
    ended_well(case.run("run", case.pipeline))
    for name in ("out.csv", "out.parquet"):
        ended_well(case.run("export", case.pipeline, "-o", case.folder / name))
    csv = pl.read_csv(case.folder / "out.csv", infer_schema=False)
    parquet = pl.read_parquet(case.folder / "out.parquet")
    cells = [cell for column in csv for cell in column if cell and cell[0] in "=+-@\t\r"]
    words = [cell for cell in cells if not cell.removeprefix("-").replace(".", "", 1).isdigit()]
    assert all(_is_number(word) for word in words), words[:3]
    assert "=1+1" in parquet["priority"].to_list(), "Parquet is not exact"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@fault("a title that is Markdown")
def markdown(case: Case) -> None:
    case.edit(title=TITLE)
    ended_well(case.run("run", case.pipeline))
    shown = artifact(case, f"{case.folder.name}-latest", "markdown")
    for text in (shown["description"], shown["data"]):
        assert "](" not in text.replace("\\](", ""), text[:200]
        assert "<b>" not in text.replace("\\<b\\>", ""), text[:200]


@fault("a rare row that is mined")
def rare_row(case: Case) -> None:
    word = plant(case)
    ended_well(case.run("run", case.pipeline))
    assert not kept(case, word), f"Prefect keeps it in {kept(case, word)}"


@fault("an error that quotes a row")
def quoting_error(case: Case) -> None:
    word = plant(case)
    path = case.inbox / f"tickets-{MONTH}.csv"
    path.write_text(path.read_text() + f'x,2024-05-02,"{word} and so on')
    done = case.run("run", case.pipeline, "--partition", MONTH)
    refused(done, "a quote that is never closed")
    assert not kept(case, word), f"Prefect keeps it in {kept(case, word)}"
    assert kept(case, "whose words may quote rows"), "Prefect was not told of the error"


@fault("a backfill that fails with an error that quotes a row")
def quoting_backfill(case: Case) -> None:
    word = plant(case)
    path = case.inbox / f"tickets-{MONTH}.csv"
    path.write_text(path.read_text() + f'x,2024-05-02,"{word} and so on')
    done = case.run("backfill", case.pipeline, "--pool", "here")
    assert done.code in {1, 2}, done.text[-300:]
    assert not kept(case, word), f"Prefect keeps it in {kept(case, word)}"


@fault("a row that is forgotten after its words were published")
def published(case: Case) -> None:
    case.edit(report={"publish": "full"})
    word = plant(case)
    ended_well(case.run("run", case.pipeline))
    assert "artifact" in kept(case, word), "nothing was published"
    done = case.run("forget", case.pipeline, f"ID-{word}", "--json")
    ended_well(done)
    left = json.loads(done.out)["prefect"]
    assert left["removed"] >= 1, left
    assert set(kept(case, word)) <= {"events"}, f"left in {kept(case, word)}"
    assert not kept(case, word) or left["left"], "what could not be reached was not named"


@fault("a row that is forgotten, in the database of temporary servers")
def own_database(case: Case) -> None:
    case.edit(report={"publish": "full"})
    word = plant(case)
    ended_well(case.run("run", case.pipeline, env=HERE))
    files = sorted(database(case, own=True).parent.glob("prefect.db*"))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in files}
    assert set(modes.values()) == {"0o600"}, modes
    assert "events" in kept(case, word, own=True), "nothing was published"
    ended_well(case.run("forget", case.pipeline, f"ID-{word}", env=HERE))
    held = [path.name for path in files if path.exists() and word.encode() in path.read_bytes()]
    assert not held, f"left in {held}"
    below = [path.name for path in case.files() if word.encode() in path.read_bytes()]
    assert not below, f"left in {below}"


@fault("a server that is away while a row is forgotten")
def server_away(case: Case) -> None:
    word = plant(case)
    ended_well(case.run("run", case.pipeline))
    nobody = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = case.run("forget", case.pipeline, f"ID-{word}", env=nobody)
    ended_well(done)
    assert "not removed from Prefect" in done.text, done.text
