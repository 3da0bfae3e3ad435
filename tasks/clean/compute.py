"""Cleaning one partition: typed columns, one joined text, rejected rows with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from fusemine.tasks.clean.cells import clean_cells, mark_duplicates, read_labels, read_splits
from fusemine.tasks.collect.assign import rejections, stored_name
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import rejected_rows
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.table.cells import parse_numbers
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT, Columns
from fusemine.tasks.table.times import UTC_TIME, parse_times

if TYPE_CHECKING:
    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.table.roles import TimeColumn

Rule = tuple[str, str, pl.Series]
"""A rule's name, its reason, and a mask of the rows that break it."""


@dataclass(frozen=True)
class Cleaned:
    """What is kept, what is rejected, and how many cells of each column could not be read."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    unreadable: dict[str, int]


def run(inputs: Inputs, settings: CleanSettings, _: Progress) -> Output:
    """Clean the rows of one partition."""
    raw = inputs.frame("collect")
    timezone = inputs.section(PartitionSettings).timezone
    found = clean(raw, inputs.section(Columns), settings, timezone)
    return Output(
        tables={MAIN: found.rows, "rejected": found.rejected},
        rows_in=raw.height,
        rows_kept=found.rows.height,
        summary={
            "distinct_texts": found.rows.filter("has_text").get_column("text").n_unique(),
            "unreadable_numbers": found.unreadable,
        },
    )


def clean(raw: pl.DataFrame, columns: Columns, settings: CleanSettings, timezone: str) -> Cleaned:
    """Clean the raw rows of a partition.

    Args:
        raw: Rows by the contract `raw`.
        columns: Roles of the columns.
        settings: How cells are cleaned.
        timezone: Zone of times that state none.
    """
    cells = {name: _cells(raw, name, settings) for name in _used(columns, settings)}
    numbers = {name: parse_numbers(cells[name], settings.decimal) for name in columns.number}
    texts = {name: cells[name].fill_null("") for name in columns.text}
    rule, known_at = columns.label, _times(raw, columns.known_at, timezone)
    label = read_labels(cells[rule.column], rule, settings.decimal) if rule else None
    table = pl.DataFrame(
        {
            "row_id": raw.get_column("row_id"),
            "partition": raw.get_column("partition"),
            "event_time": _times(raw, columns.time, timezone),
            "known_at": known_at,
            "text": _joined(texts, raw.height, settings),
            "label": pl.Series([None] * raw.height, dtype=pl.String) if label is None else label,
            **({"group": cells[columns.group]} if columns.group else {}),
            **({"split": read_splits(cells[columns.split])} if columns.split else {}),
            **{TEXT + name: values for name, values in texts.items()},
            **{CATEGORY + name: cells[name] for name in columns.category},
            **{NUMBER + name: values for name, values in numbers.items()},
        }
    ).with_columns(has_text=pl.col("text") != "")
    if rule and label is not None and rule.kind == "number":
        numbers[rule.column] = label
    # Cells that hold something that was not read as a number.
    unread = {name: cells[name].is_not_null() & read.is_null() for name, read in numbers.items()}
    rules = [*_rules(raw, cells, unread, settings), *_known_at_rule(raw, columns, known_at)]
    kept, rejected = _apply(rules, raw)
    counts = {name: int(mask.sum()) for name, mask in unread.items()}
    return Cleaned(mark_duplicates(table.filter(kept)), rejected, counts)


def _used(columns: Columns, settings: CleanSettings) -> list[str]:
    label = columns.label and columns.label.column
    others = [name for name in (label, columns.group, columns.split) if name]
    return list(dict.fromkeys([*columns.mined, *others, *settings.required]))


def _cells(raw: pl.DataFrame, name: str, settings: CleanSettings) -> pl.Series:
    """A column as cleaned text, empty cells as null; a column that the rows lack is all null."""
    if stored_name(name) not in raw.columns:
        return pl.Series(name, [None] * raw.height, dtype=pl.String)
    return clean_cells(raw.get_column(stored_name(name)), settings).alias(name)


def _joined(texts: dict[str, pl.Series], rows: int, settings: CleanSettings) -> pl.Series:
    parts = zip(*texts.values(), strict=True) if texts else [()] * rows
    return pl.Series("text", [settings.joiner.join(filter(None, p)) for p in parts], pl.String)


def _times(raw: pl.DataFrame, column: TimeColumn | None, timezone: str) -> pl.Series:
    if column is None or stored_name(column.column) not in raw.columns:
        return pl.Series([None] * raw.height, dtype=UTC_TIME)
    return parse_times(raw.get_column(stored_name(column.column)), column, timezone)


def _rules(
    raw: pl.DataFrame,
    cells: dict[str, pl.Series],
    unread: dict[str, pl.Series],
    settings: CleanSettings,
) -> list[Rule]:
    """The rules about cells, in order."""
    own = raw.drop(RAW.columns)
    blank = (pl.col(pl.String).str.strip_chars() == "").fill_null(value=True)
    empty = own.select(pl.all_horizontal(blank, (~cs.string()).is_null())).to_series()
    rules = [("empty_row", "every cell is empty", empty)]
    rules += [
        ("required_missing", f"column {name!r} is empty", cells[name].is_null())
        for name in settings.required
    ]
    refused = unread if settings.invalid_number == "reject" else {}
    rules += [("invalid_number", f"column {n!r} holds no number", m) for n, m in refused.items()]
    return rules


def _known_at_rule(raw: pl.DataFrame, columns: Columns, known_at: pl.Series) -> list[Rule]:
    """A row whose `known_at` is there but cannot be read could be from the future."""
    column = columns.known_at
    if column is None or stored_name(column.column) not in raw.columns:
        return []
    stated = raw.get_column(stored_name(column.column)).is_not_null()
    reason = f"no format of known_at reads column {column.column!r}"
    return [("known_at_unreadable", reason, stated & known_at.is_null())]


def _apply(rules: list[Rule], raw: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """A mask of the rows that break no rule, and the others under the first one they break."""
    kept = pl.Series([True] * raw.height, dtype=pl.Boolean)
    ids, own = raw.get_column("row_id"), raw.drop(RAW.columns)
    rejected = []
    for rule, reason, mask in rules:
        rejected += rejections(ids, own, kept & mask, ("clean", rule, reason))
        kept = kept & ~mask
    return kept, rejected_rows(rejected)
