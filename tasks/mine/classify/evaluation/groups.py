"""Where the model is worse or its probabilities are off: the levels of categories, one by one.

A level is flagged for a gap only if it is large enough to matter, its 95 % interval excludes 0,
and it is still significant after Benjamini and Hochberg's (1995) correction for all the gaps that
were tested, so that at most about 5 % of the gaps that pass are expected to be chance. Levels are
compared with all other rows, and flagged for a share only on the side that is worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.fuse.categories import MISSING
from fusemine.tasks.mine.classify.evaluation.class_metrics import Task, measure_once
from fusemine.tasks.stats.intervals import json_number
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

Flags: TypeAlias = "NDArray[np.bool_]"
MIN_ROWS, MIN_OF_EACH, MAX_LEVELS = 20, 5, 30
"""Test rows of a level, its positive and its negative ones, and the levels of a column."""
ERROR_RATE = 0.05
SHARE_GAP, CALIBRATION_GAP, MEAN_GAP = 0.1, 0.05, 0.2
"""The least gaps that matter: of a share to that of all other rows, of probabilities to the share
that came true, and of a mean error to 0, in standard deviations of the true numbers."""


@dataclass(frozen=True)
class _Gap:
    """One gap of one level, and how sure it is."""

    name: str
    value: float
    interval: tuple[float, float]
    p_value: float
    """Of no gap."""
    least: float
    """The size from which on it matters."""
    sentence: str
    bad_sign: int = 0
    """The sign that is worse than elsewhere; 0 if both are bad."""

    @property
    def matters(self) -> bool:
        """Whether it is bad, large enough, and its interval excludes 0."""
        low, high = self.interval
        size = self.value * self.bad_sign if self.bad_sign else abs(self.value)
        return size >= self.least and not low <= 0 <= high

    def to_json(self) -> dict[str, Any]:
        """The gap and its interval."""
        bounds = [json_number(bound) for bound in self.interval]
        return {self.name: json_number(self.value), f"{self.name}_interval": bounds}


@dataclass(frozen=True)
class _Level:
    column: str
    figures: dict[str, Any]
    gaps: list[_Gap]


def metrics_by_group(
    clean: pl.DataFrame, columns: Sequence[str], task: Task | Floats, predicted: Floats
) -> list[dict[str, Any]]:
    """How good predictions are on each level of some category columns, JSON-ready.

    Levels of fewer than 20 test rows are left out, with a positive class also those of fewer than
    5 positive or 5 negative ones, and of those that remain all but the 30 of most rows.

    Args:
        clean: The n test rows of the clean table.
        columns: Category columns, without the prefix; null is a level of its own.
        task: The true classes (n,) and the threshold, or the true numbers (n,).
        predicted: Probabilities (n, classes), or predicted numbers (n,) or (n, 1).

    Returns:
        For each column `column`, `skipped` (a reason or None), `levels`, most rows first, and how
        many `levels` and `rows` are `left_out`. Each level has `level`, `rows`, `flagged`, `why`
        (sentences or None) and figures; gaps, differences and mean errors have a 95 % interval
        as `<figure>_interval`:

        - with a positive class: `calibration_gap` (mean probability less the share of positive
          rows), `recall_difference` and `false_positive_rate_difference` (to all other rows; not
          there if there are none to compare with), `recall`, `false_positive_rate`,
          `average_precision`, `base_rate`;
        - otherwise: `calibration_gap` (mean probability of the likeliest class less the share of
          rows that are of it), `accuracy_difference`, `accuracy`, `average_precision`;
        - of numbers: `mean_error` (predicted less true), `rmse`.
    """
    # The gaps of all columns are collected first, because the correction is over all of them.
    results, found = [], []
    for column in dict.fromkeys(columns):
        names, levels = _levels(clean, column, task)
        found += [_level(column, name, mask, task, predicted) for name, mask in levels]
        kept = sum(int(np.count_nonzero(mask)) for _, mask in levels)
        result = {
            "column": column,
            "skipped": None if levels else _why_not(clean, column),
            "left_out": {"levels": names - len(levels), "rows": clean.height - kept},
        }
        results.append(result)
    flagged = list(zip(found, _flags(found), strict=True))
    return [
        {**r, "levels": [{**f.figures, **flag} for f, flag in flagged if f.column == r["column"]]}
        for r in results
    ]


def _levels(
    clean: pl.DataFrame, column: str, task: Task | Floats
) -> tuple[int, list[tuple[str, Flags]]]:
    """How many levels there are, and those that are compared, with their rows (n,)."""
    if CATEGORY + column not in clean.columns:
        return 0, []
    values = clean[CATEGORY + column].fill_null(MISSING)
    # Ties are broken by name, so that the choice does not depend on the order of the rows.
    counts = values.value_counts(name="rows").sort(["rows", values.name], descending=[True, False])
    large = counts.filter(pl.col("rows") >= MIN_ROWS)[values.name]
    levels = [(name, (values == name).to_numpy()) for name in large]
    return len(counts), [pair for pair in levels if _has_both(task, pair[1])][:MAX_LEVELS]


def _has_both(task: Task | Floats, mask: Flags) -> bool:
    """Whether a level has enough positive and negative rows, where there are such."""
    if not isinstance(task, Task) or task.positive is None:
        return True
    positive = np.count_nonzero(task.truth[mask] == task.positive)
    return bool(MIN_OF_EACH <= positive <= np.count_nonzero(mask) - MIN_OF_EACH)


def _why_not(clean: pl.DataFrame, column: str) -> str:
    if CATEGORY + column not in clean.columns:
        return f"there is no category column {column!r}"
    return (
        f"no level has {MIN_ROWS} test rows (with a positive class, {MIN_OF_EACH} positive "
        f"and {MIN_OF_EACH} negative ones among them)"
    )


def _flags(found: list[_Level]) -> list[dict[str, Any]]:
    """For each level whether it is flagged, and why."""
    from scipy.stats import false_discovery_control

    # Testing many gaps finds some by chance alone, which the correction allows for.
    p_values = [gap.p_value for level in found for gap in level.gaps]
    significant = iter(false_discovery_control(p_values) <= ERROR_RATE if p_values else [])
    flags = []
    for level in found:
        # Every gap takes its own result, so `next` comes first.
        why = [gap.sentence for gap in level.gaps if next(significant) and gap.matters]
        flags.append({"flagged": bool(why), "why": " ".join(why) or None})
    return flags


def _level(column: str, name: str, mask: Flags, task: Task | Floats, predicted: Floats) -> _Level:
    if isinstance(task, Task):
        figures, gaps = _of_classes(mask, task, predicted)
    else:
        figures, gaps = _of_numbers(mask, task, predicted.reshape(len(task)))
    for gap in gaps:
        figures |= gap.to_json()
    return _Level(column, {"level": name, "rows": int(np.count_nonzero(mask)), **figures}, gaps)


def _of_numbers(mask: Flags, truth: Floats, predicted: Floats) -> tuple[dict[str, Any], list[_Gap]]:
    errors = (predicted - truth)[mask]
    mean = float(errors.mean())
    sentence = f"Predictions are {abs(mean):.4g} too {'high' if mean > 0 else 'low'} on average."
    gap = _gap_of_mean("mean_error", errors, MEAN_GAP * float(truth.std()), sentence)
    return {"rmse": json_number(np.sqrt(np.square(errors).mean()))}, [gap]


def _of_classes(mask: Flags, task: Task, predicted: Floats) -> tuple[dict[str, Any], list[_Gap]]:
    # The level is measured as if it were the whole test set, by the same threshold.
    part = Task(task.truth[mask], task.classes, task.positive, task.threshold)
    confidence, true = part.confidences(predicted[mask])
    figures = {} if task.positive is None else {"base_rate": json_number(true.mean())}
    ranking = measure_once(part, predicted[mask])["average_precision"]
    figures["average_precision"] = json_number(ranking)
    means = f"{confidence.mean():.1%} on average, and {true.mean():.1%} come true"
    errors, sentence = confidence - true, f"Probabilities are {means}."
    gaps = [_gap_of_mean("calibration_gap", errors, CALIBRATION_GAP, sentence)]
    for share in _shares(task, predicted):
        hits, rows = share.counts(mask)
        figures[share.name] = json_number(hits / rows)
        gaps += share.gap(mask)
    return figures, gaps


@dataclass(frozen=True)
class _Share:
    """A share of some rows that can be compared between levels."""

    name: str
    bad_sign: int
    words: str
    among: Flags
    """The rows that it is a share of (n,)."""
    hits: Flags
    """The rows that count (n,)."""

    def counts(self, mask: Flags) -> tuple[int, int]:
        """Of the rows under a mask those that count, and all."""
        among = self.among & mask
        return int(np.count_nonzero(self.hits & among)), int(np.count_nonzero(among))

    def gap(self, mask: Flags) -> list[_Gap]:
        """The difference to all other rows; none if there are none.

        Its interval is made of two Wilson intervals (Newcombe 1998, method 10), its p-value that
        of Fisher's exact test.
        """
        from scipy.stats import fisher_exact

        own, others = self.counts(mask), self.counts(~mask)
        if not others[1]:
            return []
        (share, low, high), (other, other_low, other_high) = _wilson(*own), _wilson(*others)
        # The square roots of sums of squares, as for independent shares.
        down = np.hypot(share - low, other_high - other)
        up = np.hypot(high - share, other - other_low)
        p_value = fisher_exact([[hits, rows - hits] for hits, rows in (own, others)]).pvalue
        value, name = share - other, f"{self.name}_difference"
        sentence = f"{share:.1%} {self.words}, and {other:.1%} elsewhere."
        bounds = (value - float(down), value + float(up))
        return [_Gap(name, value, bounds, float(p_value), SHARE_GAP, sentence, self.bad_sign)]


def _shares(task: Task, predicted: Floats) -> list[_Share]:
    called = task.predicted(predicted)
    if task.positive is None:
        every, words = np.ones(len(called), dtype=bool), "of the rows are classified correctly"
        return [_Share("accuracy", -1, words, every, called == task.truth)]
    hits, truth = called == task.positive, task.truth == task.positive
    return [
        _Share("recall", -1, "of the positive rows are found", truth, hits),
        _Share("false_positive_rate", 1, "of the negative rows are called positive", ~truth, hits),
    ]


def _wilson(hits: int, rows: int) -> tuple[float, float, float]:
    """A share and its 95 % interval."""
    from scipy.stats import binomtest

    bounds = binomtest(hits, rows).proportion_ci(method="wilson")
    return hits / rows, float(bounds.low), float(bounds.high)


def _gap_of_mean(name: str, gaps: Floats, least: float, sentence: str) -> _Gap:
    """The mean of some rows' gaps, with Student's interval and test."""
    from scipy.stats import t

    rows, mean = len(gaps), float(gaps.mean())
    # Without any spread there is no test: the mean differs from 0 for sure, or not at all.
    error = float(gaps.std(ddof=1)) / float(np.sqrt(rows))
    reach = float(t.ppf(0.975, rows - 1)) * error
    p_value = 2 * float(t.sf(abs(mean) / error, rows - 1)) if error else float(mean == 0)
    return _Gap(name, mean, (mean - reach, mean + reach), p_value, least, sentence)
