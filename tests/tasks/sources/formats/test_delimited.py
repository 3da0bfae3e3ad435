"""Reading CSV and TSV: every record is a row or a malformed record with its reason."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.files import FilesSettings, read_file
from fusemine.tasks.sources.source import Batch, Malformed

Write = Callable[[str, str | bytes], Path]


def read(path: Path, **settings: object) -> Batch:
    return read_file(path, FilesSettings(path=path.name, **settings), path.parent)


def cells(file: Batch) -> list[tuple[object, ...]]:
    return file.frame.rows()


def refused(path: Path, **settings: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path, **settings)
    return caught.value


def test_cells_are_text_and_empty_cells_are_null(write: Write) -> None:
    file = read(write("a.csv", 'id,n,t\n1,007,\n2,1e5,""\n3, x ,NA\n'))
    assert file.frame.schema == dict.fromkeys(("id", "n", "t"), pl.String)
    assert cells(file) == [("1", "007", None), ("2", "1e5", None), ("3", " x ", "NA")]
    assert (file.source, file.malformed) == ("a.csv", [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(write: Write, end: str) -> None:
    path = write("a.csv", end.join(["a,b", "1,2", "3,4", ""]))
    assert cells(read(path)) == [("1", "2"), ("3", "4")]


def test_a_row_with_too_many_fields_is_malformed_and_the_rest_is_kept(write: Write) -> None:
    file = read(write("a.csv", "a,b\n1,2\n3,4,5\n6,7\n"))
    assert cells(file) == [("1", "2"), ("6", "7")]
    assert file.malformed == [Malformed("too_many_fields", "record 3: 3 fields, not 2", "3,4,5")]


def test_a_row_with_too_few_fields_is_malformed_and_the_rest_is_kept(write: Write) -> None:
    file = read(write("a.csv", "a,b\n1\n2,3\n"))
    assert cells(file) == [("2", "3")]
    assert file.malformed == [Malformed("too_few_fields", "record 2: 1 fields, not 2", "1")]


def test_a_row_with_bytes_that_are_not_utf_8_is_malformed_and_the_rest_is_kept(
    write: Write,
) -> None:
    file = read(write("a.csv", b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n"))
    assert cells(file) == [("2", "café")]
    [bad] = file.malformed
    assert (bad.rule, bad.reason) == ("invalid_utf8", "record 2: bytes that are not UTF-8")
    assert json.loads(bad.record) == {"a": "1", "b": "caf\\xe9"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_row_with_too_many_fields_and_bad_bytes_is_only_malformed(write: Write) -> None:
    file = read(write("a.csv", b"a,b\n1,\xff,3\n4,5\n"))
    assert cells(file) == [("4", "5")]
    assert [bad.rule for bad in file.malformed] == ["too_many_fields"]


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_header_without_rows_has_no_rows(write: Write, end: str) -> None:
    file = read(write("a.csv", f"a,b{end}"))
    assert (file.frame.columns, file.frame.height, file.malformed) == (["a", "b"], 0, [])


@pytest.mark.parametrize("content", ["", "\n\n", "  \r\n\t"])
def test_an_empty_file_is_refused(write: Write, content: str) -> None:
    error = refused(write("a.csv", content))
    assert (error.got, error.expected) == ("file 'a.csv' is empty", "a header and rows")


def test_empty_lines_before_the_header_are_skipped(write: Write) -> None:
    assert cells(read(write("a.csv", "\n\na,b\n1,2\n"))) == [("1", "2")]


def test_empty_lines_between_rows_are_no_records(write: Write) -> None:
    file = read(write("a.csv", "a,b\n1,2\n\n,\n3,4\n\n"))
    assert cells(file) == [("1", "2"), (None, None), ("3", "4")]
    assert file.malformed == []


def test_a_quote_that_is_never_closed_is_refused(write: Write) -> None:
    error = refused(write("a.csv", 'a,b\n1,2\n3,"oops\n5,6\n'))
    assert error.got == "file 'a.csv' has a quote that is never closed, before 'oops\\n5,6\\n'; it"


def test_a_quote_never_closed_before_the_last_column_is_refused(write: Write) -> None:
    error = refused(write("a.csv", 'a,b,c\n1,2,3\n4,"oops,6\n7,8,9\n10,11,12\n'))
    assert "a quote that is never closed" in error.got


def test_a_single_quote_inside_a_cell_does_not_matter(write: Write) -> None:
    path = write("a.csv", 'a,b\n1,6" pipe\n2,"x\ny"\n')
    assert cells(read(path)) == [("1", '6" pipe'), ("2", "x\ny")]


def test_a_column_name_that_comes_twice_is_refused(write: Write) -> None:
    error = refused(write("a.csv", "a,b,a\n1,2,3\n"))
    assert error.got == "file 'a.csv': its header has 'a' twice"
    assert error.fix == "rename the column in the file"


def test_a_header_that_is_not_utf_8_is_refused(write: Write) -> None:
    assert "a.csv" in refused(write("a.csv", b"a,caf\xe9\n1,2\n")).got


@pytest.mark.parametrize("found", [";", "\t", "|"])
def test_a_wrong_separator_is_reported_with_the_right_one(write: Write, found: str) -> None:
    path = write("a.csv", f"a{found}b\n1{found}2\n")
    error = refused(path)
    assert error.got == f"file 'a.csv': its header is a single column {f'a{found}b'!r}"
    assert error.expected == "fields separated by a comma"
    assert error.fix.endswith(f"set source.separator to {found!r}")
    assert cells(read(path, separator=found)) == [("1", "2")]


def test_commas_in_a_tsv_are_reported_too(write: Write) -> None:
    error = refused(write("a.tsv", "a,b\n1,2\n"))
    assert error.expected == "fields separated by a tab"
    assert "set source.separator to ','" in error.fix


def test_a_table_of_one_column_needs_no_separator(write: Write) -> None:
    assert cells(read(write("a.csv", "text\nhello\nyou\n"))) == [("hello",), ("you",)]


@pytest.mark.parametrize("separator", ['"', "\n", "\r"])
def test_a_quote_or_a_line_end_is_no_separator(write: Write, separator: str) -> None:
    with pytest.raises((SourceError, ValidationError), match="separator"):
        read(write("a.csv", "a,b\n1,2\n"), separator=separator)


@pytest.mark.parametrize("separator", [" ", "e", "\x1f", "¦"])
def test_any_other_character_may_separate(write: Write, separator: str) -> None:
    file = read(write("a.csv", f"a{separator}b\n1{separator}2\n"), separator=separator)
    assert (file.frame.columns, cells(file), file.malformed) == (["a", "b"], [("1", "2")], [])


def test_a_column_without_a_name_is_called_by_its_place(write: Write) -> None:
    file = read(write("a.csv", ",n, \n0,1,2\n"))
    assert (file.frame.columns, cells(file)) == (["column_1", "n", "column_3"], [("0", "1", "2")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Write, encoding: str) -> None:
    path = write("a.csv", "\ufeffa,b\n1,2\n".encode(encoding))
    assert read(path, encoding=encoding).frame.columns == ["a", "b"]


def test_utf_16_is_reported_and_read_when_it_is_set(write: Write) -> None:
    path = write("a.csv", "a,b\n1,é\n".encode("utf-16"))
    assert "set source.encoding to utf-16" in refused(path).got
    assert cells(read(path, encoding="utf-16")) == [("1", "é")]


def test_other_encodings_are_read_when_they_are_set(write: Write) -> None:
    assert cells(read(write("a.csv", b"a,b\n1,caf\xe9\n"), encoding="cp1252")) == [("1", "café")]


def test_bytes_that_the_encoding_has_not_are_refused(write: Write) -> None:
    error = refused(write("a.csv", b"a,b\n1,\x81\n"), encoding="cp1252")
    assert error.got.startswith("file 'a.csv' is not encoded in cp1252")


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64"])
def test_an_encoding_that_is_none_is_refused(write: Write, encoding: str) -> None:
    with pytest.raises((SourceError, ValidationError), match="encoding"):
        read(write("a.csv", "a,b\n1,2\n"), encoding=encoding)


def test_a_file_outside_the_base_keeps_its_whole_name(write: Write, tmp_path: Path) -> None:
    path = write("a.csv", "a\n1\n")
    assert read_file(path, FilesSettings(path="x"), tmp_path / "other").source == str(path)


def test_a_format_that_is_set_counts_more_than_the_name(write: Write) -> None:
    assert cells(read(write("a.dat", "a\tb\n1\t2\n"), format="tsv")) == [("1", "2")]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)
RECORD = st.lists(CELL, min_size=1, max_size=5).filter(lambda cells: len(cells) > 1 or cells[0])


RECORDS = st.lists(RECORD, max_size=12)


@given(records=RECORDS, width=st.integers(2, 4), separator=st.sampled_from(",;|\t"))
def test_every_record_is_a_row_or_a_malformed_record(
    folders: Callable[[], Path], records: list[list[str]], width: int, separator: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([[f"column {i}" for i in range(width)], *records])
    path = folders() / "a.csv"
    path.write_bytes(text.getvalue().encode())
    file = read(path, separator=separator)
    good = [tuple(cell or None for cell in record) for record in records if len(record) == width]
    assert cells(file) == good
    assert file.frame.height + len(file.malformed) == len(records)
    wrong = [len(record) > width for record in records if len(record) != width]
    rules = ["too_many_fields" if more else "too_few_fields" for more in wrong]
    assert [bad.rule for bad in file.malformed] == rules


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(folders: Callable[[], Path], content: bytes) -> None:
    path = folders() / "a.csv"
    path.write_bytes(b"a,b\n" + content)
    try:
        file = read(path)
    except SourceError:
        return
    assert file.frame.columns == ["a", "b"]
