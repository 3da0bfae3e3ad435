"""The partitions that several runs need prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.partitions import window_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flows.config import Loaded
    from tasks.artifacts import ArtifactRef
    from tasks.collect.source import Listing


def union_of_windows(
    loaded: Loaded, listing: Listing, targets: Iterable[str]
) -> dict[str, ArtifactRef | None]:
    """The partitions in the windows of several, oldest first, with their raw artifacts.

    Where a pipeline leaves out what is not prepared, only the targets themselves.
    """
    settings, raw = loaded.pipeline, listing.raw
    keys = {key for key in targets if key in raw}
    if settings.gaps == "prepare":
        by = settings.partition.by
        keys = {key for target in keys for key in window_of(target, settings.window, raw, by)}
    return {key: ref for key, ref in raw.items() if key in keys}
