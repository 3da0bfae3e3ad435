"""A kind of source for tests: numbered pieces of rows that it makes up itself.

Besides this file it takes one line: `KINDS["counted"] = Kind(CountedSettings, CountedSource)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fusemine.tasks.sources.source import Batch, Malformed, Piece, SourceSettings


class CountedSettings(SourceSettings):
    """Rows that are counted."""

    kind: Literal["counted"]
    """Kind of the source."""
    pieces: int
    """How many pieces there are, of two rows and a malformed record each."""


@dataclass(frozen=True)
class CountedSource:
    """The pieces, from 1."""

    settings: CountedSettings
    base: Path
    unit: ClassVar[str] = "count"

    def pieces(self) -> list[Piece]:
        """The pieces; their content is their number."""
        numbers = map(str, range(1, self.settings.pieces + 1))
        return [Piece(number, number, number) for number in numbers]

    def read(self, piece: Piece) -> Iterator[Batch]:
        """Two batches of one row, the second with a malformed record."""
        for place, name in enumerate("ab"):
            frame = pl.DataFrame({"id": [f"{piece.name}{name}"], "body": [f"row {name}"]})
            malformed = [Malformed("unreadable", "made so", "?")] if place else []
            yield Batch(piece.name, frame, malformed, first=place)
