"""Input that cannot be used ends in a clear error, or in a report that says what is missing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.tickets import Table, file_in, tickets, write_csv

from fusemine.tasks.core.errors import SettingsError, SourceError

Mine = Callable[..., Any]


def refused(table: Table, mine: Mine, error: type[Exception], match: str) -> None:
    """The run ends in the error and leaves no artifact behind, finished or not."""
    with pytest.raises(error, match=match):
        mine(table.pipeline)
    assert not list(table.root.rglob("*.parquet"))
    assert not list(table.root.rglob(".draft-*"))


def report_of(table: Table, mine: Mine) -> tuple[Any, str]:
    outcome = mine(table.pipeline)
    return outcome, outcome.report.read_text(encoding="utf-8")


def test_a_missing_file(table: Table, mine: Mine) -> None:
    (table.folder / "tickets.csv").rename(table.folder / "tickets2.csv")
    refused(table, mine, SourceError, r"did you mean 'tickets2.csv'")


def test_an_empty_file(table: Table, mine: Mine) -> None:
    (table.folder / "tickets.csv").write_bytes(b"")
    refused(table, mine, SourceError, "is empty")


def test_a_header_without_rows_is_a_partition_without_rows(table: Table, mine: Mine) -> None:
    (table.folder / "tickets.csv").write_text(",".join(tickets(1)[0]) + "\n")
    assert mine(table.pipeline).report is None


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("tickets.csv", b"PAR1 and so on", "holds a Parquet file"),
        ("tickets.parquet", b"ticket,opened\n1,2\n", "is not a Parquet file"),
        ("tickets.csv.gz", b"ticket,opened\n1,2\n", "cannot be decompressed"),
        ("tickets.jsonl", b"ticket,opened\n1,2\n", "no JSON object"),
        ("tickets.xyz", b"ticket,opened\n1,2\n", "shows no format"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    table: Table, mine: Mine, name: str, content: bytes, match: str
) -> None:
    (table.folder / name).write_bytes(content)
    table.set(source={"path": name})
    refused(table, mine, SourceError, match)


def test_a_wrong_separator(table: Table, mine: Mine) -> None:
    path = table.folder / "tickets.csv"
    path.write_text(path.read_text().replace(",", ";"))
    refused(table, mine, SourceError, "set source.separator to ';'")


def test_a_header_without_the_id_column(table: Table, mine: Mine) -> None:
    path = table.folder / "tickets.csv"
    path.write_text(path.read_text().replace("ticket,", "tickets,", 1))
    refused(table, mine, SettingsError, "columns.id: 'ticket'.*\n.*\n.*did you mean 'tickets'")


def test_corrections_that_are_not_there(table: Table, mine: Mine) -> None:
    corrected(table, None)
    with pytest.raises(
        SettingsError, match=r"columns\.label\.corrections: .*c\.csv, where no file"
    ):
        mine(table.pipeline)
    assert not (table.root / "clean").exists()


def test_corrections_to_a_class_that_the_label_has_not(table: Table, mine: Mine) -> None:
    corrected(table, "row_id,corrected\nT0001,urgent\n")
    with pytest.raises(SettingsError, match="'urgent' for row 'T0001' in c"):
        mine(table.pipeline)
    assert not (table.root / "clean").exists()


def corrected(table: Table, content: str | None) -> None:
    label = {"column": "urgent", "positive": ["yes"], "corrections": "labels/c.csv"}
    table.roles(label=label)
    if content is not None:
        (table.folder / "labels").mkdir()
        (table.folder / "labels" / "c.csv").write_text(content)


def test_a_row_with_too_many_fields_is_reported_and_the_others_are_mined(
    table: Table, mine: Mine
) -> None:
    path = table.folder / "tickets.csv"
    path.write_text(path.read_text() + "T9,2024-03-01,a,b,c,d,e,f\n")
    outcome, html = report_of(table, mine)
    assert outcome.stages["collect"].rows_in == 91
    assert outcome.stages["collect"].rows_rejected == 1
    assert "too_many_fields" in html


def test_bytes_that_are_not_utf8_are_reported_and_the_others_are_mined(
    table: Table, mine: Mine
) -> None:
    path = table.folder / "tickets.csv"
    path.write_bytes(path.read_bytes() + b"T9,2024-03-01,caf\xe9,web,5,no\n")
    outcome, html = report_of(table, mine)
    assert outcome.stages["collect"].rows_rejected == 1
    assert "invalid_utf8" in html


def test_a_time_that_cannot_be_read_leaves_the_row_unassigned(table: Table, mine: Mine) -> None:
    rows = tickets(90)
    rows[3]["opened"] = "yesterday"
    write_csv(table.folder / "tickets.csv", rows)
    outcome, html = report_of(table, mine)
    assert outcome.stages["collect"].rows_rejected == 1
    assert "time_unreadable" in html


def test_a_label_with_one_class_skips_the_section(table: Table, mine: Mine) -> None:
    write_csv(table.folder / "tickets.csv", [{**row, "urgent": "no"} for row in tickets(90)])
    outcome, html = report_of(table, mine)
    assert "both" not in outcome.metrics["classify"]
    assert outcome.stages["classify"].rows_rejected == 90
    assert "class" in outcome.lines[1]
    assert outcome.stages["topics"].rows_kept == 90
    assert "Label: not learnt" in html


def test_all_texts_empty(table: Table, mine: Mine) -> None:
    write_csv(table.folder / "tickets.csv", [{**row, "body": " "} for row in tickets(90)])
    outcome, _ = report_of(table, mine)
    results = pl.read_parquet(file_in(outcome.report.parent))
    assert set(results["topic"]) == {"no text"}
    assert "skipped" in outcome.metrics["classify"]["text"]
    assert outcome.metrics["classify"]["table"]["average_precision"] is not None


def test_no_text_column_at_all(table: Table, mine: Mine) -> None:
    table.roles(text=None)
    outcome, _ = report_of(table, mine)
    assert outcome.stages["report"].rows_kept == 90


def test_no_time_column_makes_one_partition(table: Table, mine: Mine) -> None:
    table.roles(time=None)
    outcome, _ = report_of(table, mine)
    assert outcome.partition == "all"
    assert outcome.stages["report"].rows_kept == 90


def test_no_label_column(table: Table, mine: Mine) -> None:
    table.roles(label=None)
    outcome, _ = report_of(table, mine)
    assert outcome.stages["classify"].rows_kept == 0
    assert outcome.stages["anomalies"].rows_kept == 90


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_table_of_a_few_rows(table: Table, mine: Mine, rows: int) -> None:
    write_csv(table.folder / "tickets.csv", tickets(rows, months=1))
    outcome, _ = report_of(table, mine)
    assert outcome.stages["report"].rows_kept == rows


def test_a_compressed_json_lines_file_is_read(table: Table, mine: Mine) -> None:
    frame = pl.DataFrame(tickets(90))
    content = frame.write_ndjson().encode() + b"not json\n"
    (table.folder / "tickets.jsonl.gz").write_bytes(gzip.compress(content))
    table.set(source={"path": "tickets.jsonl.gz"})
    outcome, _ = report_of(table, mine)
    assert outcome.stages["collect"].rows_kept == 90
    assert outcome.stages["collect"].rows_rejected == 1


def test_an_encoder_that_cannot_be_had(table: Table, mine: Mine, tmp_path: Path) -> None:
    from fusemine.tasks.core.errors import ModelError

    (tmp_path / "empty").mkdir()
    table.set(embed={"model": "no/such-model"})
    with pytest.raises(ModelError, match="no/such-model"):
        mine(table.pipeline)
