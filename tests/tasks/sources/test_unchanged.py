"""What is read of a file is stored under the hash of what was read, or not at all."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.sources.files import Files, FilesSettings
from fusemine.tasks.sources.unchanged import ChangedError, content_of, unchanged

Change = Callable[[Path], object]
ROWS = "id,text\n" + "".join(f"{number:06},a text of some length\n" for number in range(60_000))


def replace(path: Path) -> None:
    """Another file of the same size and time takes its place."""
    stat = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


def overwrite(path: Path) -> None:
    """A letter changes in place, within the clock's tick."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"X")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"999999,one more\n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def back_again(path: Path) -> None:
    """Its content is the same, but it was away meanwhile."""
    shutil.copyfile(path, path.with_name("other"))
    path.unlink()
    path.with_name("other").replace(path)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [replace, overwrite, cut, back_again]
GONE = [(Path.unlink, "is gone"), (folder_instead, "cannot be read: Is a directory")]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_a_file_that_changes_while_it_is_read_is_named(
    tmp_path: Path, name: str, change: Change
) -> None:
    source = files(tmp_path, name)
    with pytest.raises(ChangedError) as caught:
        rows_read(source, lambda: change(tmp_path / name))
    assert caught.value.got == f"file {name!r}, which changed while it was read"


@pytest.mark.parametrize("change", CHANGES[:-1])
def test_so_is_one_that_changes_before_it_is_read(tmp_path: Path, change: Change) -> None:
    source = files(tmp_path, "t.csv")
    with pytest.raises(ChangedError):
        rows_read(source, lambda: change(tmp_path / "t.csv"), early=True)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.csv.gz"])
def test_a_file_of_lines_that_grows_is_read_as_it_was(
    tmp_path: Path, name: str, early: bool
) -> None:
    source = files(tmp_path, name)
    line = json.dumps({"id": "999999", "more": "a column"}) if "json" in name else "999999,more"
    more = gzip.compress(f"{line}\n".encode()) if name.endswith(".gz") else f"{line}\n".encode()

    def grow() -> None:
        with (tmp_path / name).open("ab") as file:
            file.write(more)

    assert rows_read(source, grow, early) == 60_000
    assert rows_read(source, lambda: None) == 60_001


def test_a_table_that_grows_is_named(tmp_path: Path) -> None:
    source = files(tmp_path, "t.parquet")
    with pytest.raises(ChangedError):
        rows_read(source, lambda: append(tmp_path / "t.parquet"))


def test_a_file_that_grows_and_changes_is_named(tmp_path: Path) -> None:
    source = files(tmp_path, "t.csv")

    def change() -> None:
        overwrite(tmp_path / "t.csv")
        append(tmp_path / "t.csv")

    with pytest.raises(ChangedError):
        rows_read(source, change)


@pytest.mark.parametrize(("change", "why"), GONE)
@pytest.mark.parametrize("early", [True, False])
def test_a_file_that_goes_away_is_called_gone(
    tmp_path: Path, change: Change, why: str, early: bool
) -> None:
    source = files(tmp_path, "t.csv")
    with pytest.raises(SourceError, match=f"file 't.csv'.*{why}"):
        rows_read(source, lambda: change(tmp_path / "t.csv"), early)


def test_a_fault_of_a_file_that_stays_is_reported_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode())[:-40])
    source = Files(FilesSettings(path="t.csv.gz"), tmp_path)
    [piece] = source.pieces()
    with pytest.raises(SourceError, match="cannot be decompressed"):
        list(source.read(piece))


def test_a_file_that_stays_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("abc")

    content, size = content_of(path)
    assert (content, size) == (file_digest(path), 3)
    assert list(unchanged(iter("abc"), path, content)) == ["a", "b", "c"]


def rows_read(source: Files, change: Callable[[], object], early: bool = False) -> int:
    """How many rows are read where something happens after the first batch, or before it."""
    [piece] = source.pieces()
    if early:
        change()
    rows = 0
    for batch in source.read(piece):
        if batch.first == 0 and not early:
            change()
        rows += batch.frame.height
    return rows


def files(folder: Path, name: str) -> Files:
    """A source of one file, of more rows than a batch has."""
    path = folder / name
    frame = pl.read_csv(ROWS.encode(), infer_schema=False)
    if name.endswith(".jsonl"):
        frame.write_ndjson(path)
    elif name.endswith(".parquet"):
        frame.write_parquet(path, row_group_size=1_000)
    else:
        path.write_bytes(gzip.compress(ROWS.encode()) if name.endswith(".gz") else ROWS.encode())
    return Files(FilesSettings(path=name), folder)
