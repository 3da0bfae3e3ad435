"""Labels are corrected in a file that people edit, and counted when they are put in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contexts import context_of

from fusemine.tasks.clean.compute import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.corrections.apply import Corrected, Corrections, correct_labels
from fusemine.tasks.corrections.read import (
    MatchedCorrections,
    match_corrections,
    provide,
    read_corrections,
)
from fusemine.tasks.table.escaping import escape_cells, escape_ids
from fusemine.tasks.table.roles import Columns, LabelRule

Write = Callable[[str, str | bytes], Path]
CLASSES, BINARY = LabelRule(column="l"), LabelRule(column="l", positive="present")
NUMBER = LabelRule(column="l", kind="number")
SETTINGS = CleanSettings()


def refused(work: Callable[[], object]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        work()
    assert caught.value.got.startswith("columns.label.corrections: ")
    return caught.value


# The file


@pytest.mark.parametrize(
    "content",
    [
        "row_id,corrected\n1,a\n2,\n3, b  c \n",
        "\ufeffrow_id,corrected\r\n1,a\r\n2,\r\n3,b c\r\n",
        "text;corrected;row_id\nx;a;1\ny;;2\nz;b c;3\n",
        "row_id\tnote\tcorrected\n1\t\ta\n3\t,\tb c\n\t\t\n",
        'row_id,corrected,"a, note\non two lines"\n1,a,"x\ny"\n3,b c,\n,,\n',
    ],
)
def test_csv_is_read_as_spreadsheets_save_it(write: Write, content: str) -> None:
    found = read_corrections(write("c.csv", content), SETTINGS)
    assert found.rows == [("1", "a"), ("3", "b c")]
    assert (found.name, found.escaped) == ("c.csv", True)


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"row_id": [1, 2, 3], "corrected": [1.5, None, -2.0], "more": [1, 2, 3]})
    frame.write_parquet(tmp_path / "c.parquet")
    found = read_corrections(tmp_path / "c.parquet", SETTINGS)
    assert (found.rows, found.escaped) == ([("1", "1.5"), ("3", "-2.0")], False)


def test_a_cell_that_means_nothing_leaves_the_label_as_it_is(write: Write) -> None:
    path = write("c.csv", "row_id,corrected\n1,?\n2, \n3,a\n")
    assert read_corrections(path, CleanSettings(null_values=("?",))).rows == [("3", "a")]


@pytest.mark.parametrize(
    ("content", "got", "fix"),
    [
        ("row_id,label\n1,a\n", "file 'c.csv' without a column 'corrected'", "name it so"),
        ("row-id,corrected\n1,a\n", "without a column 'row_id'", "did you mean 'row-id'? name it"),
        ("row_id,corrected\n,a\n", "with a correction of no row", "fill in its row_id"),
        ("row_id,corrected\n1,a,b\n", "record 2: 3 fields, not 2", "save it as CSV in UTF-8"),
        (b"row_id,corrected\n1,caf\xe9\n", "bytes that are not UTF-8", "save it as CSV in UTF-8"),
        ('row_id,corrected\n1,"a\n', "a quote that is never closed", "save it as CSV in UTF-8"),
        ("", "file 'c.csv' is empty", "save it as CSV in UTF-8"),
        (b"PK\x03\x04row_id,corrected", "holds a zip archive or an Excel", "save it as CSV"),
        ("row_id,corrected\n1,a\n".encode("utf-16"), "in UTF-16", "save it as CSV in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_with_what_to_do(
    write: Write, content: Any, got: str, fix: str
) -> None:
    path = write("c.csv", content)
    error = refused(partial(read_corrections, path, SETTINGS))
    assert got in error.got
    assert "columns row_id and corrected" in error.expected
    assert error.fix.startswith(fix)


def test_a_file_that_is_not_there_is_an_error_with_the_nearest(
    write: Write, tmp_path: Path
) -> None:
    write("correction.csv", "")
    error = refused(lambda: read_corrections(tmp_path / "corrections.csv", SETTINGS))
    assert error.got.endswith("corrections.csv, where no file is")
    assert error.fix.startswith("did you mean 'correction.csv'? put it there or correct columns.")
    for path in (tmp_path, tmp_path / "no" / "c.csv"):
        assert "where no file is" in refused(partial(read_corrections, path, SETTINGS)).got


def test_a_file_of_another_form_is_refused(write: Write) -> None:
    for name in ("c.xlsx", "c.jsonl", "c"):
        path = write(name, '{"row_id": 1, "corrected": "a"}')
        assert "whose name shows no form" in refused(partial(read_corrections, path, SETTINGS)).got
    path = write("c.parquet", "row_id,corrected\n")
    assert "is not a Parquet file" in refused(partial(read_corrections, path, SETTINGS)).got


# The table that it is about


def table(**partitions: dict[str, str | None]) -> list[tuple[str, pl.DataFrame]]:
    """Raw rows by partition, given as labels by row id."""
    return [
        (name, pl.DataFrame({"row_id": list(rows), "l": list(rows.values())}, strict=False))
        for name, rows in partitions.items()
    ]


MAY: dict[str, str | None] = {"1": "a", "2": "b"}
JUNE: dict[str, str | None] = {"3": " c ", "4": None, "2": "b"}


def matched(
    write: Write, rule: LabelRule, content: str, whole: bool = True, **partitions: Any
) -> MatchedCorrections:
    path = write("c.csv", f"row_id,corrected\n{content}")
    rows = table(**(partitions or {"may": MAY, "june": JUNE}))
    return match_corrections(read_corrections(path, SETTINGS), rows, rule, SETTINGS, whole)


def test_corrections_belong_to_the_partitions_that_hold_their_rows(write: Write) -> None:
    found = matched(write, CLASSES, "1,c\n2,a\n4,b\n9,a\n8,b\n")
    assert found.partitions == {"may": {"1": "c", "2": "a"}, "june": {"2": "a", "4": "b"}}
    assert found.of(["may"]) == Corrections({"1": "c", "2": "a"}, unknown=2)
    assert found.of(["may", "june"]) == Corrections({"1": "c", "2": "a", "4": "b"}, unknown=2)
    assert found.of(["july"]) == Corrections({}, unknown=2)


def test_a_class_that_the_label_has_not_is_refused(write: Write) -> None:
    error = refused(lambda: matched(write, CLASSES, "1,b\n2,cc\n3,d\n"))
    assert error.got.endswith("'cc' for row '2' in c.csv, which is no class of 'l' and 1 more")
    assert error.expected == "one of a, b, c"
    assert error.fix == "did you mean 'c'? correct it, or leave the cell empty to keep the label"
    assert refused(lambda: matched(write, CLASSES, "1,a\n", may={"1": None})).expected == (
        "a class that the table has; it has none"
    )


def test_a_class_cannot_be_checked_while_rows_are_missing(write: Write) -> None:
    assert matched(write, CLASSES, "1,later\n", whole=False).of(["may"]).labels == {"1": "later"}


@pytest.mark.parametrize("rule", [BINARY, LabelRule(column="l", positive=("a",))])
@pytest.mark.parametrize("whole", [True, False])
def test_a_binary_label_is_corrected_to_positive_or_negative(
    write: Write, rule: LabelRule, whole: bool
) -> None:
    found = matched(write, rule, "1,negative\n4,positive\n", whole)
    assert found.of(["may", "june"]).labels == {"1": "negative", "4": "positive"}
    error = refused(lambda: matched(write, rule, "1,a\n", whole))
    assert (error.expected, "'a' for row '1'" in error.got) == ("one of negative, positive", True)
    assert refused(lambda: matched(write, rule, "1,Positive\n")).fix.startswith(
        "did you mean 'positive'?"
    )


@pytest.mark.parametrize(
    ("word", "number"),
    [("12", "12.0"), ("-3.5", "-3.5"), ("'-3.5", "-3.5"), ("1e3", "1000.0"), ("-0", "0.0")],
)
def test_a_number_is_corrected_with_a_decimal_point(write: Write, word: str, number: str) -> None:
    assert matched(write, NUMBER, f"1,{word}\n").of(["may"]).labels == {"1": number}


@pytest.mark.parametrize("word", ['"1,5"', "dear", "inf", "nan", "1.2.3"])
def test_what_is_no_number_is_refused(write: Write, word: str) -> None:
    error = refused(lambda: matched(write, NUMBER, f"1,{word}\n"))
    assert "which is no number" in error.got
    assert error.expected == "a number with a decimal point such as 12.5"


def test_a_row_may_be_corrected_twice_to_the_same_label(write: Write) -> None:
    assert matched(write, CLASSES, "1,b\n1,b\n").of(["may"]).labels == {"1": "b"}
    error = refused(lambda: matched(write, CLASSES, "1,b\n9,a\n1,c\n"))
    assert error.got.endswith("row '1' of c.csv as 'b' and as 'c'")


def test_an_id_is_found_with_and_without_the_mark_of_the_export(write: Write) -> None:
    rows = dict.fromkeys(["=1", "-2", "'=1", "007"], "a") | {"x": "=b"}
    found = matched(write, CLASSES, "'=1,=b\n-2,'=b\n''=1,a\n'007,a\n'x,=b\n", may=rows)
    assert found.of(["may"]).labels == {"=1": "=b", "-2": "=b", "'=1": "a", "007": "a", "x": "=b"}
    assert found.unknown == 0


def test_a_partition_without_the_labels_column_has_no_classes(write: Write) -> None:
    rows = [*table(may=MAY), ("june", pl.DataFrame({"row_id": ["5"]}))]
    path = write("c.csv", "row_id,corrected\n5,b\n")
    found = match_corrections(read_corrections(path, SETTINGS), rows, CLASSES, SETTINGS, whole=True)
    assert found.partitions == {"may": {}, "june": {"5": "b"}}


# The rows that learn


def rows_of(**columns: list[Any]) -> pl.DataFrame:
    """Clean rows of one partition; the ids are their places."""
    size = len(next(iter(columns.values())))
    ids = [str(i) for i in range(size)]
    fixed = {"row_id": ids, "partition": ["may"] * size, "source": ["a"] * size}
    raw = pl.DataFrame(fixed | columns)
    return clean(raw, Columns(text=("t",), label=CLASSES), SETTINGS, "UTC").rows


def corrected(rows: pl.DataFrame, unknown: int = 0, **labels: str) -> Corrected:
    found = correct_labels(rows, Corrections({k[1:]: v for k, v in labels.items()}, unknown))
    CLEAN.check(found.rows.to_arrow())
    return found


def test_labels_are_replaced_and_counted() -> None:
    rows = rows_of(t=["p", "q", "r", "s"], l=["a", "b", None, "a"])
    found = corrected(rows, _0="b", _1="b", _2="a", _9="b", unknown=3)
    assert found.rows["label"].to_list() == ["b", "b", "a", "a"]
    assert found.counts == {"applied": 2, "unchanged": 1, "unknown": 1}
    assert found.rows.drop("label").equals(rows.drop("label"))


def test_without_a_correction_the_rows_are_the_same() -> None:
    rows = rows_of(t=["p", "p"], l=["a", "b"])
    for found in (corrected(rows), corrected(rows, _0="a")):
        assert found.rows.equals(rows)
        assert found.counts["applied"] == 0


def test_rows_that_differed_only_by_a_wrong_label_become_duplicates() -> None:
    rows = rows_of(t=["p", "p", "q", "q"], l=["a", "b", "a", "a"])
    assert rows["duplicate_of"].to_list() == [None, None, None, "2"]
    found = corrected(rows, _1="a", _3="b").rows
    assert found["duplicate_of"].to_list() == [None, "0", None, None]


def test_duplicates_are_named_within_their_partition() -> None:
    rows = rows_of(t=["p", "q"], l=["a", "a"])
    june = rows.with_columns(partition=pl.lit("june"), row_id="1" + rows["row_id"])
    found = corrected(pl.concat([rows, june]), _0="b", _10="b").rows
    assert found["duplicate_of"].to_list() == [None] * 4


LABELS = st.dictionaries(st.sampled_from("0123456789"), st.sampled_from("abc"))


@given(st.lists(st.none() | st.sampled_from("abc"), min_size=1, max_size=8), LABELS)
def test_each_correction_is_applied_or_changes_nothing_or_is_unknown(
    labels: list[str | None], given_labels: dict[str, str]
) -> None:
    rows = rows_of(t=["p"] * len(labels), l=pl.Series(labels, dtype=pl.String))  # type: ignore[arg-type]
    found = correct_labels(rows, Corrections(given_labels))
    assert sum(found.counts.values()) == len(given_labels)
    kept = dict(zip(rows["row_id"], rows["label"], strict=True))
    now = dict(zip(found.rows["row_id"], found.rows["label"], strict=True))
    assert now == {row: given_labels.get(row, label) for row, label in kept.items()}
    assert found.counts["applied"] == sum(now[row] != kept[row] for row in kept)


def key_of(partitions: dict[str, dict[str, str]]) -> str:
    """What counts in the key of a stage over these partitions."""
    context = context_of(Path("/root"))
    context.once("corrections", lambda: MatchedCorrections(partitions))
    return str(provide(context, tuple(partitions)).key)


def test_the_key_depends_on_the_corrections_but_not_on_their_order() -> None:
    key = key_of({"may": {"1": "a", "2": "b"}})
    assert key == key_of({"may": {"2": "b", "1": "a"}})
    different: list[dict[str, str]] = [{"1": "a"}, {"1": "b", "2": "b"}, {}]
    assert all(key_of({"may": labels}) != key for labels in different)


# From the export and back


WORDS = st.text("=+-@'01e.\t\r\n \"a,;é", min_size=1, max_size=6)
IDS = st.lists(WORDS, min_size=1, max_size=6, unique=True)


@given(ids=IDS, word=st.sampled_from(["=1", "-1", "'a", "a", "+b"]))
def test_every_id_and_class_comes_back_from_a_csv_file(
    folders: Callable[[], Path], ids: list[str], word: str
) -> None:
    words = escape_cells(pl.Series([word] * len(ids)))
    sheet = pl.DataFrame({"row_id": escape_ids(pl.Series(ids)), "corrected": words})
    path = folders() / "c.csv"
    sheet.write_csv(path, include_bom=True)
    rows = table(may=dict.fromkeys(ids, word))
    found = match_corrections(read_corrections(path, SETTINGS), rows, CLASSES, SETTINGS, whole=True)
    assert found.of(["may"]) == Corrections(dict.fromkeys(ids, word), unknown=0)
