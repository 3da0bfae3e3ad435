"""Files that ask for more than tables do are refused before the memory is taken."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources import bounds
from fusemine.tasks.sources.detect import find_source
from fusemine.tasks.sources.files import FilesSettings, read_batches
from fusemine.tasks.sources.formats import parquet
from fusemine.tasks.sources.source import Batch

Write = Callable[[str, str | bytes], Path]


def read(path: Path, rows: int = 50_000) -> list[Batch]:
    return list(read_batches(path, FilesSettings(path=path.name), path.parent, rows))


def refused(path: Path) -> str:
    """What came, by the error, which says what would have been right and what to do."""
    with pytest.raises(SourceError) as caught:
        read(path)
    assert path.name in caught.value.got
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.got


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that small files are beyond."""
    monkeypatch.setattr(bounds, "RECORD", 1_000)
    monkeypatch.setattr(bounds, "COLUMNS", 5)
    monkeypatch.setattr(bounds, "CELLS", 12)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz"])
@pytest.mark.parametrize("before", [0, 7])
def test_a_line_without_an_end_is_refused_by_its_number(
    write: Write, name: str, before: int
) -> None:
    text = b'{"a": 1}\n' * before + b'{"a": "' + b"x" * 64 * 2**20
    path = write(name, gzip.compress(text, 1) if name.endswith("gz") else text)
    tracemalloc.start()
    got = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"line {before + 1}: more than 16,777,216 bytes" in got
    assert peak < 40 * 2**20


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("quote", ['"', ""])
def test_a_record_of_many_lines_is_refused(write: Write, quote: str) -> None:
    text = "a,b\n1,2\n" + f'3,"{"long" * 10}\n' + "more\n" * 500 + f"{quote}\n"
    assert "record up to line" in refused(write("a.csv", text))


@pytest.mark.usefixtures("small")
def test_records_within_the_bound_are_read_whatever_their_number(write: Write) -> None:
    rows = "".join(f'{n},"a\nb",{"x" * 900}\n' for n in range(20))
    assert sum(batch.frame.height for batch in read(write("a.csv", f"a,b,c\n{rows}"))) == 20


@pytest.mark.usefixtures("small")
def test_too_many_columns_of_csv_are_refused(write: Write) -> None:
    assert "header: 6 columns" in refused(write("a.csv", "a,b,c,d,e,f\n1,2,3,4,5,6\n"))
    assert len(read(write("a.csv", "a,b,c,d,e\n1,2,3,4,5\n"))) == 1


def test_very_many_columns_are_refused_at_once(write: Write) -> None:
    header = ",".join(f"c{n}" for n in range(100_000))
    path = write("a.csv", f"{header}\n{header}\n")
    assert "100,000 columns" in refused(path)
    with pytest.raises(SourceError, match="100,000 columns"):
        find_source(path, path.name)


@pytest.mark.usefixtures("small")
def test_lines_that_each_bring_a_key_are_refused(write: Write) -> None:
    lines = [json.dumps({f"key{n}": n}) for n in range(9)]
    assert "keys of the lines up to 6: 6 columns" in refused(write("a.jsonl", "\n".join(lines)))
    assert sum(batch.frame.height for batch in read(write("a.jsonl", "\n".join(lines[:5])))) == 5


def test_a_file_of_empty_cells_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SPARSE", 1_000)
    monkeypatch.setattr(bounds, "PER_BYTE", 2)
    lines = [json.dumps({f"key{n}": n for n in range(50)}), *['{"a":1}'] * 800]
    assert "801 rows and 51 columns" in refused(write("a.jsonl", "\n".join(lines)))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_batch_has_a_bound_in_cells_and_its_rows_stay_the_same(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"a": ["x"] * 10, "b": ["y"] * 10, "c": ["z"] * 10})
    path = tmp_path / name
    write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
    write[name.partition(".")[2]](path)
    batches = read(path)
    assert [batch.frame.height for batch in batches] == [4, 4, 2]
    assert [batch.first for batch in batches] == [0, 4, 8]
    assert pl.concat(batch.frame for batch in batches).equals(frame)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_batch_has_a_bound_in_bytes(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bounds, parquet):
        monkeypatch.setattr(module, "BATCH", 3_000)
    frame = pl.DataFrame({"a": [str(n % 10) * 1_100 for n in range(600)]})
    path = tmp_path / name
    write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
    write[name.partition(".")[2]](path)
    batches = read(path)
    assert len(batches) >= 3
    assert pl.concat(batch.frame for batch in batches).equals(frame)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.zst"])
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "UNPACKED", 2**20)
    path = tmp_path / name
    with pa.output_stream(str(path)) as stream:
        stream.write(b"a,b\n" + b"1,2\n" * 2**18 * 3)
    assert "unpacks to more than 1,048,576 bytes" in refused(path)


def test_a_parquet_file_of_one_cell_over_and_over_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "UNPACKED", 2**20)
    pq.write_table(pa.table({"a": ["x" * 10_000] * 20_000}), tmp_path / "a.parquet")
    assert "unpacks to more than" in refused(tmp_path / "a.parquet")


@pytest.mark.usefixtures("small")
def test_a_parquet_file_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({f"c{n}": [n] for n in range(6)}).write_parquet(tmp_path / "a.parquet")
    assert "schema: 6 columns" in refused(tmp_path / "a.parquet")


def test_a_parquet_file_of_too_many_row_groups_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "FOOTER", 2_000)
    table = pa.table({"a": range(500)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    assert "footer" in refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("depth", [10, 900, 990, 100_000])
def test_json_of_any_depth_is_a_row_or_a_malformed_record(write: Write, depth: int) -> None:
    nested = '{"a": ' + "[" * depth + "]" * depth + "}"
    (batch,) = read(write("a.jsonl", f'{nested}\n{{"a": "fine"}}\n'))
    assert batch.frame.height + len(batch.malformed) == 2
    assert batch.frame["a"][-1] == "fine"
