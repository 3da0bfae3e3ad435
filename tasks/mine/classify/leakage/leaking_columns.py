"""Columns that give the label away: one alone predicts it nearly for sure.

What is known only after the label, or is a copy of it, makes a model look good and be useless.
Whether a column is such a leak only a person can decide; these are the ones to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.leakage.single_feature import (
    out_of_fold,
    roc_aucs,
    score,
    uncertainty_explained,
)
from fusemine.tasks.stats.intervals import percent
from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

MIN_ROWS, MAX_ROWS = 20, 20_000
"""Fewer rows show nothing; of more, so many that are evenly spread are used."""
AREA, CERTAIN, EXPLAINED = 0.98, 0.7, 0.95
"""A column is named if its ROC-AUC reaches `AREA`, or if it takes away `CERTAIN` of the
uncertainty about the class, or if its R² reaches `EXPLAINED`: all for rows that it was not
learnt from."""
CLASS_AREA, CLASS_ROWS = 0.99, 20
"""Of three or more classes one alone may be given away: with this area, if it has the rows."""
RULE = (
    f"A column is named here if, for rows that it was not fitted on, it alone reaches a ROC-AUC "
    f"of {AREA}, or takes away {CERTAIN:.0%} of the uncertainty about the class, or tells one of "
    f"several classes from the others with a ROC-AUC of {CLASS_AREA}; or, if the label is a "
    f"number, if it reaches an R² of {EXPLAINED}."
)
ORDER = "(order of the rows)"
MAX_PREFIXES = 100
"""So many different letters beside the number in `row_id` may mean something."""
MISSING = "(missing)"


@dataclass(frozen=True)
class LeakCandidate:
    """A property of each of n rows that may give their label away."""

    column: str
    """The column, without its role, or `ORDER`."""
    kind: str
    """`category`, `number`, `missing`, `order`, `row_id` or `event_time`."""
    subject: str
    """Its name as the subject of a sentence."""
    values: NDArray[Any]
    """Numbers (n,), NaN where missing; or levels from 0 up."""
    names: tuple[str, ...] | None = None
    """The levels; None for numbers."""

    @property
    def constant(self) -> bool:
        """Whether all rows have the same value."""
        known = self.values[~np.isnan(self.values)]
        return not len(known) or (len(known) == len(self.values) and bool(np.ptp(known) == 0))


def find_leaks(
    clean: pl.DataFrame, target: Target, names: Sequence[str] = (), seed: int = 0
) -> list[dict[str, Any]]:
    """The columns by `RULE`, the surest first; none of fewer than 20 rows or of one class.

    Categories, numbers, which of their values are missing, the order of the rows, `row_id` and
    the event time are each tested alone.

    Args:
        clean: The n training rows of the clean table, all of them labelled.
        target: Their label.
        names: The classes' names.
        seed: Of the folds.

    Returns:
        JSON-ready: `column`; `kind`; `measure`, roc_auc or r2; its `score`; `certainty` of
        classes; `class`, where only that one is given away; and `why`, a sentence.
    """
    clean, target = sample_rows(clean, target)
    if clean.height < MIN_ROWS or len(np.unique(target.values)) < 2:
        return []
    found: dict[str, dict[str, Any]] = {}
    for candidate in leak_candidates(clean):
        # A column is named once. Its gaps come first: if they give it away, its values need not.
        if candidate.column not in found:
            leak = _leak(candidate, target, names, seed)
            found |= {candidate.column: leak} if leak else {}
    return sorted(found.values(), key=lambda leak: -leak["score"])


def sample_rows(clean: pl.DataFrame, target: Target) -> tuple[pl.DataFrame, Target]:
    """At most `MAX_ROWS` rows, evenly spread, and their label."""
    if clean.height <= MAX_ROWS:
        return clean, target
    chosen = evenly_spaced(clean.height, MAX_ROWS)
    return clean[chosen], target.take(chosen)


def leak_candidates(clean: pl.DataFrame) -> Iterator[LeakCandidate]:
    """Which values are missing, then the values, of each column; time, order and ids of the rows.

    Args:
        clean: n rows of the clean table.
    """
    for column in clean.columns:
        for role, of_column in ((CATEGORY, _of_category), (NUMBER, _of_numbers)):
            if column.startswith(role):
                yield from of_column(column.removeprefix(role), clean[column])
    times = clean["event_time"]
    yield _gaps("event_time", times.is_null().to_numpy())
    # Both the date and the time of day may give the label away.
    seconds = times.dt.epoch("s").cast(pl.Float64).fill_null(np.nan).to_numpy()
    yield LeakCandidate("event_time", "event_time", "The event time", seconds)
    time_of_day = np.mod(seconds, 86_400)
    yield LeakCandidate("event_time", "event_time", "The time of day", time_of_day)
    yield _gaps("text", (clean["text"].str.strip_chars() == "").to_numpy())
    order = np.arange(clean.height, dtype=np.float64)
    yield LeakCandidate(ORDER, "order", "The order of the rows", order)
    yield from _of_ids(clean["row_id"])


def _of_category(name: str, column: pl.Series) -> Iterator[LeakCandidate]:
    yield _gaps(name, column.is_null().to_numpy())
    yield _levels(name, "category", f"The category '{quote(name)}'", column)


def _of_numbers(name: str, column: pl.Series) -> Iterator[LeakCandidate]:
    values = column.cast(pl.Float64).to_numpy()
    values = np.where(np.isfinite(values), values, np.nan)
    yield _gaps(name, np.isnan(values))
    yield LeakCandidate(name, "number", f"The number '{quote(name)}'", values)


def _of_ids(ids: pl.Series) -> Iterator[LeakCandidate]:
    number = ids.str.extract(r"([0-9]{1,15})[^0-9]*$").cast(pl.Float64).fill_null(np.nan).to_numpy()
    yield LeakCandidate("row_id", "row_id", "The number in the row's id", number)
    letters = ids.str.replace_all(r"[0-9]+", "")
    if letters.n_unique() <= MAX_PREFIXES:
        yield _levels("row_id", "row_id", "What stands beside the number in the row's id", letters)


def _gaps(name: str, missing: NDArray[np.bool_]) -> LeakCandidate:
    subject = f"Whether '{quote(name)}' is empty"
    return LeakCandidate(name, "missing", subject, missing.astype(np.int64), ("there", "empty"))


def _levels(name: str, kind: str, subject: str, column: pl.Series) -> LeakCandidate:
    levels = sorted(column.drop_nulls().unique())
    codes = column.replace_strict(
        levels, range(len(levels)), default=len(levels), return_dtype=pl.Int64
    )
    return LeakCandidate(name, kind, subject, codes.to_numpy(), (*levels, MISSING))


def _leak(
    candidate: LeakCandidate, target: Target, names: Sequence[str], seed: int
) -> dict[str, Any] | None:
    if candidate.constant:
        return None
    predicted = out_of_fold(candidate.values, candidate.names is not None, target, seed)
    value = score(target, predicted)
    if value is None:
        return None
    if not target.is_number:
        return _of_classes(candidate, target, predicted, names, value)
    why = (
        f"{candidate.subject} alone explains {percent(value)} of the label's variance, for rows "
        f"that it was not fitted on."
    )
    return _described(candidate, "r2", value, why) if value >= EXPLAINED else None


def _of_classes(
    candidate: LeakCandidate, target: Target, predicted: Floats, names: Sequence[str], value: float
) -> dict[str, Any] | None:
    gone = uncertainty_explained(target, predicted)
    certainty = {"certainty": round(gone, 4)}
    if value >= AREA or gone >= CERTAIN:
        why = (
            f"{candidate.subject} alone predicts the label of rows that it was not fitted on: "
            f"ROC-AUC {value:.3f} where chance gets 0.5, and {percent(gone)} of the uncertainty is "
            f"gone.{_example(candidate, target, names, list(range(target.classes)))}"
        )
        return _described(candidate, "roc_auc", value, why, **certainty)
    given = _given_away(target, predicted)
    if given is None:
        return None
    code, area = given
    why = (
        f"{candidate.subject} alone tells '{quote(names[code])}' from the other classes, in rows "
        f"that it was not fitted on: ROC-AUC {area:.3f} where chance gets 0.5."
        f"{_example(candidate, target, names, [code])}"
    )
    return _described(candidate, "roc_auc", area, why, **certainty, **{"class": names[code]})


def _given_away(target: Target, predicted: Floats) -> tuple[int, float] | None:
    """The class that is best told from the others, if it is nearly for sure, and its ROC-AUC."""
    counts = np.bincount(target.values, minlength=target.classes)
    found = {k: v for k, v in roc_aucs(target, predicted).items() if counts[k] >= CLASS_ROWS}
    best = max(found, key=lambda k: found[k], default=None)
    if best is None or len(np.unique(target.values)) < 3 or found[best] < CLASS_AREA:
        return None
    return best, found[best]


def _example(
    candidate: LeakCandidate, target: Target, names: Sequence[str], among: list[int]
) -> str:
    """The level and the class, of some classes, that go together best, in a sentence."""
    if candidate.names is None:
        return ""
    pairs = candidate.values * target.classes + target.values
    cells = np.bincount(pairs, minlength=len(candidate.names) * target.classes)
    cells = cells.reshape(len(candidate.names), target.classes)
    rows, own = cells.sum(axis=1, keepdims=True), cells.sum(axis=0, keepdims=True)
    # More rows than chance would bring together: many of them, and yet not just a common class.
    surplus = np.maximum(cells - rows * own / len(target), 0)
    strength = (surplus**2 / np.maximum(rows + own, 1))[:, among]
    level, place = np.unravel_index(strength.argmax(), strength.shape)
    code = among[place]
    share = percent(float(cells[level, code] / rows[level, 0]))
    return (
        f" Where it is '{quote(candidate.names[level])}', in {int(rows[level, 0]):,} rows, the "
        f"label is '{quote(names[code])}' in {share} of them."
    )


def _described(
    candidate: LeakCandidate, measure: str, value: float, why: str, **more: Any
) -> dict[str, Any]:
    return {
        "column": candidate.column,
        "kind": candidate.kind,
        "measure": measure,
        "score": round(value, 4),
        **more,
        "why": why,
    }
