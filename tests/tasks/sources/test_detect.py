"""The way to read a file is found by trying: separator, encoding, format."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.detect import find_source
from fusemine.tasks.sources.files import FilesSettings
from fusemine.tasks.sources.source import Batch

Write = Callable[[str, str | bytes], Path]


def source(path: Path) -> tuple[FilesSettings, Batch]:
    settings, rows = find_source(path, path.name)
    assert settings.path == path.name
    return settings, rows


CSV = "name,kind,cost\n" + "".join(f"café number {i},{'ab'[i % 2]},{i}\n" for i in range(40))


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_is_found(write: Write, separator: str) -> None:
    settings, rows = source(write("a.csv", CSV.replace(",", separator)))
    assert settings.separator == (None if separator == "," else separator)
    assert (rows.frame.columns, rows.frame.height) == (["name", "kind", "cost"], 40)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_encoding_is_found(write: Write, encoding: str) -> None:
    for tail in ("", "x,a,1\n"):  # bytes of an even and of an odd number
        settings, rows = source(write("a.csv", (CSV + tail).encode(encoding)))
        assert settings.encoding == encoding
        assert rows.frame["name"][3] == "café number 3"


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_tsv_needs_no_separator(write: Write, name: str) -> None:
    data = CSV.replace(",", "\t").encode()
    settings, rows = source(write(name, gzip.compress(data) if name.endswith("gz") else data))
    assert (settings.separator, rows.frame.width) == (None, 3)


@pytest.mark.parametrize("bad", [1, 10])
def test_malformed_records_are_not_blamed_on_the_separator(write: Write, bad: int) -> None:
    settings, rows = source(write("a.csv", CSV + "one,too,many,fields\n" * bad))
    assert (settings.separator, settings.encoding) == (None, "utf-8")
    assert (rows.frame.height, len(rows.malformed)) == (40, bad)


def test_json_lines_and_parquet_are_read_as_they_are(write: Write, tmp_path: Path) -> None:
    settings, rows = source(write("a.jsonl", '{"a": "x;y"}\n'))
    assert (settings.separator, rows.frame.rows()) == (None, [("x;y",)])
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    assert source(tmp_path / "a.parquet")[1].frame.rows() == [(1,)]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"PAR1", "holds a Parquet file"),
        ("a.jsonl", b"a,b\n", "holds no JSON object"),
        ("a.md", b"x", "whose name shows no format"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    write: Write, name: str, content: bytes, why: str
) -> None:
    with pytest.raises(SourceError, match=why):
        source(write(name, content))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(SourceError) as caught:
            find_source(path, "x")
        assert caught.value.got == f"no file at {path}"
