"""What a source holds right now, as what an inventory is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core.key import code_of
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.inventory.compute import State
from fusemine.tasks.sources.kinds import open_source
from fusemine.tasks.sources.source import SourceSettings

if TYPE_CHECKING:
    from fusemine.tasks.core.request import Context


def provide(context: Context, _: tuple[str, ...]) -> Resource:
    """The state of a pipeline's source.

    Raises:
        SourceError: There is nothing, or it cannot be read.
    """
    source = open_source(context.pipeline.section(SourceSettings), context.base)
    state = State(source, tuple(source.pieces()), read_forgotten(store_at(context.root)))
    # A piece outside the base counts by its last name alone, because keys hold no paths.
    key = {
        "pieces": [[piece.title, piece.fingerprint] for piece in state.pieces],
        "forgotten": sorted(state.forgotten),
        "code": code_of((type(source).__module__,)),  # of this kind alone
    }
    return Resource(state, key, state.fingerprints)
