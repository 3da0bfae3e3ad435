"""A file of any size is read in batches: the same records, in bounded memory."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.collect.assign import Collected, assign
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.sources.files import FilesSettings, read_batches, read_file
from fusemine.tasks.sources.formats.text import BLOCK, byte_lines, text_lines
from fusemine.tasks.sources.source import Batch
from fusemine.tasks.table.roles import Columns

Write = Callable[[str, str | bytes], Path]
LONG = "a,b\n" + "1,a text that makes the file longer than a block\n" * (BLOCK // 40)


def batches(path: Path, rows: int, **settings: object) -> Iterator[Batch]:
    return read_batches(path, FilesSettings(path=path.name, **settings), path.parent, rows)


def whole(path: Path, **settings: object) -> Batch:
    return read_file(path, FilesSettings(path=path.name, **settings), path.parent)


def refused(path: Path, **settings: object) -> str:
    """The error of a file, which both ways of reading give."""
    with pytest.raises(SourceError) as caught:
        whole(path, **settings)
    with pytest.raises(SourceError) as also:
        list(batches(path, 2, **settings))
    assert str(also.value) == str(caught.value)
    return caught.value.got


def assert_same_records(path: Path, rows: int) -> None:
    file, found = whole(path), list(batches(path, rows))
    assert all(part.frame.height + len(part.malformed) <= rows for part in found)
    assert {part.source for part in found} == {file.source}
    assert pl.concat([part.frame for part in found]).equals(file.frame)
    assert [bad for part in found for bad in part.malformed] == file.malformed


RECORDS = {
    "a.csv": ["1,2", "3,", '"x\ny",4', "5,6,7", "8", "", "9,caf\xe9", '"q""q","\r\n"'],
    "a.tsv": ["1\t2", "3\t", '"x\ny"\t4', "5\t6\t7", "8", "caf\xe9\t9"],
    "a.jsonl": ['{"a": 1}', '{"b": [2]}', "{}", "[3]", "", '{"c', '{"a": "\\ud800", "z": 1}'],
}
HEADS = {"a.csv": "a,b", "a.tsv": "a\tb", "a.jsonl": '{"first": 1}'}


@given(data=st.data(), name=st.sampled_from(sorted(HEADS)), rows=st.integers(1, 5))
def test_batches_hold_the_records_of_the_file_in_its_order(
    folders: Callable[[], Path], data: st.DataObject, name: str, rows: int
) -> None:
    records = data.draw(st.lists(st.sampled_from(RECORDS[name]), max_size=12))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    encoding = data.draw(st.sampled_from(["utf-8-sig", "latin-1"]))  # one mark, or bytes of none
    path = folders() / name
    path.write_bytes(end.join([HEADS[name], *records]).encode(encoding))
    assert_same_records(path, rows)


@given(rows=st.integers(1, 8), group=st.integers(1, 8))
def test_parquet_with_any_row_groups_is_cut_into_batches(
    folders: Callable[[], Path], rows: int, group: int
) -> None:
    path = folders() / "a.parquet"
    columns = {
        "i": pa.array(range(7)),
        "l": pa.array([[i] * (i % 3) for i in range(7)]),
        "d": pa.array(["x", None, "y"] * 2 + [""]).dictionary_encode(),
        "w": pa.array(range(7)).cast(pa.decimal256(50, 2)),
    }
    pq.write_table(pa.table(columns), path, row_group_size=group)
    assert_same_records(path, rows)


@given(
    text=st.text(st.sampled_from('a,é"\n\r\x0b\x1c\x85\u2028\U0001f600'), max_size=20),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "shift_jis", "utf-7"]),
    mark=st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\xff", b"\xe2\x82"]),
    size=st.integers(1, 5),
)
def test_lines_are_the_same_wherever_blocks_end(
    text: str, encoding: str, mark: bytes, size: int
) -> None:
    content = mark + text.encode(encoding, "ignore")
    # The first block holds a whole byte order mark.
    blocks = [content[:4], *(content[i : i + size] for i in range(4, len(content), size))]
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    assert list(byte_lines(iter(blocks))) == content.removeprefix(codecs.BOM_UTF8).splitlines()
    try:
        expected = content.decode(encoding, errors).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        with pytest.raises(SourceError, match=error.reason):
            list(text_lines(iter(blocks), Path("a.csv"), encoding))
        return
    if encoding == "utf-8" and mark == codecs.BOM_UTF16_LE:
        with pytest.raises(SourceError, match=r"set source\.encoding to utf-16"):
            list(text_lines(iter(blocks), Path("a.csv"), encoding))
        return
    found = [line for line in text_lines(iter(blocks), Path("a.csv"), encoding) if line]
    assert found == list(io.StringIO(expected, newline=""))


def cut(files: list[Batch]) -> Collected:
    return assign(files, Columns(text=("b",)), PartitionSettings(), "first")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_row_has_the_same_hash_in_any_batch(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    columns = {"a": [1, None, 3, 1], "b": ["x", "y", None, "x"], "f": [0.1, 2, 1e-9, 0.1]}
    frame = pl.DataFrame(columns)
    if name == "a.csv":
        frame.write_csv(path)
    elif name == "a.parquet":
        frame.write_parquet(path)
    else:  # later lines bring new columns
        rows = [{key: cell for key, cell in row.items() if cell} for row in frame.to_dicts()]
        path.write_text("\n".join(map(json.dumps, reversed(rows))))
    [expected] = cut([whole(path)]).partitions
    [found] = cut(list(batches(path, 1))).partitions
    assert found.rows.equals(expected.rows)
    assert expected.rows["row_id"].n_unique() == 4


def test_every_batch_of_json_lines_has_the_columns_of_the_file(write: Write) -> None:
    path = write("a.jsonl", '{"a": 1}\n[]\n{"b": "\\ud800", "c": 1}\n{"d": "\\u00e9"}\n')
    found = list(batches(path, 1))
    assert [part.frame.columns for part in found] == [["a", "d"]] * 4
    assert [part.frame.rows() for part in found] == [[("1", None)], [], [], [(None, "é")]]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_a_file_without_rows_is_one_batch_without_rows(write: Write, name: str) -> None:
    path = write(name, {"a.csv": "a,b\n", "a.jsonl": "{}\n"}.get(name, ""))
    if name == "a.parquet":
        pl.DataFrame(schema={"a": pl.Int8, "b": pl.String}).write_parquet(path)
    [batch] = batches(path, 5)
    assert batch.frame.height == 0
    assert batch.frame.schema == whole(path).frame.schema


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_records_come_before_a_quote_is_found_to_be_never_closed(
    write: Write, pack: Callable[[bytes], bytes]
) -> None:
    suffix = {gzip.compress: ".gz", bz2.compress: ".bz2"}.get(pack, "")
    path = write(f"a.csv{suffix}", pack(f'{LONG}2,"open\n3,4\n'.encode()))
    found = batches(path, 10)
    assert next(found).frame.height == 10
    with pytest.raises(SourceError, match=r"never closed, before 'open\\n3,4\\n'"):
        list(found)


def test_a_file_that_was_cut_off_is_refused_at_its_end(write: Write) -> None:
    noise = "\n".join(f"{i},{i * 2**61 // 7919}" for i in range(60_000))
    path = write("a.csv.gz", gzip.compress(f"a,b\n{noise}\n".encode())[:-5])
    assert next(batches(path, 10)).frame.height == 10
    assert refused(path) == "file 'a.csv.gz' cannot be decompressed (Truncated compressed stream)"


@pytest.mark.parametrize("head", ["a,a\n", "a;b\n", '"a\n', "a,b\n\x02\x03\x02\n"])
def test_of_several_faults_the_cut_off_file_is_reported(write: Write, head: str) -> None:
    path = write("a.csv.gz", gzip.compress((head + LONG).encode())[:-5])
    assert refused(path) == "file 'a.csv.gz' cannot be decompressed (Truncated compressed stream)"


@pytest.mark.parametrize("start", [b"PAR1", b"\xff\xfea", b"\x81"])
def test_what_is_no_text_is_reported_after_that_the_file_was_cut_off(
    write: Write, start: bytes
) -> None:
    path = write("a.csv.gz", gzip.compress(start + LONG.encode())[:-5])
    encoding = "cp1252" if start == b"\x81" else "utf-8"
    assert "Truncated compressed stream" in refused(path, encoding=encoding)


def test_of_a_wrong_header_and_a_wrong_encoding_the_encoding_is_reported(write: Write) -> None:
    path = write("a.csv", b"a,a\n" + b"1,2\n" * BLOCK + b"\x81")
    place = 4 * BLOCK + 4
    assert f"decode byte 0x81 in position {place}: " in refused(path, encoding="cp1252")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be", "shift_jis"])
def test_half_a_character_at_the_end_is_reported_with_its_place(
    write: Write, encoding: str
) -> None:
    half = b"\x00\x81" if encoding == "shift_jis" else b"\x00"
    content = LONG.encode(encoding) + half
    with pytest.raises(UnicodeDecodeError) as caught:
        content.decode(encoding)
    assert f"({caught.value})" in refused(write("a.csv", content), encoding=encoding)


def test_utf_16_without_a_mark_is_read_in_the_order_of_this_machine(write: Write) -> None:
    path = write("a.csv", "a,b\n1,é\n".encode("utf-16")[2:])
    [batch] = batches(path, 5, encoding="utf-16")
    assert batch.frame.rows() == [("1", "é")]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_blank_space_longer_than_a_block_is_an_empty_file(write: Write, name: str) -> None:
    assert refused(write(name, "\t\n" * BLOCK)) == f"file {name!r} is empty"


def test_a_parquet_file_with_wrong_counts_is_refused_or_keeps_all_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": range(20)}), path, row_group_size=10)
    content = path.read_bytes()
    heights = set()
    for place in (place for place, byte in enumerate(content) if byte in b"\x14\x28"):
        # A count of 10 or 20 in the footer, or something else of that value, is 1 less.
        path.write_bytes(content[:place] + bytes([content[place] - 2]) + content[place + 1 :])
        try:
            heights.add(sum(part.frame.height for part in batches(path, 7)))
        except SourceError:
            heights.add(None)
    assert heights == {20, None}


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_memory_is_that_of_a_batch_and_not_of_the_file(write: Write, name: str) -> None:
    line = '{"a": "%s"}\n' if "json" in name else '%s,"%s"\n'
    record = line.replace("%s", "text " * 40)
    content = ("a,b\n" if "csv" in name else "") + record * (10_000_000 // len(record))
    path = write(name, gzip.compress(content.encode(), 1))
    size = len(content)
    del content
    tracemalloc.start()
    try:
        assert sum(part.frame.height for part in batches(path, 1000)) == size // len(record)
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()


def test_memory_is_not_that_of_a_row_group_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({name: pl.int_range(400_000, eager=True).to_arrow() for name in "abcdef"})
    pq.write_table(table, path, row_group_size=400_000, use_dictionary=False, compression=None)
    size = table.nbytes
    del table
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in batches(path, 1000))
    assert most < size / 2


def test_a_time_zone_that_there_is_not_is_an_error_of_the_file(tmp_path: Path) -> None:
    times = pa.array([0, 1], pa.timestamp("us", "Nowhere/City"))
    pq.write_table(pa.table({"a": times}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet.*Nowhere/City"):
        read_file(tmp_path / "a.parquet", FilesSettings(path="a.parquet"), tmp_path)


def test_a_name_that_is_no_utf8_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.csv")
    path.write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(SourceError, match="whose name is not UTF-8"):
        read_file(path, FilesSettings(path="*.csv"), tmp_path)
