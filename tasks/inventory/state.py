"""The state of a source: what it holds right now, and which rows must not be collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.store import store_at
from fusemine.tasks.sources.kinds import open_source
from fusemine.tasks.sources.source import SourceSettings

if TYPE_CHECKING:
    from fusemine.tasks.core.request import Context
    from fusemine.tasks.sources.source import Piece, Source


@dataclass(frozen=True)
class State:
    """What a source holds right now.

    Args:
        source: The source.
        pieces: Its pieces, in order.
        forgotten: Hashes of the row ids that are left out.
    """

    source: Source
    pieces: tuple[Piece, ...]
    forgotten: frozenset[str]

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each piece, by its name."""
        return {piece.name: piece.fingerprint for piece in self.pieces}


def provide(context: Context, _: tuple[str, ...]) -> Resource:
    """The state of a pipeline's source.

    Raises:
        SourceError: There is nothing, or it cannot be read.
    """
    source = open_source(context.pipeline.section(SourceSettings), context.base)
    pieces = tuple(source.pieces())
    state = State(source, pieces, read_forgotten(store_at(context.root)))
    # A piece outside the base counts by its last name alone, because keys hold no paths.
    key = {
        "pieces": [[piece.title, piece.fingerprint] for piece in pieces],
        "forgotten": sorted(state.forgotten),
    }
    return Resource(state, key, state.fingerprints)
