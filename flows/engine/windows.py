"""The partitions that several runs need prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.inventory.source import Listing


def needed_partitions(
    loaded: Loaded, listing: Listing, targets: Iterable[str]
) -> dict[str, ArtifactRef | None]:
    """The partitions that several need, oldest first, with their raw artifacts.

    These are all up to the last of them, because topics go back to the first partition; where a
    pipeline leaves out what is not prepared, only the targets themselves.
    """
    raw = listing.raw
    keys = {key for key in targets if key in raw}
    if loaded.pipeline.gaps == "prepare" and keys:
        keys = {key for key in raw if key <= max(keys)}
    return {key: ref for key, ref in raw.items() if key in keys}
