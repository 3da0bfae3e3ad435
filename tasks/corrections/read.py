"""Reading corrected labels, and matching them with the rows that they are about."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from fusemine.tasks.clean.cells import NEGATIVE, POSITIVE, clean_cells, number_text
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.core.errors import SettingsError, SourceError, nearest, quote
from fusemine.tasks.core.key import digest
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.artifact import MAIN, column_names, locate
from fusemine.tasks.corrections.apply import Corrections
from fusemine.tasks.sources.files import FilesSettings, read_file
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.escaping import unescape
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusemine.tasks.core.request import Context, Sections
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.table.roles import LabelRule

PLACE = "columns.label.corrections"
ROW, CORRECTED = "row_id", "corrected"
_SEPARATORS = ",;\t"

Table: TypeAlias = Iterable[tuple[str, pl.DataFrame]]
"""Partitions with their raw rows, of which `row_id` and the label's column are enough."""


@dataclass(frozen=True)
class CorrectionsFile:
    """The content of a file of corrections.

    Args:
        name: Name of the file.
        rows: Row id and corrected label, as the file has them; none of them is empty.
        escaped: Whether ids may have the mark of `fusemine.tasks.table.escaping` in front.
    """

    name: str
    rows: Sequence[tuple[str, str]]
    escaped: bool


@dataclass(frozen=True)
class MatchedCorrections:
    """Corrections by the partitions that hold their rows; `unknown` are in none."""

    partitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: int = 0

    def of(self, partitions: Iterable[str]) -> Corrections:
        """Those that concern a window of some partitions."""
        found = (self.partitions.get(partition, {}) for partition in partitions)
        labels = {row: label for part in found for row, label in part.items()}
        return Corrections(labels, self.unknown)


def provide(context: Context, partitions: tuple[str, ...]) -> Resource:
    """The corrected labels that concern some partitions; their file is read once.

    They are matched with all partitions, and not these alone: a class that came later, or a row of
    another window, is no mistake. The key holds no row id or label.

    Raises:
        SettingsError: Their file is not there or cannot be used, or one of them is no label.
    """
    matched: MatchedCorrections = context.once("corrections", lambda: _match(context))
    found = matched.of(partitions)
    return Resource(found, digest([sorted(found.labels.items())]))


def load_corrections(sections: Sections, base: Path) -> tuple[CorrectionsFile, LabelRule] | None:
    """The corrections that a pipeline names, with the rule of their label, if it names any.

    Args:
        sections: The pipeline's settings.
        base: Folder of the pipeline.yaml.

    Raises:
        SettingsError: Their file is not there, or cannot be used.
    """
    rule = sections.section(Columns).label
    if rule is None or rule.corrections is None:
        return None
    return read_corrections(base / rule.corrections, sections.section(CleanSettings)), rule


def _match(context: Context) -> MatchedCorrections:
    found = load_corrections(context.pipeline, context.base)
    if found is None:
        return MatchedCorrections()
    file, rule = found
    raw = {key: ref for key, ref in context.raw.items() if ref is not None}
    whole = len(raw) == len(context.raw)
    cleaning = context.pipeline.section(CleanSettings)
    return match_corrections(file, _labels_of(raw, rule), rule, cleaning, whole)


def _labels_of(
    raw: Mapping[str, ArtifactRef], rule: LabelRule
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The row ids and labels of the raw rows, one partition at a time."""
    wanted = ("row_id", stored_name(rule.column))
    for partition, ref in raw.items():
        columns = [name for name in column_names(ref) if name in wanted]
        yield partition, pl.read_parquet(locate(ref, f"{MAIN}.parquet"), columns=columns)


def read_corrections(path: Path, settings: CleanSettings) -> CorrectionsFile:
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
    ids, labels = as_text(frame[ROW]), clean_cells(frame[CORRECTED], settings)
    if (ids.is_null() & labels.is_not_null()).any():
        raise _refused(f"file {path.name!r} with a correction of no row", "fill in its row_id")
    found = pl.DataFrame({ROW: ids, CORRECTED: labels}).drop_nulls()
    return CorrectionsFile(path.name, found.rows(), path.suffix == ".csv")


def match_corrections(
    file: CorrectionsFile, table: Table, rule: LabelRule, settings: CleanSettings, whole: bool
) -> MatchedCorrections:
    """Find the rows that corrections are about, and check that each gives a label.

    Args:
        file: The corrections.
        table: The partitions of the table.
        rule: Where the label comes from.
        settings: How its cells are cleaned.
        whole: Whether these are all partitions; classes are checked only then, where they come
            from the table.

    Raises:
        SettingsError: A correction is no label, or two for one row contradict each other.
    """
    wanted = {name for row, _ in file.rows for name in (row, unescape(row))}
    held: dict[str, set[str]] = {}
    classes: set[str] = set()
    for partition, rows in table:
        held[partition] = wanted.intersection(rows[ROW])
        classes |= _classes(rows, rule, settings)
    binary = rule.positive is not None
    labels = _labels(file, rule, classes if whole or binary else None)
    known = set().union(*held.values())
    named = _by_row(file, labels, known)
    parts = {
        partition: {row: named[row] for row in sorted(rows & named.keys())}
        for partition, rows in held.items()
    }
    return MatchedCorrections(parts, len(named.keys() - known))


def _classes(rows: pl.DataFrame, rule: LabelRule, settings: CleanSettings) -> set[str]:
    """The classes that a correction may name; a binary label has two, whatever the rows hold."""
    name = stored_name(rule.column)
    if rule.positive is not None:
        return {POSITIVE, NEGATIVE}
    if rule.kind == "number" or name not in rows.columns:
        return set()
    return set(clean_cells(rows[name], settings).drop_nulls())


def _labels(file: CorrectionsFile, rule: LabelRule, classes: set[str] | None) -> list[str]:
    """The label that each correction gives.

    Raises:
        SettingsError: One gives none.
    """

    def label_of(text: str) -> str | None:
        if rule.kind == "number":
            return _number(text)
        return text if classes is None or text in classes else None

    labels = [label_of(text) or label_of(unescape(text)) for _, text in file.rows]
    wrong = [pair for pair, label in zip(file.rows, labels, strict=True) if label is None]
    if wrong:
        raise _no_label(file, wrong, rule, sorted(classes or [])[:20])
    return [label for label in labels if label is not None]


def _number(text: str) -> str | None:
    """As the export writes numbers: with a decimal point, whatever the table's own have."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number_text(number) if isfinite(number) else None


def _by_row(file: CorrectionsFile, labels: list[str], known: set[str]) -> dict[str, str]:
    """The label by the id that the table has.

    Raises:
        SettingsError: Two corrections of one row contradict each other.
    """
    named: dict[str, str] = {}
    for (written, _), label in zip(file.rows, labels, strict=True):
        plain = unescape(written)
        row = plain if file.escaped and plain in known else written
        if named.setdefault(row, label) != label:
            both = f"'{quote(named[row])}' and as '{quote(label)}'"
            got = f"row '{quote(row)}' of {file.name} as {both}"
            raise _refused(got, "leave one of the two")
    return named


def _no_label(
    file: CorrectionsFile, wrong: list[tuple[str, str]], rule: LabelRule, classes: list[str]
) -> SettingsError:
    row, text = wrong[0]
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    what, expected = f"is no class of {rule.column!r}", "a class that the table has; it has none"
    if rule.kind == "number":
        what, expected = "is no number", "a number with a decimal point such as 12.5"
    elif classes:
        expected = f"one of {', '.join(map(quote, classes))}"
    return SettingsError(
        got=f"{PLACE}: '{quote(text)}' for row '{quote(row)}' in {file.name}, which {what}{more}",
        expected=expected,
        fix=f"{nearest(text, classes)}correct it, or leave the cell empty to keep the label",
    )


def _frame(path: Path) -> pl.DataFrame:
    """The file's records as text, or with their types where the form keeps them.

    Raises:
        SettingsError: It is not there, or it is not what its name says.
    """
    if not path.is_file():
        files = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, files)
        raise _refused(f"{path}, where no file is", f"{hint}put it there or correct {PLACE}")
    if path.suffix not in {".csv", ".parquet"}:
        raise _refused(f"file {path.name!r}, whose name shows no form", "save it as .csv")
    try:
        separator = _separator(path) if path.suffix == ".csv" else None
        settings = FilesSettings(path=path.name, separator=separator)
        file = read_file(path, settings, path.parent)
    except (SourceError, OSError) as error:
        got = error.got if isinstance(error, SourceError) else f"{path}: {error.strerror}"
        raise _refused(got, "save it as CSV in UTF-8, or export it again") from error
    if file.malformed:
        first = file.malformed[0].reason
        raise _refused(f"file {path.name!r}, {first}", "save it as CSV in UTF-8, or correct that")
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
