"""The label of any rows: its classes, the rate that the report follows, the mean of a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.report.words import amount, cut, finite, percent
from fusemine.tasks.stats.intervals import wilson

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs


@dataclass(frozen=True)
class Rate:
    """A label's rate among some rows: a share or None, its text, and its interval."""

    share: float | None = None
    words: str = ""
    bounds: str = ""


def is_number(inputs: ReportInputs) -> bool:
    """Whether the label is a number, as the classifier's summary or the settings state."""
    kind: object = (inputs.summary("classify") or {}).get("kind")
    if kind is None:
        kind = inputs.settings
        for name in ("columns", "label", "kind"):
            kind = kind.get(name) if isinstance(kind, Mapping) else None
    return kind == "number"


def positive(inputs: ReportInputs) -> str | None:
    """The class whose rate the report follows; None of several classes or of numbers."""
    named = (inputs.summary("classify") or {}).get("positive")
    if named:
        return str(named)
    found = set(inputs.clean["label"].drop_nulls().unique())
    return "positive" if found and found <= {"positive", "negative"} else None


def rate_name(inputs: ReportInputs) -> str:
    """What the followed rate is the share of, in the user's words where there are any."""
    if is_number(inputs):
        return f"mean of {cut(inputs.label_name or 'the label', 50)}"
    followed = positive(inputs)
    if followed is None:
        return "most frequent label"
    return cut(inputs.label_name or f"labelled {followed}", 60)


def classes(labels: pl.Series) -> list[tuple[str, int]]:
    """The label's classes and their rows, most frequent first."""
    counts = labels.drop_nulls().rename("label").value_counts()
    order = counts.sort(["count", "label"], descending=[True, False])
    return [(str(name), int(rows)) for name, rows in order.iter_rows()]


def numbers(labels: pl.Series) -> pl.Series:
    """The finite numbers among labels, which the clean table holds as text."""
    values = labels.cast(pl.Float64, strict=False).drop_nulls()
    return values.filter(values.is_finite())


def mean(labels: pl.Series) -> float | None:
    """The mean of a label that is a number."""
    return finite(numbers(labels).mean())


def rate(rows: pl.DataFrame, followed: str | None) -> float | None:
    """The share of the labelled rows that have the followed class."""
    labelled = rows.height - rows["label"].null_count()
    if followed is None or not labelled:
        return None
    return int((rows["label"] == followed).sum()) / labelled


def label_rate(rows: pl.DataFrame, followed: str | None) -> Rate:
    """The rate of the followed class, or of the most frequent class where none is followed."""
    found = classes(rows["label"])
    if not found:
        return Rate()
    total = sum(n for _, n in found)
    name, hits = (followed, dict(found).get(followed, 0)) if followed is not None else found[0]
    (low,), (high,) = wilson(np.array([hits]), np.array([total]))
    text, bounds = percent(hits / total), f"{percent(float(low))} to {percent(float(high))}"
    if followed is not None:
        return Rate(hits / total, text, bounds)
    return Rate(None, f"{cut(name, 40)} {text}", bounds)


def label_mean(rows: pl.DataFrame) -> Rate:
    """The mean of a label that is a number, with 1.96 standard errors on either side."""
    values = numbers(rows["label"])
    mean, spread = finite(values.mean()), finite(values.std())
    if mean is None:
        return Rate()
    error = 1.96 * (spread or 0.0) / math.sqrt(values.len())
    ends = f"{amount(mean - error, fixed=True)} to {amount(mean + error, fixed=True)}"
    return Rate(None, amount(mean, fixed=True), ends if error else "")
