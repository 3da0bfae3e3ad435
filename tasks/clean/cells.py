"""What cells mean: cleaned text, labels, the split of a row; and which rows are duplicates."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.table.cells import as_text, parse_numbers

if TYPE_CHECKING:
    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.table.roles import LabelRule

# An ampersand escaped any number of times, resolved at once.
_ESCAPED = re.compile(r"&(?:(?:amp|AMP|#38|#x26);)+")
_SPACES = re.compile(r"\s+")
# Control and invisible formatting characters, but for the joiners that scripts and emojis need.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

POSITIVE, NEGATIVE = "positive", "negative"
"""The two classes of a label that a rule makes."""
TRAIN, TEST = "train", "test"
"""The two parts of a table that names its test rows itself."""
_SPLITS = {
    **dict.fromkeys(("train", "training", "learn", "learning"), TRAIN),
    **dict.fromkeys(("test", "testing", "holdout", "heldout", "validation", "valid", "val"), TEST),
}
# Two rows that differ only here are duplicates: a copy under another id, group or split would
# still give away the label of the first.
_NOT_COMPARED = frozenset({"row_id", "known_at", "has_text", "group", "split", "duplicate_of"})


def clean_text(text: str) -> str:
    """Resolve HTML entities, drop invisible characters, normalise to NFC and single spaces.

    Applying it again changes nothing; entities that were escaped twice are resolved twice.

    >>> clean_text("  birds &amp;amp; bats ")
    'birds & bats'
    """
    while (once := _clean_once(text)) != text:
        text = once
    return text


def _clean_once(text: str) -> str:
    if "&" in text:
        text = html.unescape(_ESCAPED.sub("&", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()


def clean_cells(values: pl.Series, settings: CleanSettings) -> pl.Series:
    """Cells as cleaned text, cut at the settings' length; those that mean nothing become null."""
    texts = as_text(values)
    distinct = texts.drop_nulls().unique(maintain_order=True)
    nothing = {"", *settings.null_values}
    cleaned = [clean_text(value[: settings.max_characters]) for value in distinct]
    mapped = [None if value in nothing else value for value in cleaned]
    return texts.replace_strict(
        distinct, pl.Series(mapped, dtype=pl.String), default=None, return_dtype=pl.String
    )


def read_labels(cells: pl.Series, rule: LabelRule, decimal: str) -> pl.Series:
    """The labels that some cells give by a rule; null where there is none.

    Args:
        cells: The label's column as cleaned text, or null.
        rule: Where the label comes from.
        decimal: The decimal mark of numbers.
    """
    if rule.kind == "number":
        texts = map(number_text, parse_numbers(cells, decimal))
        return pl.Series(cells.name, texts, dtype=pl.String)
    if rule.positive is None:
        return cells
    present = rule.positive == "present"
    positive = cells.is_not_null() if present else cells.is_in(list(rule.positive))
    return positive.replace_strict([True, False], [POSITIVE, NEGATIVE], return_dtype=pl.String)


def number_text(number: float | None) -> str | None:
    """A number as the shortest text that gives it back, with a decimal point; None stays None."""
    # Adding zero makes a negative zero the other one, so that one number is one text.
    return None if number is None else repr(number + 0.0)


def read_splits(cells: pl.Series) -> pl.Series:
    """`train` or `test` for the words that mean them, in upper or lower case.

    For `train` these are train, training, learn and learning; for `test` they are test, testing,
    holdout, held out, validation, valid and val; spaces, hyphens and underscores do not count.
    Any other word stays as it is, so that messages can show it; such a row, and one with an empty
    cell, is in neither part.

    Args:
        cells: Cleaned text, or null.
    """
    words = cells.str.to_lowercase().str.replace_all(r"[\s_-]", "")
    return words.replace_strict(_SPLITS, default=cells)


def mark_duplicates(table: pl.DataFrame) -> pl.DataFrame:
    """Name for each row the first one of its partition that is like it, null for that one itself.

    Rows are alike if time, texts, categories, numbers and label are.

    Args:
        table: Rows by the contract `clean`, with or without `duplicate_of`.
    """
    alike = [name for name in table.columns if name not in _NOT_COMPARED]
    first = pl.col("row_id").first().over(alike)
    return table.with_columns(duplicate_of=pl.when(first != pl.col("row_id")).then(first))
