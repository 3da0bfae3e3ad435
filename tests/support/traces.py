"""Where words are found below a folder, whatever they are packed in."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow as pa


def traces(folder: Path, *words: str) -> list[str]:
    """Files, and tables of databases, that hold one of the words: as bytes or unpacked."""
    return [place for place, text in _contents(folder) if any(word in text for word in words)]


def _contents(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content, name = path.read_bytes(), path.relative_to(folder).as_posix()
        yield name, content.decode(errors="replace")
        yield from ((f"{name}: {part}", text) for part, text in _unpacked(path, content))


def _unpacked(path: Path, content: bytes) -> Iterator[tuple[str, str]]:
    if content.startswith(b"PAR1"):
        yield "table", str(pl.read_parquet(path).to_dicts())
    elif content.startswith(b"\x1f\x8b"):
        yield "gzip", gzip.decompress(content).decode(errors="replace")
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.input_stream(str(path), compression="zstd") as stream:
            yield "zstd", stream.read().decode(errors="replace")
    elif content.startswith(b"SQLite format 3\0"):
        yield from _tables(path)


def _tables(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in names:
            rows = database.execute(f'select * from "{name}"').fetchall()
            yield name, "\n".join(map(repr, rows))
