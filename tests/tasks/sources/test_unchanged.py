"""What is read of a file is stored under the hash of what was read, or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.sources.files import Files, FilesSettings
from fusemine.tasks.sources.unchanged import ChangedError, unchanged

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


CHANGES = [replace, overwrite, append, cut, back_again]
GONE = [(Path.unlink, "is gone"), (folder_instead, "cannot be read: Is a directory")]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_a_file_that_changes_while_it_is_read_is_named(
    tmp_path: Path, name: str, change: Change
) -> None:
    source = files(tmp_path, name)
    [piece] = source.pieces()
    with pytest.raises(ChangedError) as caught:
        for batch in source.read(piece):
            if batch.first == 0:
                change(tmp_path / name)
    assert caught.value.got == f"file {name!r}, which changed while it was read"


@pytest.mark.parametrize("change", CHANGES[:-1])
def test_so_is_one_that_changes_before_it_is_read(tmp_path: Path, change: Change) -> None:
    source = files(tmp_path, "t.csv")
    [piece] = source.pieces()
    change(tmp_path / "t.csv")
    with pytest.raises(ChangedError):
        list(source.read(piece))


@pytest.mark.parametrize(("change", "why"), GONE)
@pytest.mark.parametrize("early", [True, False])
def test_a_file_that_goes_away_is_called_gone(
    tmp_path: Path, change: Change, why: str, early: bool
) -> None:
    source = files(tmp_path, "t.csv")
    [piece] = source.pieces()
    if early:
        change(tmp_path / "t.csv")
    with pytest.raises(SourceError, match=f"file 't.csv'.*{why}"):
        for _ in source.read(piece):
            if not early:
                change(tmp_path / "t.csv")
                early = True


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

    def read() -> Iterator[str]:
        yield from "abc"

    assert list(unchanged(read(), path, file_digest(path))) == ["a", "b", "c"]


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
