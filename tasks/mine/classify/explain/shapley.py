"""What each column, and the text as a whole, adds to the prediction of one row."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.explain.importance import (
    BATCH,
    first_alike,
    players,
    predict_composed,
)
from fusemine.tasks.stats.sampling import evenly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.mine.classify.explain.importance import Index, Player, Predict

Floats: TypeAlias = "NDArray[np.float64]"
Positions: TypeAlias = "NDArray[np.intp]"

SURE = 1e-5
"""Probabilities count as at least this far from 0 and 1, or their log-odds would be infinite."""
BACKGROUND, LEAST_BACKGROUND = 40, 10
"""Training rows that a row is held against, and how few of them where there are many columns."""
MOST_ORDERS, EVALUATIONS = 10, 7000
"""Orders of the columns that are tried, and about how many predictions are made for one row."""


@dataclass(frozen=True)
class Explained:
    """Which output of a prediction is explained, and on which scale."""

    names: tuple[str, ...] = ()
    """The class of each output; none if the one output is a number."""
    positive: int | None = None
    """The class that is explained; None for the likeliest one of each row."""
    probability: bool = False
    """Explain the probability itself, and not its log-odds, on which effects add up better."""

    @property
    def scale(self) -> str:
        """`number`, `probability` or `log-odds`."""
        if not self.names:
            return "number"
        return "probability" if self.probability else "log-odds"

    def outputs(self, predictions: Floats) -> Positions:
        """The explained output (n,) of rows of which this is foretold (n, outputs)."""
        if self.positive is None:
            return np.asarray(predictions.argmax(axis=1))
        return np.full(len(predictions), self.positive, dtype=np.intp)

    def values(self, predictions: Floats, outputs: Positions) -> Floats:
        """One output (n,) of each prediction (n, outputs), on the scale."""
        found = np.take_along_axis(predictions, outputs[:, None], axis=1)[:, 0].astype(np.float64)
        if self.scale != "log-odds":
            return found
        from scipy.special import logit

        return np.asarray(logit(np.clip(found, SURE, 1 - SURE)))


def shapley(
    predict: Predict,
    rows: Rows,
    training: Rows,
    outcome: Explained,
    outputs: Positions,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Shapley values of the columns, the text being one (Štrumbelj and Kononenko 2014).

    A column that does not take part has its value from rows of the background, the text with its
    vectors. With few columns all coalitions are tried; otherwise random orders of them, forward and
    back, which is exact for effects of two columns together (the library shap, Lundberg and Lee
    2017). All rows go through the same orders, so one call predicts for all of them.

    Returns:
        The mean output (n,) over the background, and what each of `players` adds to it (n, m).
    """
    import shap

    whom = players(rows)
    size, orders = _budget(len(whom))
    background = training.take(evenly(len(training), size))
    pool = _stacked(background, rows)
    game = _Game(predict, pool, whom, outcome, outputs, first_alike(pool, whom))
    evaluations = orders * (2 * len(whom) + 1)
    with _own_randomness():
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
    outcome: Explained
    outputs: Positions
    """What is explained of each row."""
    same: Index
    """The rows of the pool that are alike, see `alike`."""

    def __call__(self, coalitions: NDArray[np.bool_]) -> Floats:
        """The mean (n, rows) of n coalitions (n, players) over the background."""
        rows = len(self.outputs)
        at_once = max(1, BATCH // (rows * (len(self.pool) - rows)))
        starts = range(0, len(coalitions), at_once)
        return np.concatenate([self._play(coalitions[at : at + at_once]) for at in starts])

    def _play(self, coalitions: NDArray[np.bool_]) -> Floats:
        rows = len(self.outputs)
        background, own = self.same[:-rows], self.same[-rows:, None]
        index = np.where(coalitions[:, None, None], own, background)
        shape = index.shape[:-1]  # coalitions, rows, background
        flat = index.reshape(-1, len(self.whom))
        found = predict_composed(self.predict, self.pool, self.whom, flat)
        outputs = np.broadcast_to(self.outputs[:, None], shape).ravel()
        values = self.outcome.values(found, outputs)
        return np.asarray(values.reshape(shape).mean(axis=2))


def _coalition(mask: NDArray[np.bool_], _: Floats) -> NDArray[np.bool_]:
    """shap's masker: the game is told who takes part, and draws on the background itself."""
    return mask[None]


def _budget(columns: int) -> tuple[int, int]:
    """How many background rows and orders of so many columns keep to the predictions allowed."""
    steps = 2 * columns + 1
    background = max(LEAST_BACKGROUND, min(BACKGROUND, EVALUATIONS // steps))
    return background, max(1, min(MOST_ORDERS, EVALUATIONS // (steps * background)))


def _stacked(first: Rows, second: Rows) -> Rows:
    clean = pl.concat([first.clean, second.clean.select(first.clean.columns)])
    return replace(first, clean=clean, vectors=np.concatenate([first.vectors, second.vectors]))


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Give NumPy's global random numbers, which shap seeds and draws from, back as they were."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
