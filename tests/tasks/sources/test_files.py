"""A source's files are found by name or pattern, and their names show their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.files import FilesSettings, Format, find_files, format_of

Write = Callable[[str, str | bytes], Path]


def test_files_are_found_by_name_or_pattern_sorted_by_path(write: Write, tmp_path: Path) -> None:
    for name in ("in/b.csv", "in/a.csv", "in/c.txt", "in/d/x.csv"):
        write(name, "a\n")
    found = find_files(FilesSettings(path="in/*.csv"), tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in found] == ["in/a.csv", "in/b.csv"]
    assert find_files(FilesSettings(path="in/c.txt"), tmp_path) == [tmp_path / "in" / "c.txt"]
    anywhere = FilesSettings(path=str(tmp_path / "in" / "a.*"))
    assert find_files(anywhere, Path("/nowhere")) == [tmp_path / "in" / "a.csv"]


def test_a_missing_file_is_reported_with_the_nearest_name(write: Write, tmp_path: Path) -> None:
    write("rows.csv", "a\n")
    with pytest.raises(SourceError) as caught:
        find_files(FilesSettings(path="row.csv"), tmp_path)
    assert caught.value.got == f"no file at {tmp_path / 'row.csv'}"
    assert caught.value.fix.startswith("did you mean 'rows.csv'?")
    with pytest.raises(SourceError, match="no file at"):
        find_files(FilesSettings(path="nowhere/*.csv"), tmp_path)


@pytest.mark.parametrize("path", ["", ".", "/", "a**b/*.csv"])
def test_a_pattern_that_can_be_none_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises((SourceError, ValidationError), match="path"):
        find_files(FilesSettings(path=path), tmp_path)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", Format.CSV), ("a.TXT", Format.CSV), ("a.b.tsv", Format.TSV),
        ("a.csv.gz", Format.CSV), ("a.ndjson.ZST", Format.JSONL), ("a.pq", Format.PARQUET),
    ],
)  # fmt: skip
def test_the_name_shows_the_format(name: str, form: Format) -> None:
    assert format_of(Path(name)) is form


@pytest.mark.parametrize("name", ["a", "a.xlsx", ".gz", "a.zip", "csv"])
def test_a_name_that_shows_no_format_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="whose name shows no format"):
        format_of(Path(name))
