"""Quality gates: what a partition must pass before its run becomes the last complete one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import polars as pl
from pydantic import Field

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import SettingsError, nearest
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.storage.artifact import ArtifactRef, read_frame, read_json, read_manifest
from fusemine.tasks.inventory.compute import HEADERS
from fusemine.tasks.inventory.contracts import INVENTORY
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

Share = Annotated[float, Field(ge=0, le=1)]


class QualitySettings(Settings):
    """Gates for a run's own partition: in a long window a bad delivery would not be seen."""

    min_rows: int | None = Field(default=None, ge=1)
    """Fewest rows that the partition must keep."""
    max_rejected: Share | None = None
    """Largest share of the partition's rows that collecting and cleaning may reject."""
    max_unassigned: Share | None = None
    """Largest share of the source's records that may belong to no partition."""
    max_null: dict[str, Share] = Field(default_factory=dict)
    """Largest share of empty cells, by column (`{height: 0.5}`); a number that cannot be read
    counts as empty."""


@dataclass(frozen=True)
class Facts:
    """What the gates are compared with.

    Args:
        partition: The partition.
        rows: Its rows as they came in.
        kept: Its rows that can be mined.
        records: Records of the whole source.
        unassigned: Those of them that belong to no partition.
        empty: Empty cells of the gated columns, among the rows that were collected.
        collected: The rows that were collected.
    """

    partition: str
    rows: int
    kept: int
    records: int
    unassigned: int
    empty: dict[str, int]
    collected: int


def quality_facts(
    partition: str,
    raw: ArtifactRef | None,
    cleaned: ArtifactRef | None,
    inventory: ArtifactRef,
    settings: QualitySettings,
) -> Facts:
    """Gather the facts from artifacts; a partition without rows has none.

    Raises:
        SettingsError: A gated column is in no file of the source.
    """
    _check_columns(settings, inventory)
    source = read_manifest(inventory).rows
    rejected = int(read_frame(inventory, INVENTORY)["rejected"].sum())
    records, unassigned = source.rows_in, source.rows_rejected - rejected
    if raw is None or cleaned is None:
        return Facts(partition, 0, 0, records, unassigned, {}, 0)
    rows = read_manifest(raw).rows.rows_in
    empty = _empty_cells(list(settings.max_null), raw, cleaned)
    return Facts(partition, rows, cleaned.rows, records, unassigned, empty, raw.rows)


def check_quality(settings: QualitySettings, facts: Facts) -> list[str]:
    """The gates that are breached, a sentence with its figures for each."""
    here = f"rows of {facts.partition}"
    limit, rejected = settings.min_rows, facts.rows - facts.kept
    breaches = []
    if limit is not None and facts.kept < limit:
        breaches = [f"{facts.kept:,} {here} can be mined, fewer than quality.min_rows, {limit:,}"]
    breaches += _over(
        "max_rejected", settings.max_rejected, rejected, facts.rows, f"{here} are rejected"
    )
    what = "records of the source belong to no partition"
    breaches += _over(
        "max_unassigned", settings.max_unassigned, facts.unassigned, facts.records, what
    )
    for column, share in settings.max_null.items():
        empty = facts.empty.get(column, 0)
        breaches += _over("max_null", share, empty, facts.collected, f"{here} have no {column}")
    return breaches


def _over(gate: str, limit: float | None, part: int, whole: int, what: str) -> list[str]:
    # Shares are compared, not part with limit * whole: 0.29 * 100 is less than 29.
    if limit is None or whole == 0 or part / whole <= limit:
        return []
    return [
        f"{part:,} of {whole:,} {what} ({part / whole:.1%}), "
        f"more than the {100 * limit:g}% that quality.{gate} allows"
    ]


def _check_columns(settings: QualitySettings, inventory: ArtifactRef) -> None:
    headers = read_json(inventory, HEADERS).values()
    names = list(dict.fromkeys(name for header in headers for name in header))
    for column in settings.max_null:
        if names and column not in names:
            raise SettingsError(
                got=f"quality.max_null: {column!r}, which is a column of no file of the source",
                expected=f"one of {', '.join(names[:40])}",
                fix=f"{nearest(column, names)}correct quality.max_null in the pipeline.yaml",
            )


def _empty_cells(columns: list[str], raw: ArtifactRef, cleaned: ArtifactRef) -> dict[str, int]:
    """Empty cells of the user's columns; a column that the partition's files lack is all empty."""
    if not columns:
        return {}
    rows, clean = read_frame(raw, RAW), read_frame(cleaned, CLEAN)
    refused = read_frame(cleaned, REJECTED, "rejected").filter(rule="invalid_number")
    unreadable = read_json(cleaned)["unreadable_numbers"] if len(refused) else {}
    counts = {column: _empty(column, rows, clean) for column in columns}
    return {column: min(n + unreadable.get(column, 0), len(rows)) for column, n in counts.items()}


def _empty(column: str, raw: pl.DataFrame, clean: pl.DataFrame) -> int:
    """Cells with nothing in them as they came in, or after cleaning in the rows that it kept."""
    if stored_name(column) not in raw.columns:
        return raw.height
    blank = as_text(raw.get_column(stored_name(column))).fill_null("").str.strip_chars() == ""
    filled = clean.join(raw.filter(~blank).select("row_id"), on="row_id", how="semi")
    made = [prefix + column for prefix in (TEXT, CATEGORY, NUMBER)]
    lost = [_nothing(filled.get_column(name)) for name in made if name in clean.columns]
    return int(blank.sum()) + sum(lost)


def _nothing(values: pl.Series) -> int:
    return int((values.cast(pl.String).fill_null("") == "").sum())
