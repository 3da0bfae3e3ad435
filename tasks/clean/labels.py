"""The label of a row: a class, or a number as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.clean.numbers import parse_numbers

if TYPE_CHECKING:
    from fusemine.tasks.table.roles import LabelRule

POSITIVE, NEGATIVE = "positive", "negative"


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
    if rule.positive == "present":
        return _classes(cells.is_not_null())
    return _classes(cells.is_in(list(rule.positive)))


def number_text(number: float | None) -> str | None:
    """A number as the shortest text that gives it back, with a decimal point; None stays None."""
    # Adding zero makes a negative zero the other one, so that one number is one text.
    return None if number is None else repr(number + 0.0)


def _classes(positive: pl.Series) -> pl.Series:
    """A Boolean column as class names; null stays null."""
    return positive.replace_strict([True, False], [POSITIVE, NEGATIVE], return_dtype=pl.String)
