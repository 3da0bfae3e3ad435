"""Saying whether a pipeline would run, without running it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.clean.compute import clean
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.assign import Collected, assign
from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import SettingsError, SourceError
from fusemine.tasks.corrections.read import load_corrections, match_corrections
from fusemine.tasks.embed.encoders.models import find_model
from fusemine.tasks.embed.precision import precision_of
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.sources.kinds import open_source
from fusemine.tasks.table.roles import check_places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.table.roles import LabelRule


def check_pipeline(loaded: Loaded) -> Iterator[str]:
    """Check settings, source and encoder; a line for each thing that is in order.

    Raises:
        SettingsError: A column that the pipeline.yaml names.
        SourceError: The first or the last piece of the source.
        ModelError: The encoder.
    """
    settings = loaded.pipeline
    yield f"settings: {settings.name}, version {settings.version}"
    source = open_source(settings.source, loaded.base)
    pieces = source.pieces()
    yield f"source: {len(pieces)} {source.unit}(s), {pieces[0].title} to {pieces[-1].title}"
    sample = dict.fromkeys([pieces[0], pieces[-1]])
    batches = [batch for piece in sample for batch in source.read(piece)]
    for batch in batches:
        check_places(settings.places(), batch.frame.columns, f"{source.unit} {batch.source!r}")
    found = assign(batches, settings.columns, settings.partition, settings.source.repeated_id)
    yield from _rows(found, loaded, source.unit)
    yield from _corrections(found, loaded, whole=len(sample) == len(pieces))
    yield from _encoder(loaded)
    _check_writable(loaded.root)
    yield f"root: {loaded.root}"
    yield "it would run"


def _encoder(loaded: Loaded) -> Iterator[str]:
    settings = loaded.pipeline.section(EmbedSettings)
    model = find_model(settings, loaded.base)
    if model.folder is None and settings.endpoint is not None:
        yield f"encoder: {settings.model} at {settings.endpoint.url}"
        return
    yield f"encoder: {model.folder} ({model.kind})"
    if model.kind != "static":
        yield f"device: {resolve_device(settings.device)}"
        yield f"precision: {precision_of(loaded.store, settings, model)}"


def _rows(found: Collected, loaded: Loaded, unit: str) -> Iterator[str]:
    settings = loaded.pipeline
    if not found.partitions:
        raise SourceError(
            got=f"no usable row in the first and the last {unit}{_first_reason(found)}",
            expected="rows, and times that columns.time.formats read",
            fix="correct columns.time, or look at the rows",
        )
    timezone = settings.partition.timezone
    cleaned = [
        clean(p.rows, settings.columns, settings.section(CleanSettings), timezone)
        for p in found.partitions
    ]
    kept = sum(part.rows.height for part in cleaned)
    if not kept:
        rejected = pl.concat([part.rejected for part in cleaned])
        raise SourceError(
            got=f"no usable row in the first and the last {unit} ({rejected['reason'][0]})",
            expected="rows that pass the rules of clean",
            fix="correct clean in the pipeline.yaml, or look at the rows",
        )
    lost = sum(part.rejected.height for part in found.partitions)
    lost += sum(part.rejected.height for part in cleaned)
    yield (
        f"rows in the first and the last {unit}: {kept:,} usable, {lost:,} rejected, "
        f"{found.unassigned.height:,} without a partition{_first_reason(found)}"
    )
    rows = pl.concat([part.rows for part in cleaned], how="diagonal_relaxed")
    yield f"texts: {int(rows['has_text'].sum()):,}"
    yield from _judging(rows)
    if settings.columns.label is not None:
        yield _label(rows["label"].drop_nulls(), settings.columns.label)


def _judging(rows: pl.DataFrame) -> Iterator[str]:
    """What could be held back to judge by."""
    if "group" in rows.columns:
        yield f"groups: {rows['group'].drop_nulls().n_unique():,}"
    if "split" in rows.columns:
        words = rows["split"].drop_nulls().value_counts(sort=True).rows()
        counts = ", ".join(f"{count:,} {word!r}" for word, count in words[:10])
        yield f"split: {counts or 'no row has a value'}"


def _label(labels: pl.Series, rule: LabelRule) -> str:
    if rule.kind == "number":
        numbers = [float(label) for label in labels]
        span = f", {min(numbers):g} to {max(numbers):g}" if numbers else ""
        return f"label: {len(numbers):,} number(s){span}"
    classes = labels.unique().sort()
    return f"label: {len(classes)} class(es): {', '.join(classes[:10])}"


def _corrections(found: Collected, loaded: Loaded, whole: bool) -> Iterator[str]:
    """The corrected labels, and how many rows they miss where all files were read."""
    corrections = load_corrections(loaded.pipeline, loaded.base)
    if corrections is None:
        return
    given, rule = corrections
    table = ((part.partition, part.rows) for part in found.partitions)
    settled = match_corrections(given, table, rule, loaded.pipeline.section(CleanSettings), whole)
    missed = f", {settled.unknown:,} of them of no row" if whole else ""
    yield f"corrections: {len(given.rows):,} in {given.name}{missed}"


def _first_reason(found: Collected) -> str:
    reasons = found.unassigned.get_column("reason")
    return f" ({reasons[0]})" if len(reasons) else ""


def _check_writable(root: Path) -> None:
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise SettingsError(
            got=f"root {root}, where nothing can be written",
            expected="a folder that this user can write to",
            fix="set root in the pipeline.yaml to another folder",
        )
