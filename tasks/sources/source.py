"""What a source is: pieces with a fingerprint each, read as batches of records of bounded size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from fusemine.tasks.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

CHUNK = 50_000
"""Records of a batch, at most."""


class SourceSettings(Settings):
    """Where the rows come from; each kind of source has more."""

    not_in_keys = frozenset({"kind"})

    kind: str
    """Kind of the source."""
    repeated_id: Literal["first", "newest"] = "first"
    """Which row stays when an id comes twice: the first one, or the newest by time."""


@dataclass(frozen=True)
class Piece:
    """A part of a source that is read as one, such as a file.

    Args:
        name: What tables and manifests call it; it stays the same from run to run.
        fingerprint: Changes when its content does, and only then.
        title: Its name without its place, for keys, which hold no paths.
        size: Bytes that the fingerprint is of, where it may have more by now.
    """

    name: str
    fingerprint: str
    title: str
    size: int | None = None


@dataclass(frozen=True)
class Malformed:
    """A record that is not a row: what it was, which rule it broke and how."""

    rule: str
    reason: str
    record: str


@dataclass(frozen=True)
class Batch:
    """Some records of a piece, next to each other.

    Args:
        source: Name of the piece.
        frame: Those that are rows; all batches of a piece have the same columns.
        malformed: The others.
        first: Rows of the piece that came before.
        first_malformed: Malformed records of the piece that came before.
    """

    source: str
    frame: pl.DataFrame
    malformed: list[Malformed] = field(default_factory=list)
    first: int = 0
    first_malformed: int = 0


class Source(Protocol):
    """Rows from somewhere. A kind of source is a class like this one and a line in `KINDS`."""

    unit: ClassVar[str]
    """What messages call a piece, such as `file`."""

    def pieces(self) -> list[Piece]:
        """All that there is now, in order.

        Raises:
            SourceError: There is nothing, or it cannot be reached.
        """

    def read(self, piece: Piece) -> Iterator[Batch]:
        """The records of a piece in batches of at most `CHUNK`, at least one batch.

        Raises:
            SourceError: The piece is not what it should be. This may turn out only after the last
                batch: until the end, nothing that was read is certain.
        """
