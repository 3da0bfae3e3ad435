"""What each column, and the text as a whole, adds to the prediction of one row."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.explain.importance import (
    BATCH,
    first_equal_rows,
    players,
    predict_composed,
)
from fusemine.tasks.stats.sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.mine.classify.explain.importance import Index, Player, Predict
    from fusemine.tasks.stats.target import Floats

Positions: TypeAlias = "NDArray[np.intp]"

TINY = 1e-5
"""Probabilities count as at least this far from 0 and 1, or their log-odds would be infinite."""
BACKGROUND, MIN_BACKGROUND = 40, 10
"""Training rows that a row is compared with, and how few of them where there are many columns."""
MAX_ORDERS, MAX_PREDICTIONS = 10, 7000
"""Orders of the columns that are tried, and about how many predictions are made for one row."""


@dataclass(frozen=True)
class ExplainedOutput:
    """Which output of a prediction is explained.

    Of classes the log-odds are explained, on which effects add up better than on probabilities.
    """

    names: tuple[str, ...] = ()
    """The class of each output; none if the one output is a number."""
    positive: int | None = None
    """The class that is explained; None for the likeliest one of each row."""

    @property
    def scale(self) -> str:
        """`number` or `log-odds`."""
        return "log-odds" if self.names else "number"

    def outputs(self, predictions: Floats) -> Positions:
        """The explained output (n,) of rows with these predictions (n, outputs)."""
        if self.positive is None:
            return np.asarray(predictions.argmax(axis=1))
        return np.full(len(predictions), self.positive, dtype=np.intp)

    def values(self, predictions: Floats, outputs: Positions) -> Floats:
        """One output (n,) of each prediction (n, outputs), on the scale."""
        found = np.take_along_axis(predictions, outputs[:, None], axis=1)[:, 0].astype(np.float64)
        if not self.names:
            return found
        from scipy.special import logit

        return np.asarray(logit(np.clip(found, TINY, 1 - TINY)))


def shapley_values(
    predict: Predict,
    rows: Rows,
    training: Rows,
    explained: ExplainedOutput,
    outputs: Positions,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Shapley values of the columns, the text being one (Štrumbelj and Kononenko 2014).

    A column that does not take part has its value from rows of the background, the text with its
    vectors. With few columns all coalitions are tried; otherwise random orders of them, forward and
    back, which is exact for effects of two columns together (the library shap, Lundberg and Lee
    2017). All rows go through the same orders, so one call predicts for all of them.

    Args:
        predict: The fitted model.
        rows: The n rows to explain.
        training: The rows that the background is drawn from, evenly.
        explained: What is explained.
        outputs: The explained output of each row (n,).
        seed: Where the random numbers start.

    Returns:
        The mean output (n,) over the background, and what each of `players` adds to it (n, m).
    """
    import shap

    whom = players(rows)
    # Columns, orders and background rows multiply, so they share a budget of predictions.
    size, orders = _budget(len(whom))
    pool = _concat(training.take(evenly_spaced(len(training), size)), rows)
    game = _Game(predict, pool, whom, explained, outputs, first_equal_rows(pool, whom))
    evaluations = orders * (2 * len(whom) + 1)
    with _numpy_randomness_kept():
        # With few columns all coalitions cost no more than the random orders would.
        if 2 ** len(whom) <= evaluations:
            explainer = shap.ExactExplainer(game, _coalition)
        else:
            explainer = shap.PermutationExplainer(game, _coalition, seed=seed)
        found = explainer(
            np.ones((1, len(whom))), max_evals=evaluations, batch_size=evaluations, silent=True
        )
    values = np.asarray(found.values).reshape(len(whom), len(rows))
    return np.asarray(found.base_values).reshape(len(rows)), values.T


@dataclass(frozen=True)
class _Game:
    """What shap calls: the mean outputs of all explained rows, given which columns take part.

    The rows differ, but a coalition of columns is the same for all of them; so they are the
    outputs of one model.
    """

    predict: Predict
    pool: Rows
    """The background, then the explained rows."""
    whom: list[Player]
    explained: ExplainedOutput
    outputs: Positions
    """The explained output of each row."""
    same: Index
    """The first rows of the pool that hold the same, see `first_equal_rows`."""

    def __call__(self, coalitions: NDArray[np.bool_]) -> Floats:
        """The mean (n, rows) of n coalitions (n, players) over the background."""
        rows = len(self.outputs)
        at_once = max(1, BATCH // (rows * (len(self.pool) - rows)))
        starts = range(0, len(coalitions), at_once)
        return np.concatenate([self._play(coalitions[at : at + at_once]) for at in starts])

    def _play(self, coalitions: NDArray[np.bool_]) -> Floats:
        rows = len(self.outputs)
        background, own = self.same[:-rows], self.same[-rows:, None]
        # A column that takes part has the row's own value, any other that of a background row.
        index = np.where(coalitions[:, None, None], own, background)
        shape = index.shape[:-1]  # coalitions, rows, background
        flat = index.reshape(-1, len(self.whom))
        found = predict_composed(self.predict, self.pool, self.whom, flat)
        outputs = np.broadcast_to(self.outputs[:, None], shape).ravel()
        values = self.explained.values(found, outputs)
        return np.asarray(values.reshape(shape).mean(axis=2))


def _coalition(mask: NDArray[np.bool_], _: Floats) -> NDArray[np.bool_]:
    """shap's masker: it hands on which columns take part; the game draws on the background."""
    return mask[None]


def _budget(columns: int) -> tuple[int, int]:
    """How many background rows and orders of so many columns keep to the predictions allowed."""
    steps = 2 * columns + 1
    background = max(MIN_BACKGROUND, min(BACKGROUND, MAX_PREDICTIONS // steps))
    return background, max(1, min(MAX_ORDERS, MAX_PREDICTIONS // (steps * background)))


def _concat(first: Rows, second: Rows) -> Rows:
    clean = pl.concat([first.clean, second.clean.select(first.clean.columns)])
    return replace(first, clean=clean, vectors=np.concatenate([first.vectors, second.vectors]))


@contextmanager
def _numpy_randomness_kept() -> Iterator[None]:
    """Restore NumPy's global random state, which shap seeds and draws from."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
