"""Whether a way of learning scores on labels that were shuffled, from which nothing can be learnt.

It does if something of the label reaches the rows that are predicted by another way than the
training rows, such as an encoding fitted on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.classify.leakage.single_feature import FEW, score

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.stats.target import Floats, Target

MIN_ROWS = 20
DEVIATIONS = 3.0
"""An honest model scores so many standard errors above chance about once in 1,000 times."""
CROSSED_VARIANCE = 2.0
"""How many times larger the variance is out of fold. If two rows are alike and in different folds,
each helps to predict the other, so that one accident counts twice."""


@dataclass(frozen=True)
class ShuffledScore:
    """The score of shuffled labels."""

    measure: str
    """`roc_auc`, one class versus the rest and averaged over them; or `r2`."""
    score: float
    chance: float
    """What is expected of an honest model: 0.5, or 0."""
    tolerance: float
    """So much more than chance may come by chance."""

    @property
    def ok(self) -> bool:
        """Whether the score is not above chance.

        One below is no leak: models of the other folds expect a little less of what the held
        fold has more of, so an honest score lies somewhat below (Parker, Günter and Bedo 2007,
        "Stratification bias in low signal microarray studies", BMC Bioinformatics 8).
        """
        return self.score <= self.chance + self.tolerance


def score_shuffled(
    fit_predict: Callable[[Target], Floats], target: Target, seed: int
) -> ShuffledScore | None:
    """Learn from shuffled labels; None of fewer than 20 rows, of one class or of one number.

    Args:
        fit_predict: Gives out-of-fold predictions (n, `target.outputs`) if this were the label of
            the rows: it must fit again all that learns from labels.
        target: The label of the n rows.
        seed: Of the shuffle.
    """
    if len(target) < MIN_ROWS or len(np.unique(target.values)) < 2:
        return None
    shuffled = target.take(np.random.default_rng(seed).permutation(len(target)))
    value = score(shuffled, fit_predict(shuffled))
    if value is None:
        return None
    if target.is_number:
        # R² is never above the squared correlation, whose root has this variance.
        variance = CROSSED_VARIANCE / (len(target) - 1)
        return ShuffledScore("r2", value, 0.0, DEVIATIONS**2 * variance)
    return ShuffledScore("roc_auc", value, 0.5, DEVIATIONS * _standard_error(target))


def _standard_error(target: Target) -> float:
    """Of the mean area under the ROC curve, if the ranking has nothing to do with the label.

    That of one class follows from the Mann-Whitney statistic (Hanley and McNeil 1982, "The
    meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology
    143). The mean of several has at most the mean of theirs.
    """
    rows = len(target)
    inside = np.bincount(target.values, minlength=target.classes)
    inside = inside[(inside >= FEW) & (rows - inside >= FEW)]
    variance = CROSSED_VARIANCE * (rows + 1) / (12 * inside * (rows - inside))
    return float(np.sqrt(variance).mean())
