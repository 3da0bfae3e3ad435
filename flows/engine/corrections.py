"""The corrected labels of a pipeline, held against the rows that were collected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.assign import own_name
from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.mine.classify.corrections.read import Given, Settled, read_given, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.inventory.source import Listing
    from fusemine.tasks.table.roles import LabelRule


def given_corrections(loaded: Loaded) -> tuple[Given, LabelRule] | None:
    """The corrections that a pipeline names, with the rule of their label, if it names any.

    Raises:
        SettingsError: Their file is not there, or cannot be used.
    """
    rule = loaded.pipeline.columns.label
    if rule is None or rule.corrections is None:
        return None
    return read_given(loaded.base / rule.corrections, loaded.pipeline.clean), rule


def settle_corrections(loaded: Loaded, listing: Listing) -> Settled:
    """The corrections by partition; none where the pipeline names none.

    All partitions are looked at, and not those of a window alone: a class that came later, or a
    row of another window, is no mistake.

    Raises:
        SettingsError: Their file is not there or cannot be used, or one of them is no label.
    """
    found = given_corrections(loaded)
    if found is None:
        return Settled()
    given, rule = found
    raw = {key: ref for key, ref in listing.raw.items() if ref is not None}
    whole = len(raw) == len(listing.raw)
    return settle(given, _rows(raw, rule), rule, loaded.pipeline.clean, whole)


def _rows(raw: dict[str, ArtifactRef], rule: LabelRule) -> Iterator[tuple[str, pl.DataFrame]]:
    """The row ids and labels of the raw rows, one partition at a time."""
    wanted = ("row_id", own_name(rule.column))
    for partition, ref in raw.items():
        path = Path(ref.path) / f"{MAIN}.parquet"
        columns = [name for name in pl.read_parquet_schema(path) if name in wanted]
        yield partition, pl.read_parquet(path, columns=columns)
