"""Reading JSON lines, Parquet and compressed files, and files in another format than named."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.files import FilesSettings, read_file
from fusemine.tasks.sources.source import Batch, Malformed

Write = Callable[[str, str | bytes], Path]
CSV = "a,b\n" + "1,two\n" * 3000


def read(path: Path, **settings: object) -> Batch:
    return read_file(path, FilesSettings(path=path.name, **settings), path.parent)


def refused(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path)
    return caught.value


def parquet(folder: Path, **columns: object) -> Batch:
    path = folder / "a.parquet"
    pq.write_table(pa.table(columns), path)
    return read(path)


def test_json_lines_with_any_values_become_text(write: Write) -> None:
    lines = [{"t": "é", "n": 1, "f": 1.5, "b": True}, {"t": "", "n": None, "deep": {"k": ["ü", 2]}}]
    file = read(write("a.jsonl", "\n".join(json.dumps(line) for line in lines)))
    assert file.frame.schema == dict.fromkeys(("t", "n", "f", "b", "deep"), pl.String)
    assert file.frame.rows() == [
        ("é", "1", "1.5", "true", None),
        (None, None, None, None, '{"k": ["ü", 2]}'),
    ]
    assert file.malformed == []


def test_broken_json_lines_are_malformed_and_the_rest_is_kept(write: Write) -> None:
    content = b'{"a": 1}\n{"a": \n\n[1, 2]\n"text"\n{"a": "\xff"}\n{"a": 2}\n'
    file = read(write("a.jsonl", content))
    assert file.frame.rows() == [("1",), ("2",)]
    assert [(bad.rule, bad.record) for bad in file.malformed] == [
        ("invalid_json", '{"a": '), ("not_an_object", "[1, 2]"), ("not_an_object", '"text"'),
        ("invalid_utf8", '{"a": "\\xff"}'),
    ]  # fmt: skip
    assert file.malformed[1] == Malformed("not_an_object", "line 4 is not a JSON object", "[1, 2]")
    assert file.malformed[0].reason.startswith("line 2: Expecting value")


def test_a_line_that_nests_too_deep_is_malformed(write: Write) -> None:
    file = read(write("a.jsonl", '{"a": 1}\n' + "[" * 100_000))
    assert file.frame.rows() == [("1",)]
    assert [bad.rule for bad in file.malformed] == ["invalid_json"]


@pytest.mark.parametrize("content", ["[1]\n", "plain text\n", "[\n]\n", '{"a": 1'])
def test_a_file_without_one_json_object_is_refused(write: Write, content: str) -> None:
    error = refused(write("a.jsonl", content))
    assert error.got.endswith("holds no JSON object on a line of its own")


def test_a_byte_order_mark_before_json_does_not_matter(write: Write) -> None:
    assert read(write("a.jsonl", b'\xef\xbb\xbf{"a": 1}\n')).frame.rows() == [("1",)]


def test_half_a_character_in_json_is_malformed_and_the_rest_is_kept(write: Write) -> None:
    file = read(write("a.jsonl", '{"a": "\\ud800"}\n{"a": "x"}\n'))
    assert file.frame.get_column("a").to_list()[-1] == "x"
    assert file.frame.height + len(file.malformed) == 2


def test_empty_json_objects_are_accounted_for(write: Write) -> None:
    file = read(write("a.jsonl", "{}\n{}\n"))
    assert file.frame.height + len(file.malformed) == 2


WORDS = st.text(st.characters(codec="utf-8"), max_size=4)
VALUE = st.none() | st.booleans() | st.integers() | WORDS
LINE = st.one_of(
    st.dictionaries(st.sampled_from("abc"), VALUE, min_size=1).map(json.dumps),
    st.lists(st.integers(), max_size=2).map(json.dumps),
    st.sampled_from(["{", "nonsense", '{"a": 1} x', "3"]),
)


@given(lines=st.lists(LINE, max_size=10))
def test_every_line_is_a_row_or_a_malformed_record(
    folders: Callable[[], Path], lines: list[str]
) -> None:
    path = folders() / "a.jsonl"
    path.write_text('{"first": 1}\n' + "\n".join(lines), encoding="utf-8")
    file = read(path)
    good = [line for line in lines if line.startswith("{") and line.endswith("}")]
    assert file.frame.height == 1 + len(good)
    assert file.frame.height + len(file.malformed) == 1 + len(lines)


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    moment = datetime(2020, 1, 2, 3)
    columns = {
        "Int64": pa.array([1, None]),
        "Float64": pa.array([0.5, None]),
        "Boolean": pa.array([True, None]),
        "String": pa.array(["x", None]),
        "Date": pa.array([date(2020, 1, 2), None]),
        "Datetime(time_unit='us', time_zone=None)": pa.array([moment, None], pa.timestamp("us")),
        "Datetime(time_unit='ms', time_zone='Europe/Berlin')": pa.array(
            [moment, None], pa.timestamp("ms", "Europe/Berlin")
        ),
        "Decimal(precision=3, scale=2)": pa.array([Decimal("1.50"), None]),
    }
    frame = parquet(tmp_path, **columns).frame
    assert [str(dtype) for dtype in frame.dtypes] == list(columns)
    assert frame.row(0)[:6] == (1, 0.5, True, "x", date(2020, 1, 2), moment)
    assert frame.row(1) == (None,) * 8


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([[1, 2], None]), "[1, 2]"),
        (pa.array([[["a"], []], None]), '[["a"], []]'),
        (pa.array([{"k": 1, "d": date(2020, 1, 2)}, None]), '{"k": 1, "d": "2020-01-02"}'),
        (pa.array([[{"k": 1}], None]), '[{"k": 1}]'),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), "[1, 2]"),
        (pa.array([b"\xffA", None]), "ff41"),
        (pa.array([b"ab", None], pa.binary(2)), "6162"),
        (pa.array(["x", None]).dictionary_encode(), "x"),
        (pa.array([timedelta(hours=1), None]), "PT1H"),
        (pa.array([Decimal("1.5"), None], pa.decimal256(50, 2)), "1.50"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_cells_that_polars_or_people_could_not_compare_become_text(
    tmp_path: Path, values: pa.Array, text: str
) -> None:
    frame = parquet(tmp_path, x=values).frame
    assert frame.schema == {"x": pl.String}
    assert frame.rows() == [(text,), (None,)]


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), path)
    assert "'a' twice" in refused(path).got


def test_parquet_without_rows_has_no_rows(tmp_path: Path) -> None:
    file = parquet(tmp_path, x=pa.array([], pa.string()), l=pa.array([], pa.list_(pa.int8())))
    assert (file.frame.height, file.frame.columns, file.malformed) == (0, ["x", "l"], [])


def test_compressed_text_is_read_as_it_is(write: Write, tmp_path: Path) -> None:
    packed = {
        "a.csv.gz": gzip.compress(CSV.encode()),
        "a.csv.bz2": bz2.compress(CSV.encode()),
        "a.csv.zst": pa.Codec("zstd").compress(CSV.encode(), asbytes=True),
    }
    for name, data in packed.items():
        frame = read(write(name, data)).frame
        assert (frame.height, frame.row(0)) == (3000, ("1", "two"))
    with pa.CompressedOutputStream(str(tmp_path / "a.csv.lz4"), "lz4") as file:
        file.write(CSV.encode())
    assert read(tmp_path / "a.csv.lz4").frame.height == 3000
    assert read(write("a.jsonl.gz", gzip.compress(b'{"a": 1}'))).frame.rows() == [("1",)]


@pytest.mark.parametrize("lost", [1, 4, 8, 30])
def test_a_truncated_gz_file_is_refused(write: Write, lost: int) -> None:
    error = refused(write("a.csv.gz", gzip.compress(CSV.encode())[:-lost]))
    assert error.got == "file 'a.csv.gz' cannot be decompressed (Truncated compressed stream)"


def test_a_gz_file_that_is_none_is_refused(write: Write) -> None:
    error = refused(write("a.csv.gz", CSV))
    assert error.got.startswith("file 'a.csv.gz' cannot be decompressed")


def test_a_gz_file_that_holds_nothing_is_refused(write: Write) -> None:
    assert refused(write("a.csv.gz", gzip.compress(b"", mtime=0))).got == "file 'a.csv.gz' is empty"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PAR1\x15\x04", "a Parquet file"),
        (gzip.compress(b"a,b\n", mtime=0), "gzip-compressed data"),
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook"),
        (bz2.compress(b"a,b\n"), "bzip2-compressed data"),
        (b"SQLite format 3\x00", "a SQLite database"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_a_text_file_that_holds_something_else_is_refused(
    write: Write, content: bytes, what: str
) -> None:
    for name in ("a.csv", "a.jsonl", "a.csv.gz"):
        data = gzip.compress(content) if name.endswith(".gz") else content
        assert refused(write(name, data)).got == f"file {name!r} holds {what}"


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1 and nothing more PAR1"])
def test_a_parquet_file_that_is_none_is_refused(write: Write, content: bytes) -> None:
    error = refused(write("a.parquet", content))
    assert error.got.startswith("file 'a.parquet' is not a Parquet file")
