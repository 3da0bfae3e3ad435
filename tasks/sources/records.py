"""What every form of file is read into, and how a file that is something else is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Malformed:
    """A record that is not a row: what it was, which rule it broke and how."""

    rule: str
    reason: str
    record: str


Records = tuple[pl.DataFrame, list[Malformed]]
"""Records next to each other: those that are rows, and the others."""


def not_as_named(path: Path, what: str) -> SourceError:
    """The error of a file that does not hold what its name says."""
    return SourceError(
        got=f"file {path.name!r} {what}",
        expected="the form that its name tells",
        fix="rename the file, convert it, or set source.format in the pipeline.yaml",
    )


def refuse_twice(header: Sequence[str], path: Path) -> None:
    """Refuse a header in which a name comes twice.

    Raises:
        SourceError: One does.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(
            got=f"file {path.name!r}: its header has {twice[0]!r} twice",
            expected="each column to have a name of its own",
            fix="rename the column in the file",
        )
