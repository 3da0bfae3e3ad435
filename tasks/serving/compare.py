"""Tests whether a new model is not worse than the one in use, on rows that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.stats.sampling import group_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.intervals import Floats

LEAST_ROWS = 30
"""With fewer rows, or groups of rows, the difference is not tested."""
SURE = 0.95
TINY = 1e-6
"""Lower bound of a probability, so that one surprise does not make the log loss infinite."""


@dataclass(frozen=True)
class Comparison:
    """A paired test of non-inferiority, JSON-ready by `vars`.

    Attributes:
        rows: Labelled rows that neither model was trained on.
        loss: `log loss`, or `squared error` of numbers.
        champion_loss: Mean loss of the model in use.
        challenger_loss: That of the new one.
        difference: The new one's less that of the one in use; negative is better.
        interval: Two-sided 95 % interval of the difference.
        margin: How much worse still counts as not worse, in the loss's unit.
        p_value: The probability of so small a difference if the new model were worse by the
            margin; None where the losses differ by the same in all rows, as of equal models.
        not_worse: Whether the one-sided 95 % bound of the difference is below the margin.
        why_not: Why the difference was not tested; None where it was.
    """

    rows: int
    loss: str
    champion_loss: float | None = None
    challenger_loss: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    margin: float | None = None
    p_value: float | None = None
    not_worse: bool = False
    why_not: str | None = None


def losses(predictions: pl.DataFrame, labels: pl.Series, number: bool) -> Floats:
    """The loss of each of n predictions, (n,): log loss, or the squared error of a number.

    Args:
        predictions: By the contract `predictions`, n rows.
        labels: Their labels, none of them null.
        number: Whether the label is a number.
    """
    if number:
        predicted = predictions["prediction"].cast(pl.Float64).to_numpy()
        return np.asarray(np.square(predicted - labels.cast(pl.Float64).to_numpy()))
    # The predicted probability of each row's own label; 0 where the model does not know the label.
    found = np.zeros(len(labels))
    for name in predictions.columns:
        if name.startswith(PROBABILITY):
            rows = (labels == name.removeprefix(PROBABILITY)).to_numpy()
            found[rows] = predictions[name].to_numpy()[rows]
    return np.asarray(-np.log(np.maximum(found, TINY)))


def compare(
    champion: Floats, challenger: Floats, margin: float, number: bool, groups: pl.Series | None
) -> Comparison:
    """Test whether a new model is not worse than the one in use by more than a margin.

    A paired t-test of non-inferiority on the differences of the rows' losses, or on their sums by
    group where rows belong together (a ratio of means, linearised; Cochran 1977, chapter 6).

    Args:
        champion: The losses (n,) of the model in use.
        challenger: Those of the new one, of the same rows.
        margin: How much worse counts as not worse, as a share of the mean loss of the one in use.
        number: Whether the losses are squared errors.
        groups: The group of each row (n,), where there are groups.
    """
    loss, rows = "squared error" if number else "log loss", len(champion)
    units = rows if groups is None else groups.n_unique()
    if units < LEAST_ROWS:
        what = "rows" if groups is None else "groups of rows"
        why = f"only {units} labelled {what} that neither was trained on, and {LEAST_ROWS} needed"
        return Comparison(rows, loss, why_not=why)
    from scipy.stats import t

    gaps = challenger - champion
    mean, allowed = float(gaps.mean()), margin * float(champion.mean())
    error = _standard_error(gaps, groups)
    far, bound = (float(t.ppf(share, units - 1)) for share in ((1 + SURE) / 2, SURE))
    return Comparison(
        rows=rows,
        loss=loss,
        champion_loss=float(champion.mean()),
        challenger_loss=float(challenger.mean()),
        difference=mean,
        interval=(mean - far * error, mean + far * error),
        margin=allowed,
        p_value=float(t.cdf((mean - allowed) / error, units - 1)) if error > 0 else None,
        not_worse=mean <= allowed and mean + bound * error <= allowed,
    )


def _standard_error(gaps: Floats, groups: pl.Series | None) -> float:
    if groups is None:
        return float(gaps.std(ddof=1) / np.sqrt(len(gaps)))
    codes, sizes = group_codes(groups)
    sums = np.bincount(codes, weights=gaps - gaps.mean(), minlength=len(sizes))
    return float(np.sqrt(len(sizes) / (len(sizes) - 1) * np.square(sums).sum()) / len(gaps))


def describe(found: Comparison, champion: str, challenger: str) -> str:
    """The outcome in a sentence."""
    if found.why_not is not None:
        return f"{challenger} could not be compared with {champion}: {found.why_not}"
    low, high = found.interval or (0.0, 0.0)
    if low == high == 0:
        return f"{challenger} predicts the same as {champion} on {found.rows:,} rows"
    chance = "" if found.p_value is None else f", p = {found.p_value:.2g}"
    verb = "is not worse than" if found.not_worse else "was not shown to be no worse than"
    return (
        f"{challenger} {verb} {champion}: {found.loss} {found.challenger_loss:.4g} against "
        f"{found.champion_loss:.4g} on {found.rows:,} rows that neither was trained on, "
        f"difference {found.difference:+.2g} (95 % interval {low:+.2g} to {high:+.2g}), "
        f"{found.margin:.2g} allowed{chance}"
    )


def unseen(rows: pl.DataFrame, seen: pl.DataFrame) -> NDArray[np.bool_]:
    """Which of n rows, (n,), a model was not trained on, nor on a copy of them.

    Args:
        rows: The clean table of n rows.
        seen: `row_id` of the rows that it was trained on.

    >>> clean = pl.DataFrame({"row_id": ["a", "b", "c"], "duplicate_of": [None, "x", None]})
    >>> unseen(clean, pl.DataFrame({"row_id": ["a", "x"]}))
    array([False, False,  True])
    """
    ids = seen["row_id"].implode()
    own = rows["row_id"].is_in(ids)
    if "duplicate_of" in rows.columns:
        own = own | rows["duplicate_of"].is_in(ids).fill_null(value=False)
    return (~own).to_numpy()
