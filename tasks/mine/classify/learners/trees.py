"""Trees on the short form of the rows: boosted trees, random forest, LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import Floats, Lesson, Matrices, estimated
from fusemine.tasks.mine.classify.learners.tree_features import ShortForm, fit_short

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import Rows

TREES, FEWEST, STEP = 1000, 20, 0.05
"""The most trees of boosting and the fewest rounds, and how bold a round is (learning rate)."""
HELD, PATIENCE = 0.15, 20
"""The share of the rows that says when to stop, and after how many rounds without gain."""
LEAST, RARE, ROUNDS = 500, 5, 60
"""With fewer rows, or a class of fewer, none are held out, and there are so many rounds."""


@storable
@dataclass(frozen=True)
class Trees:
    """A fitted learner of trees."""

    form: ShortForm
    estimator: Any
    outputs: int

    def predict(self, rows: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        return estimated(self.estimator, self.form.columns(rows, matrices), self.outputs)


def fit_boosted(lesson: Lesson) -> Trees | None:
    """Histogram gradient boosting, of so many rounds as help rows that are held out.

    A small table has none to spare and gets a number of rounds that is mostly good.
    """
    form, columns = fit_short(lesson)
    rounds = _rounds(form, columns, lesson)
    estimator = _boosting(form, lesson, max_iter=rounds or ROUNDS, learning_rate=_step(lesson))
    return _fit(estimator, form, columns, lesson)


def _rounds(form: ShortForm, columns: Floats, lesson: Lesson) -> int | None:
    """The rounds after which held-out rows are foretold no better; None for a small table."""
    values, target = lesson.target.values, lesson.target
    seen = np.bincount(values)[np.unique(values)] if not target.is_number else np.array([LEAST])
    if len(target) < LEAST or seen.min() < RARE or not columns.shape[1]:
        return None
    probe = _boosting(
        form,
        lesson,
        max_iter=max(FEWEST, TREES // lesson.target.outputs),
        learning_rate=_step(lesson),
        early_stopping=True,
        validation_fraction=HELD,
        n_iter_no_change=PATIENCE,
    )
    probe.fit(columns, values, sample_weight=lesson.counts)
    return int(probe.n_iter_)


def _step(lesson: Lesson) -> float:
    """A round makes one tree per class, so many classes get fewer and bolder rounds."""
    return min(0.3, STEP * max(1.0, lesson.target.outputs / 2))


def _boosting(form: ShortForm, lesson: Lesson, **how: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    number = lesson.target.is_number
    kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    usual: dict[str, Any] = {"early_stopping": False}
    return kind(
        l2_regularization=1.0,
        max_features=0.5,
        categorical_features=list(range(form.categories)),
        random_state=lesson.seed,
        **(usual | how),
    )


def fit_forest(lesson: Lesson) -> Trees | None:
    """A random forest (Breiman 2001)."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    number = lesson.target.is_number
    kind = RandomForestRegressor if number else RandomForestClassifier
    form, columns = fit_short(lesson)
    estimator = kind(n_estimators=200, min_samples_leaf=3, n_jobs=1, random_state=lesson.seed)
    return _fit(estimator, form, columns, lesson)


def fit_lightgbm(lesson: Lesson) -> Trees | None:
    """LightGBM, of the extra `lightgbm`.

    Raises:
        SettingsError: It is not installed.
    """
    if find_spec("lightgbm") is None:
        raise SettingsError(
            got="classify.learner lightgbm, which is not installed",
            expected="the package lightgbm",
            fix="install it: pip install 'fusemine[lightgbm]'; or name another learner",
        )
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if lesson.target.is_number else LGBMClassifier
    form, columns = fit_short(lesson)
    estimator = kind(
        n_estimators=max(FEWEST, min(300, TREES // lesson.target.outputs)),
        learning_rate=_step(lesson),
        num_leaves=31,
        colsample_bytree=0.5,
        reg_lambda=1.0,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        random_state=lesson.seed,
        verbosity=-1,
    )
    categories = list(range(form.categories))
    return _fit(estimator, form, columns, lesson, categorical_feature=categories)


def _fit(
    estimator: Any, form: ShortForm, columns: Floats, lesson: Lesson, **how: Any
) -> Trees | None:
    if not columns.shape[1]:
        return None
    estimator.fit(columns, lesson.target.values, sample_weight=lesson.counts, **how)
    return Trees(form, estimator, lesson.target.outputs)
