"""`fusemine init` writes a pipeline.yaml that loads, with the right roles, for any table."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fusemine.flows.config.init import write_pipeline
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.tasks.collect.assign import assign
from fusemine.tasks.core.errors import SettingsError, SourceError
from fusemine.tasks.sources.files import find_files, read_file
from fusemine.tasks.table.roles import Columns

Write = Callable[[str, str | bytes], Path]
N = 60
HEADER = ["ticket id", "opened", "notes", "level", "cost", "churn"]
ROWS = [
    [f"T-{i:04}", f"2024-{1 + i % 12:02}-{1 + i % 28:02}", f"note {i} says the engine was hit",
     ("low", "mid", "high")[i % 3], f"{i * 7 % 50 + 0.5}", ("yes", "no")[i % 2]]
    for i in range(N)
]  # fmt: skip


def roles_of(header: list[str]) -> dict[str, Any]:
    """The roles of the table's columns under some names."""
    id_, time, text, category, number, label = header
    lists = {"text": (text,), "category": (category,), "number": (number,)}
    return {"id": id_, "time": {"column": time}, **lists, "label": {"column": label}}


FOUND = roles_of(HEADER)


def table(separator: str = ",", header: list[str] = HEADER) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows([header, *ROWS])
    return text.getvalue()


def as_json() -> str:
    return "\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS)


def init(path: Path, force: bool = False) -> tuple[Columns, list[str]]:
    """The columns that were written, once they have read every row, and what is reported."""
    lines = write_pipeline(path, None, force)
    loaded = load_pipeline(Path(lines[-2].removeprefix("wrote ")))
    settings = loaded.pipeline
    assert find_files(settings.source, loaded.base) == [path]
    files = [read_file(path, settings.source, loaded.base)]
    found = assign(files, settings.columns, settings.partition, settings.source.repeated_id)
    assert sum(part.rows.height for part in found.partitions) == files[0].frame.height
    return settings.columns, lines


def roles(columns: Columns) -> dict[str, Any]:
    return columns.model_dump(exclude_defaults=True)


TABLES: dict[str, str | bytes] = {
    "t.csv": table(),
    "semicolons.csv": table(";"),
    "bars.txt": table("|"),
    "t.tsv": table("\t"),
    "t.csv.gz": gzip.compress(table().encode()),
    "t.jsonl": as_json(),
    "t.ndjson.gz": gzip.compress(as_json().encode()),
    "utf16.csv": table().encode("utf-16"),
}
ODD = ("t [1] #2 {x}", "a.b", "Ünï 名", "2024", "true", "no", "null", "2024-05-31")
"""Names of files that YAML or a pattern could take for something else."""


@pytest.mark.parametrize("name", [*TABLES, *(f"{name}.csv" for name in ODD)])
def test_what_is_written_loads_with_the_right_roles(write: Write, name: str) -> None:
    columns, _ = init(write(name, TABLES.get(name, table())))
    assert roles(columns) == FOUND


def test_parquet_gets_the_same_roles(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS, HEADER, orient="row").with_columns(
        pl.col("opened").str.to_date(), pl.col("cost").cast(pl.Float64)
    )
    frame.write_parquet(tmp_path / "t.parquet")
    assert roles(init(tmp_path / "t.parquet")[0]) == FOUND


HOSTILE = [
    "a: b # c", '"quoted"', "öäü – 名", "[x]", "- {y}", "it's", "%z", "a\\nb", "!tag", "&a *b", "#",
    "null", "yes", "1", " edge ", "two\nlines", "{{7*7}}", "a\x7fb", "@x", "`", "|", "a 😀", ">",
]  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        ["row_id", "partition", "text", "source", "number", "label"],  # names of ours
        *([f"id {HOSTILE[i]}", *(HOSTILE * 2)[i : i + 4], "y"] for i in range(0, len(HOSTILE), 3)),
    ],
)
def test_hostile_column_names_are_written_so_that_they_are_read_back(
    write: Write, header: list[str]
) -> None:
    columns, _ = init(write("t.csv", table(header=header)))
    assert roles(columns) == roles_of(header)


def test_the_name_is_made_from_the_files(write: Write, tmp_path: Path) -> None:
    names = {"My Table (v2).csv.gz": "my-table-v2", "名.csv": "table", f"{'x' * 90}.csv": "x" * 60}
    for file, name in names.items():
        data = table().encode()
        init(write(file, gzip.compress(data) if file.endswith("gz") else data))
        [written] = tmp_path.glob(f"{file.split('.')[0]}*.pipeline.yaml")
        assert load_pipeline(written).pipeline.name == name


def test_the_file_has_the_reasons_and_names_what_was_left_out(write: Write, tmp_path: Path) -> None:
    rows = [[*row, f"X{i:x}"] for i, row in enumerate(ROWS)]
    frame = pl.DataFrame(rows, [*HEADER, "code"], orient="row")
    path = write("t.csv", frame.write_csv())
    _, lines = init(path)
    text = (tmp_path / "t.pipeline.yaml").read_text(encoding="utf-8")
    assert '  id: "ticket id" # its name says id and every row has its own\n' in text
    assert '    - "level" # 3 different values\n' in text
    assert '  #   "code": 60 different codes, too many to compare\n' in text
    assert lines[0] == "ticket id: id (its name says id and every row has its own)"
    assert lines[-2:] == [
        f"wrote {tmp_path / 't.pipeline.yaml'}",
        f"next: fusemine run {tmp_path / 't.pipeline.yaml'}",
    ]


@pytest.mark.parametrize(("step", "by"), [(0.5, "day"), (2, "week"), (30, "month"), (200, "year")])
def test_the_length_of_partitions_fits_the_span_of_the_times(
    write: Write, tmp_path: Path, step: float, by: str
) -> None:
    days = [date.fromordinal(730_000 + int(i * step)).isoformat() for i in range(N)]
    frame = pl.DataFrame({"date": days, "notes": [row[2] for row in ROWS]})
    init(write("t.csv", frame.write_csv()))
    assert load_pipeline(tmp_path / "t.pipeline.yaml").pipeline.partition.by == by


def test_times_in_another_form_are_written_with_their_format(write: Write) -> None:
    days = [f"{1 + i % 28:02}.{1 + i % 12:02}.2024" for i in range(N)]
    frame = pl.DataFrame({"datum": days, "notes": [row[2] for row in ROWS]})
    columns, _ = init(write("t.csv", frame.write_csv()))
    assert columns.time.formats == ("%d.%m.%Y",)


def test_three_rows_are_enough(write: Write) -> None:
    rows = "id,text\n1,hello there you\n2,good bye my friend\n3,see you again\n"
    assert roles(init(write("t.csv", rows))[0]) == {"id": "id", "text": ("text",)}


def test_a_file_that_is_there_is_not_overwritten_unless_forced(
    write: Write, tmp_path: Path
) -> None:
    path, output = write("t.csv", table()), write("t.pipeline.yaml", "mine")
    with pytest.raises(SettingsError) as caught:
        write_pipeline(path, None, False)
    assert caught.value.got == f"output {output}, which is there already"
    assert output.read_text() == "mine"
    assert roles(init(path, force=True)[0]) == FOUND


def test_the_output_may_lie_elsewhere(write: Write, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    path, output = write("in/t.csv", table()), tmp_path / "conf" / "pipeline.yaml"
    write_pipeline(path, output, False)
    loaded = load_pipeline(output)
    assert loaded.pipeline.source.path == "../in/t.csv"
    [found] = find_files(loaded.pipeline.source, loaded.base)
    assert found.resolve() == path


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,b\n", "t.csv: 0 rows and no column to mine"),
        ("t.csv", "a,b\n1,2\n1,2\n", "t.csv: 2 rows and no column to mine"),
        ("t.csv", "PAR1", "holds a Parquet file"),
        ("t.md", "x", "whose name shows no format"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_and_nothing_is_written(
    write: Write, tmp_path: Path, name: str, content: str, error: str
) -> None:
    path = write(name, content)
    with pytest.raises(SourceError, match=error):
        write_pipeline(path, None, False)
    assert list(tmp_path.iterdir()) == [path]


def test_the_table_itself_is_not_written_over(write: Write, tmp_path: Path) -> None:
    path = write("t.yaml", table())
    (tmp_path / "t.yml").symlink_to(path)
    for output in (path, tmp_path / "t.yml"):
        with pytest.raises(SettingsError, match="which holds the table"):
            write_pipeline(path, output, True)
    with pytest.raises(SettingsError, match=r"ends in \.yaml or \.yml"):
        write_pipeline(write("t.csv", table()), tmp_path / "t.csv", True)


def test_an_output_in_a_folder_that_is_not_there_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        write_pipeline(write("t.csv", table()), tmp_path / "no" / "t.yaml", False)
