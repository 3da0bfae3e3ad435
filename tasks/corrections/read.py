"""Reading corrected labels, and holding them against the table that they are about."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from fusemine.tasks.clean.cells import NEGATIVE, POSITIVE, clean_cells, number_text
from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.core.errors import SettingsError, SourceError, nearest, quote
from fusemine.tasks.corrections.apply import Corrections
from fusemine.tasks.sources.files import FilesSettings, read_file
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.escaping import unescape

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.table.roles import LabelRule

PLACE = "columns.label.corrections"
ROW, CORRECTED = "row_id", "corrected"
_SEPARATORS = ",;\t"

Table: TypeAlias = Iterable[tuple[str, pl.DataFrame]]
"""Partitions with their raw rows, of which `row_id` and the label's column are enough."""


@dataclass(frozen=True)
class Given:
    """What a file of corrections says.

    Args:
        name: Name of the file.
        rows: Row id and corrected label, as they stand there; none of them is empty.
        escaped: Whether ids may have the mark of `fusemine.tasks.table.escaping` in front.
    """

    name: str
    rows: Sequence[tuple[str, str]]
    escaped: bool


@dataclass(frozen=True)
class Settled:
    """Corrections by the partitions that hold their rows; `unknown` are in none."""

    partitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: int = 0

    def of(self, partitions: Iterable[str]) -> Corrections:
        """Those that concern a window of some partitions."""
        found = (self.partitions.get(partition, {}) for partition in partitions)
        labels = {row: label for part in found for row, label in part.items()}
        return Corrections(labels, self.unknown)


def read_given(path: Path, settings: CleanSettings) -> Given:
    """Read a file of corrections.

    CSV may be separated by commas, semicolons or tabs, as spreadsheets save it.

    Args:
        path: A `.csv` or `.parquet` file with the columns `row_id` and `corrected`, among others.
        settings: How cells are cleaned.

    Raises:
        SettingsError: It is not there, cannot be read, or has not these columns.
    """
    frame = _frame(path)
    for name in (ROW, CORRECTED):
        if name not in frame.columns:
            hint = nearest(name, frame.columns)
            raise _refused(f"file {path.name!r} without a column {name!r}", f"{hint}name it so")
    ids, words = as_text(frame[ROW]), clean_cells(frame[CORRECTED], settings)
    if (ids.is_null() & words.is_not_null()).any():
        raise _refused(f"file {path.name!r} with a correction of no row", "fill in its row_id")
    said = pl.DataFrame({ROW: ids, CORRECTED: words}).drop_nulls()
    return Given(path.name, said.rows(), path.suffix == ".csv")


def settle(
    given: Given, table: Table, rule: LabelRule, settings: CleanSettings, whole: bool
) -> Settled:
    """Find the rows that corrections are about, and check that each gives a label.

    Args:
        given: The corrections.
        table: The partitions of the table.
        rule: Where the label comes from.
        settings: How its cells are cleaned.
        whole: Whether these are all partitions; classes are checked only then, where they come
            from the table.

    Raises:
        SettingsError: A correction is no label, or two for one row contradict each other.
    """
    wanted = {name for row, _ in given.rows for name in (row, unescape(row))}
    held: dict[str, set[str]] = {}
    classes: set[str] = set()
    for partition, rows in table:
        held[partition] = wanted.intersection(rows[ROW])
        classes |= _classes(rows, rule, settings)
    labels = _labels(given, rule, classes if whole or _is_binary(rule) else None)
    known = set().union(*held.values())
    named = _named(given, labels, known)
    parts = {
        partition: {row: named[row] for row in sorted(rows & named.keys())}
        for partition, rows in held.items()
    }
    return Settled(parts, len(named.keys() - known))


def _is_binary(rule: LabelRule) -> bool:
    return rule.positive is not None


def _classes(rows: pl.DataFrame, rule: LabelRule, settings: CleanSettings) -> set[str]:
    """The classes that a correction may name; a binary label has two, whatever the rows say."""
    name = stored_name(rule.column)
    if _is_binary(rule):
        return {POSITIVE, NEGATIVE}
    if rule.kind == "number" or name not in rows.columns:
        return set()
    return set(clean_cells(rows[name], settings).drop_nulls())


def _labels(given: Given, rule: LabelRule, classes: set[str] | None) -> list[str]:
    """The label that each correction gives.

    Raises:
        SettingsError: One gives none.
    """
    read = _number if rule.kind == "number" else partial(_class, classes)
    labels = [read(word) or read(unescape(word)) for _, word in given.rows]
    wrong = [pair for pair, label in zip(given.rows, labels, strict=True) if label is None]
    if wrong:
        raise _no_label(given, wrong, rule, classes or set())
    return [label for label in labels if label is not None]


def _number(word: str) -> str | None:
    """As the export writes numbers: with a decimal point, whatever the table's own have."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number_text(number) if isfinite(number) else None


def _class(classes: set[str] | None, word: str) -> str | None:
    return word if classes is None or word in classes else None


def _named(given: Given, labels: list[str], known: set[str]) -> dict[str, str]:
    """The label by the id that the table has.

    Raises:
        SettingsError: Two corrections of one row contradict each other.
    """
    named: dict[str, str] = {}
    for (written, _), label in zip(given.rows, labels, strict=True):
        plain = unescape(written)
        row = plain if given.escaped and plain in known else written
        if named.setdefault(row, label) != label:
            said = f"'{quote(named[row])}' and as '{quote(label)}'"
            what = f"row '{quote(row)}' of {given.name} as {said}"
            raise _refused(what, "leave one of the two")
    return named


def _no_label(
    given: Given, wrong: list[tuple[str, str]], rule: LabelRule, classes: set[str]
) -> SettingsError:
    row, word = wrong[0]
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    number = rule.kind == "number"
    what = "is no number" if number else f"is no class of {rule.column!r}"
    some = sorted(classes)[:20]
    return SettingsError(
        got=f"{PLACE}: '{quote(word)}' for row '{quote(row)}' in {given.name}, which {what}{more}",
        expected="a number with a decimal point such as 12.5" if number else _one_of(some),
        fix=f"{nearest(word, some)}correct it, or leave the cell empty to keep the label",
    )


def _one_of(classes: list[str]) -> str:
    return (
        f"one of {', '.join(map(quote, classes))}"
        if classes
        else "a class that the table has; it has none"
    )


def _frame(path: Path) -> pl.DataFrame:
    """The file's records as text, or with their types where the form keeps them.

    Raises:
        SettingsError: It is not there, or it is not what its name says.
    """
    if not path.is_file():
        there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, there)
        raise _refused(f"{path}, where no file is", f"{hint}put it there or correct {PLACE}")
    if path.suffix not in {".csv", ".parquet"}:
        raise _refused(f"file {path.name!r}, whose name tells no form", "save it as .csv")
    try:
        mark = _separator(path) if path.suffix == ".csv" else None
        settings = FilesSettings(path=path.name, separator=mark)
        file = read_file(path, settings, path.parent)
    except (SourceError, OSError) as error:
        got = error.got if isinstance(error, SourceError) else f"{path}: {error.strerror}"
        raise _refused(got, "save it as CSV in UTF-8, or export it anew") from error
    if file.malformed:
        first = file.malformed[0].reason
        raise _refused(f"file {path.name!r}, {first}", "save it as CSV in UTF-8, or mend that")
    return file.frame


def _separator(path: Path) -> str | None:
    """The separator under which a CSV file's first line names our columns; None by default."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(65_536)
    for mark in _SEPARATORS:
        if {ROW, CORRECTED} <= set(next(csv.reader([line], delimiter=mark), [])):
            return mark
    return None


def _refused(got: str, fix: str) -> SettingsError:
    return SettingsError(
        got=f"{PLACE}: {got}",
        expected="a CSV or Parquet file with the columns row_id and corrected, relative to the "
        "pipeline.yaml, as `fusemine export --labels` writes it",
        fix=fix,
    )
