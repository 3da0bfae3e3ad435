"""Cleaning one partition: typed columns, one joined text, rejected rows with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from fusemine.tasks.clean.cells import clean_cells
from fusemine.tasks.clean.duplicates import mark_duplicates
from fusemine.tasks.clean.labels import read_labels
from fusemine.tasks.clean.numbers import parse_numbers
from fusemine.tasks.clean.splits import read_splits
from fusemine.tasks.collect.assign import own_name
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import removed_rows, row_json
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT
from fusemine.tasks.table.times import UTC_TIME, parse_times

if TYPE_CHECKING:
    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.table.roles import Columns, TimeColumn

OURS = list(RAW.columns)


@dataclass(frozen=True)
class Cleaned:
    """What is kept, what is rejected, and how many cells of each column could not be read."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    unreadable: dict[str, int]


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
    label = _label(cells, columns, settings, raw.height)
    table = pl.DataFrame(
        {
            "row_id": raw.get_column("row_id"),
            "partition": raw.get_column("partition"),
            "event_time": _times(raw, columns.time, timezone),
            "known_at": _times(raw, columns.known_at, timezone),
            "text": _joined(texts, raw.height, settings),
            "label": label,
            **_judging(cells, columns),
            **{TEXT + name: values for name, values in texts.items()},
            **{CATEGORY + name: cells[name] for name in columns.category},
            **{NUMBER + name: values for name, values in numbers.items()},
        }
    ).with_columns(has_text=pl.col("text") != "")
    unreadable = _unreadable(cells, numbers | _label_number(columns, label))
    rules = _rules(raw, cells, unreadable, settings)
    rules += _unknown(raw, columns.known_at, table.get_column("known_at"))
    return _split(table, raw, rules, {n: int(mask.sum()) for n, mask in unreadable.items()})


def _used(columns: Columns, settings: CleanSettings) -> list[str]:
    label = [columns.label.column] if columns.label else []
    judging = filter(None, (columns.group, columns.split))
    mined = [*columns.text, *columns.category, *columns.number]
    return list(dict.fromkeys([*mined, *label, *judging, *settings.required]))


def _cells(raw: pl.DataFrame, name: str, settings: CleanSettings) -> pl.Series:
    """A column as cleaned text, empty cells as null; a column that the rows lack is all null."""
    if own_name(name) not in raw.columns:
        return pl.Series(name, [None] * raw.height, dtype=pl.String)
    return clean_cells(raw.get_column(own_name(name)), settings).alias(name)


def _joined(texts: dict[str, pl.Series], rows: int, settings: CleanSettings) -> pl.Series:
    if not texts:
        return pl.Series("text", [""] * rows, dtype=pl.String)
    parts = zip(*texts.values(), strict=True)
    return pl.Series("text", [settings.joiner.join(filter(None, p)) for p in parts], pl.String)


def _times(raw: pl.DataFrame, column: TimeColumn | None, timezone: str) -> pl.Series:
    if column is None or own_name(column.column) not in raw.columns:
        return pl.Series([None] * raw.height, dtype=UTC_TIME)
    return parse_times(raw.get_column(own_name(column.column)), column, timezone)


def _label(
    cells: dict[str, pl.Series], columns: Columns, settings: CleanSettings, rows: int
) -> pl.Series:
    rule = columns.label
    if rule is None:
        return pl.Series([None] * rows, dtype=pl.String)
    return read_labels(cells[rule.column], rule, settings.decimal)


def _judging(cells: dict[str, pl.Series], columns: Columns) -> dict[str, pl.Series]:
    """What says how rows may be held back to judge; absent unless a column is named for it."""
    group, split = columns.group, columns.split
    return {
        **({"group": cells[group]} if group else {}),
        **({"split": read_splits(cells[split])} if split else {}),
    }


def _label_number(columns: Columns, label: pl.Series) -> dict[str, pl.Series]:
    """The label among the numbers, if it is one."""
    rule = columns.label
    return {rule.column: label} if rule is not None and rule.kind == "number" else {}


def _unreadable(cells: dict[str, pl.Series], numbers: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """Which cells of each column hold something that was not read as a number."""
    return {name: cells[name].is_not_null() & read.is_null() for name, read in numbers.items()}


def _rules(
    raw: pl.DataFrame,
    cells: dict[str, pl.Series],
    unreadable: dict[str, pl.Series],
    settings: CleanSettings,
) -> list[tuple[str, str, pl.Series]]:
    """The rules in order, each with its reason and the rows that break it."""
    own = raw.drop(OURS)
    blank = (pl.col(pl.String).str.strip_chars() == "").fill_null(value=True)
    empty = own.select(pl.all_horizontal(blank, (~cs.string()).is_null())).to_series()
    rules = [("empty_row", "every cell is empty", empty)]
    rules += [
        ("required_missing", f"column {name!r} is empty", cells[name].is_null())
        for name in settings.required
    ]
    if settings.invalid_number == "reject":
        rules += [
            ("invalid_number", f"column {name!r} holds no number", mask)
            for name, mask in unreadable.items()
        ]
    return rules


def _unknown(
    raw: pl.DataFrame, column: TimeColumn | None, known: pl.Series
) -> list[tuple[str, str, pl.Series]]:
    """A row that says when it became known, but not readably, could be from the future."""
    if column is None or own_name(column.column) not in raw.columns:
        return []
    said = raw.get_column(own_name(column.column)).is_not_null()
    reason = f"no format of known_at reads column {column.column!r}"
    return [("known_at_unreadable", reason, said & known.is_null())]


def _split(
    table: pl.DataFrame,
    raw: pl.DataFrame,
    rules: list[tuple[str, str, pl.Series]],
    unreadable: dict[str, int],
) -> Cleaned:
    kept = pl.Series([True] * table.height, dtype=pl.Boolean)
    own = raw.drop(OURS)
    rejected = []
    for rule, reason, mask in rules:
        broken = kept & mask
        kept = kept & ~mask
        rows = zip(
            table.get_column("row_id").filter(broken), row_json(own.filter(broken)), strict=True
        )
        rejected += [(row_id, "clean", rule, reason, row) for row_id, row in rows]
    return Cleaned(mark_duplicates(table.filter(kept)), removed_rows(rejected), unreadable)
