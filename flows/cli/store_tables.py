"""Showing the embedding store of a pipeline, and removing what is no longer used of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fusemine.flows.cli.terminal import cell
from fusemine.tasks.core.storage.locks import exclusive
from fusemine.tasks.embed.encoders.models import find_model
from fusemine.tasks.embed.engine import spec_of
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.space import STORE, stored_space
from fusemine.tasks.upkeep.contents import megabytes
from fusemine.tasks.upkeep.prune import prune
from fusemine.tasks.upkeep.spaces import empty_message, plan_removal, read_spaces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from rich.table import Table

    from fusemine.flows.cli.terminal import View
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.upkeep.spaces import Space, StorePrunePlan

UNKNOWN = "?"
_LEFT = ("space", "model", "path", "precision", "last used", "in use")
"""Columns of words; those of numbers are aligned to the right."""


def spaces_of(loaded: Loaded) -> list[Space]:
    """The spaces of a pipeline's store; none where it has no store yet.

    Raises:
        ModelError: The encoder cannot be had, so which space it uses is not known.
    """
    store = loaded.store
    if not store.folders(STORE):
        return []
    settings = loaded.pipeline.section(EmbedSettings)
    found = spec_of(store, settings, find_model(settings, loaded.base))
    return read_spaces(store, stored_space(store, settings, found.model, found.precision))


def prune_store(loaded: Loaded, unused_for: timedelta, dry_run: bool) -> StorePrunePlan:
    """Plan the removal and, unless it is a dry run, carry it out while no run is going on.

    Args:
        loaded: The pipeline.
        unused_for: A space that was used within this time stays.
        dry_run: Remove nothing.

    Raises:
        ModelError: The encoder cannot be had, so which space it uses is not known.
        ArtifactError: A run is going on, or something cannot be removed.
    """
    if dry_run or not loaded.store.folders(STORE):
        return plan_removal(loaded.store, spaces_of(loaded), unused_for, datetime.now(UTC))
    with exclusive(loaded.root):
        plan = plan_removal(loaded.store, spaces_of(loaded), unused_for, datetime.now(UTC))
        prune(plan)
    return plan


def spaces_table(spaces: Sequence[Space]) -> Table:
    """The spaces for a terminal."""
    from rich.table import Table

    rows = [_cells(space) for space in spaces]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name in _LEFT else "right")
    for row in rows:
        table.add_row(*map(cell, row.values()))
    return table


def spaces_summary(loaded: Loaded, spaces: Sequence[Space]) -> str:
    """What the whole store takes."""
    if not spaces:
        return empty_message(loaded.store.root)
    plural = "s" if len(spaces) > 1 else ""
    return f"{len(spaces):,} space{plural}, {megabytes(sum(space.bytes for space in spaces))}"


def show_store(loaded: Loaded) -> View:
    """The spaces of a pipeline's store, as a table and as what the whole store takes.

    Raises:
        ModelError: The encoder cannot be had, so which space it uses is not known.
    """
    spaces = spaces_of(loaded)
    value = {"root": str(loaded.root), "spaces": [space.as_json() for space in spaces]}
    return spaces_table(spaces) if spaces else None, [spaces_summary(loaded, spaces)], value


def _cells(space: Space) -> dict[str, str]:
    facts, rate = space.facts, space.hit_rate
    return {
        "space": space.name,
        "model": facts.model if facts else UNKNOWN,
        "path": facts.path if facts else UNKNOWN,
        "precision": facts.precision if facts else UNKNOWN,
        "dimension": _number(facts.dimension if facts else None),
        "texts": _number(space.texts),
        "MB": f"{space.bytes / 1e6:,.1f}",
        "parts": _number(space.parts),
        "look-ups": _number(space.looked_up),
        "hit rate": UNKNOWN if rate is None else f"{rate:.1%}",
        "last used": f"{space.last_used:%Y-%m-%d %H:%M} UTC" if space.last_used else UNKNOWN,
        "in use": "yes" if space.in_use else "no",
        "damaged": _number(space.damaged),
    }


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
