"""The corrected labels of a pipeline, held against the rows that were collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.core.key import digest
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.artifact import MAIN, column_names, locate
from fusemine.tasks.corrections.read import Given, Settled, read_given, settle
from fusemine.tasks.table.roles import Columns, LabelRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fusemine.tasks.core.request import Context, Sections
    from fusemine.tasks.core.storage.artifact import ArtifactRef


def provide(context: Context, partitions: tuple[str, ...]) -> Resource:
    """The corrected labels that concern some partitions; their file is read once.

    All partitions are looked at, and not these alone: a class that came later, or a row of another
    window, is no mistake. The key holds no row id or label.

    Raises:
        SettingsError: Their file is not there or cannot be used, or one of them is no label.
    """
    settled: Settled = context.once("corrections", lambda: _settled(context))
    found = settled.of(partitions)
    return Resource(found, digest(found.content()))


def given_corrections(sections: Sections, base: Path) -> tuple[Given, LabelRule] | None:
    """The corrections that a pipeline names, with the rule of their label, if it names any.

    Raises:
        SettingsError: Their file is not there, or cannot be used.
    """
    rule = sections.section(Columns).label
    if rule is None or rule.corrections is None:
        return None
    return read_given(base / rule.corrections, sections.section(CleanSettings)), rule


def _settled(context: Context) -> Settled:
    found = given_corrections(context.pipeline, context.base)
    if found is None:
        return Settled()
    given, rule = found
    raw = {key: ref for key, ref in context.raw.items() if ref is not None}
    whole = len(raw) == len(context.raw)
    cleaning = context.pipeline.section(CleanSettings)
    return settle(given, _rows(raw, rule), rule, cleaning, whole)


def _rows(raw: Mapping[str, ArtifactRef], rule: LabelRule) -> Iterator[tuple[str, pl.DataFrame]]:
    """The row ids and labels of the raw rows, one partition at a time."""
    wanted = ("row_id", stored_name(rule.column))
    for partition, ref in raw.items():
        columns = [name for name in column_names(ref) if name in wanted]
        yield partition, pl.read_parquet(locate(ref, f"{MAIN}.parquet"), columns=columns)
