"""Columns that give the label away: one alone tells it nearly for sure.

What is known only after the label, or is a copy of it, makes a model look good and be useless.
Whether a column is such a leak only a person can say; here is which ones to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.leakage.single_features import (
    areas,
    certainty,
    out_of_fold,
    score,
)
from fusemine.tasks.mine.classify.leakage.suspects import Suspect, suspects
from fusemine.tasks.stats.sampling import evenly
from fusemine.tasks.text.sentences import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.stats.target import Floats, Target

LEAST_ROWS, MOST_ROWS = 20, 20_000
"""Fewer rows show nothing; of more, so many that are evenly spread are looked at."""
AREA, CERTAIN, EXPLAINED = 0.98, 0.7, 0.95
"""A column is named if its ROC-AUC reaches `AREA`, or if it takes away `CERTAIN` of the
uncertainty about the class, or if its R² reaches `EXPLAINED`: all for rows that it was not
learnt from."""
CLASS_AREA, CLASS_ROWS = 0.99, 20
"""Of three or more classes one alone may be given away: with this area, if it has the rows."""
RULE = (
    f"A column is named here if, for rows that it was not learnt from, it alone reaches a ROC-AUC "
    f"of {AREA}, or takes away {CERTAIN:.0%} of the uncertainty about the class, or tells one of "
    f"several classes from the others with a ROC-AUC of {CLASS_AREA}; or, if the label is a "
    f"number, if it reaches an R² of {EXPLAINED}."
)


def leaks(
    clean: pl.DataFrame, target: Target, names: Sequence[str] = (), seed: int = 0
) -> list[dict[str, Any]]:
    """The columns by `RULE`, the surest first; none of fewer than 20 rows or of one class.

    Categories, numbers, which of their values are missing, the order of the rows, `row_id` and
    the event time are each looked at alone.

    Args:
        clean: The n training rows of the clean table, all of them labelled.
        target: Their label.
        names: The classes' names.
        seed: Of the folds.

    Returns:
        JSON-ready: `column`; `kind`; `measure`, roc_auc or r2; its `score`; `certainty` of
        classes; `class`, where only that one is given away; and `why`, a sentence.
    """
    clean, target = some_rows(clean, target)
    if clean.height < LEAST_ROWS or len(np.unique(target.values)) < 2:
        return []
    found: dict[str, dict[str, Any]] = {}
    for suspect in suspects(clean):
        # A column is named once. Its gaps come first: if they say it all, its values need not.
        leak = None if suspect.column in found else _leak(suspect, target, names, seed)
        if leak:
            found[suspect.column] = leak
    return sorted(found.values(), key=lambda leak: -leak["score"])


def some_rows(clean: pl.DataFrame, target: Target) -> tuple[pl.DataFrame, Target]:
    """At most `MOST_ROWS` rows, evenly spread, and their label."""
    if clean.height <= MOST_ROWS:
        return clean, target
    chosen = evenly(clean.height, MOST_ROWS)
    return clean[chosen], target.take(chosen)


def _leak(
    suspect: Suspect, target: Target, names: Sequence[str], seed: int
) -> dict[str, Any] | None:
    if suspect.constant:
        return None
    predicted = out_of_fold(suspect.values, suspect.names is not None, target, seed)
    value = score(target, predicted)
    if value is None:
        return None
    if target.is_number:
        return _of_number(suspect, value) if value >= EXPLAINED else None
    return _of_classes(suspect, target, predicted, names, value)


def _of_number(suspect: Suspect, value: float) -> dict[str, Any]:
    why = (
        f"{suspect.subject} alone explains {percent(value)} of the label's variance, for rows that "
        f"it was not learnt from."
    )
    return _described(suspect, "r2", value, why)


def _of_classes(
    suspect: Suspect, target: Target, predicted: Floats, names: Sequence[str], value: float
) -> dict[str, Any] | None:
    gone = certainty(target, predicted)
    if value >= AREA or gone >= CERTAIN:
        why = (
            f"{suspect.subject} alone tells the label of rows that it was not learnt from: ROC-AUC "
            f"{value:.3f} where chance gets 0.5, and {percent(gone)} of the uncertainty is gone."
        )
        why += _example(suspect, target, names, list(range(target.classes)))
        return _described(suspect, "roc_auc", value, why, certainty=round(gone, 4))
    given = _given_away(target, predicted)
    if given is None:
        return None
    code, area = given
    why = (
        f"{suspect.subject} alone tells '{quote(names[code])}' from the other classes, in rows "
        f"that it was not learnt from: ROC-AUC {area:.3f} where chance gets 0.5."
    )
    why += _example(suspect, target, names, [code])
    more = {"certainty": round(gone, 4), "class": names[code]}
    return _described(suspect, "roc_auc", area, why, **more)


def _given_away(target: Target, predicted: Floats) -> tuple[int, float] | None:
    """The class that is told best from the others, if it is told nearly for sure."""
    counts = np.bincount(target.values, minlength=target.classes)
    found = {k: v for k, v in areas(target, predicted).items() if counts[k] >= CLASS_ROWS}
    best = max(found, key=lambda k: found[k], default=None)
    if best is None or len(np.unique(target.values)) < 3 or found[best] < CLASS_AREA:
        return None
    return best, found[best]


def _example(suspect: Suspect, target: Target, names: Sequence[str], among: list[int]) -> str:
    """The level and the class, of some classes, that go together best, in a sentence."""
    if suspect.names is None:
        return ""
    pairs = suspect.values * target.classes + target.values
    cells = np.bincount(pairs, minlength=len(suspect.names) * target.classes)
    cells = cells.reshape(len(suspect.names), target.classes)
    rows, own = cells.sum(axis=1, keepdims=True), cells.sum(axis=0, keepdims=True)
    # More rows than chance would bring together: many of them, and yet not just a common class.
    surplus = np.maximum(cells - rows * own / len(target), 0)
    strength = (surplus**2 / np.maximum(rows + own, 1))[:, among]
    level, place = np.unravel_index(strength.argmax(), strength.shape)
    code = among[place]
    share = percent(float(cells[level, code] / rows[level, 0]))
    return (
        f" Where it is '{quote(suspect.names[level])}', in {int(rows[level, 0]):,} rows, the label "
        f"is '{quote(names[code])}' in {share} of them."
    )


def _described(
    suspect: Suspect, measure: str, value: float, why: str, **more: Any
) -> dict[str, Any]:
    return {
        "column": suspect.column,
        "kind": suspect.kind,
        "measure": measure,
        "score": round(value, 4),
        **more,
        "why": why,
    }
