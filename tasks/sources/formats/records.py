"""What files of every format are read into, and the errors of those that cannot be."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.source import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fusemine.tasks.sources.bounds import Meter

Row = TypeVar("Row")
Records = tuple[pl.DataFrame, list[Malformed]]
"""Records next to each other: those that are rows, and the others."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which no UTF-8 can hold."""


def in_batches(
    records: Iterator[Row | Malformed],
    rows: int,
    frame: Callable[[list[Row]], pl.DataFrame],
    meter: Meter,
) -> Iterator[Records]:
    """Records in batches of at most `rows`, malformed ones included; at least one batch.

    Args:
        records: Rows and malformed records, in order.
        rows: Records of a batch.
        frame: Makes a table of rows.
        meter: Ends a batch early whose records are long.
    """
    batch: list[Row | Malformed] = []
    some = False
    for record in records:
        batch.append(record)
        if len(batch) == rows or meter.is_full():
            yield _split(batch, frame)
            batch, some = [], True
    if batch or not some:
        yield _split(batch, frame)


def _split(batch: list[Row | Malformed], frame: Callable[[list[Row]], pl.DataFrame]) -> Records:
    malformed = [record for record in batch if isinstance(record, Malformed)]
    return frame([r for r in batch if not isinstance(r, Malformed)]), malformed


def unreadable(path: Path, why: str) -> SourceError:
    """The error of a file that does not hold what its name shows."""
    return SourceError(
        got=f"file {path.name!r} {why}",
        expected="the format that its name shows",
        fix="rename the file, convert it, or set source.format in the pipeline.yaml",
    )


def refuse_repeated(header: Sequence[str], path: Path) -> None:
    """Refuse a header in which a name comes twice.

    Raises:
        SourceError: One does.
    """
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise SourceError(
            got=f"file {path.name!r}: its header has {twice[0]!r} twice",
            expected="each column to have a name of its own",
            fix="rename the column in the file",
        )
