"""Quality gates: what a partition must pass before its run becomes the last complete one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.artifacts import ArtifactRef, read_frame, read_manifest
from tasks.collect.assign import own_name
from tasks.contracts import CLEAN, INVENTORY, NUMBER, RAW
from tasks.errors import SettingsError, nearest
from tasks.settings import Settings

if TYPE_CHECKING:
    import polars as pl

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
    """Largest share of empty cells, by column; a number that cannot be read counts as empty."""


@dataclass(frozen=True)
class Facts:
    """What the gates are held against.

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
        SettingsError: A gated column is not in the partition.
    """
    source = read_manifest(inventory.path)
    unassigned = source.rows.rows_rejected - _rejected_with_partition(inventory)
    records = source.rows.rows_in
    if raw is None or cleaned is None:
        return Facts(partition, 0, 0, records, unassigned, {}, 0)
    rows = read_manifest(raw.path).rows.rows_in
    collected, clean = read_frame(raw, RAW), read_frame(cleaned, CLEAN)
    empty = {column: _empty(column, collected, clean) for column in settings.max_null}
    return Facts(partition, rows, cleaned.rows, records, unassigned, empty, raw.rows)


def check_quality(settings: QualitySettings, facts: Facts) -> list[str]:
    """The gates that are breached, a sentence with its figures for each."""
    where, breaches = facts.partition, []
    if settings.min_rows is not None and facts.kept < settings.min_rows:
        breaches.append(
            f"{facts.kept:,} rows of {where} can be mined, "
            f"fewer than min_rows {settings.min_rows:,}"
        )
    rejected = facts.rows - facts.kept
    shares = [
        ("max_rejected", settings.max_rejected, rejected, facts.rows, f"rows of {where} rejected"),
        (
            "max_unassigned",
            settings.max_unassigned,
            facts.unassigned,
            facts.records,
            "records of the source without a partition",
        ),
    ]
    for name, limit, part, whole, what in shares:
        if limit is not None and part > limit * whole:
            breaches.append(f"{_share(part, whole)} {what}, more than {name} {limit:.1%}")
    for column, limit in settings.max_null.items():
        part, whole = facts.empty.get(column, 0), facts.collected
        if part > limit * whole:
            breaches.append(
                f"{column} is empty in {_share(part, whole)} rows of {where}, "
                f"more than max_null {limit:.1%}"
            )
    return breaches


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole:,}"


def _rejected_with_partition(inventory: ArtifactRef) -> int:
    return int(read_frame(inventory, INVENTORY)["rejected"].sum())


def _empty(column: str, raw: pl.DataFrame, clean: pl.DataFrame) -> int:
    own = own_name(column)
    if own not in raw.columns:
        raise SettingsError(
            got=f"quality.max_null names the column {column!r}, which the table has not",
            expected=f"one of {', '.join(raw.columns[3:15])}",
            fix=f"{nearest(column, raw.columns)}correct quality.max_null in the pipeline.yaml",
        )
    values = raw.get_column(own)
    empty = values.is_null()
    if values.dtype == "String":
        empty = empty | (values.str.strip_chars() == "")
    lost = int(empty.sum())
    number = f"{NUMBER}{column}"
    if number in clean.columns:
        # Rows that cleaning rejected are not in its table; what it could not read is null there.
        filled = raw.filter(~empty).select("row_id")
        lost += int(clean.join(filled, on="row_id", how="semi")[number].is_null().sum())
    return lost
