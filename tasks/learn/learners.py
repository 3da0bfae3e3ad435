"""The classifier: the average of logistic regression and boosted trees, or one of them.

Both read the same blocks, fitted once; their average is better than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.fuse.blocks import Block, fit_blocks
from tasks.mine.boosted import fit_boosted
from tasks.mine.logistic import Codes, Floats, Logistic, Matrices, fit_logistic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.fuse.parts import BlockName, Matrix, Rows
    from tasks.fuse.settings import FuseSettings
    from tasks.mine.settings import ClassifySettings


class Member(Protocol):
    """One fitted model of a `Model`."""

    def probabilities(self, rows: Rows, matrices: Matrices, /) -> Floats:
        """Probabilities (n, classes) of rows whose blocks are `matrices`."""


@dataclass(frozen=True)
class Model:
    """Fitted blocks and the models that read them."""

    blocks: tuple[Block, ...]
    members: tuple[Member, ...]
    shares: Floats
    """Each class's share of the training rows (classes,)."""

    def probabilities(self, rows: Rows) -> Floats:
        """The mean of the members' probabilities, float64 (n, classes), each row of sum 1.

        Where there was nothing to learn from, they are the classes' shares.
        """
        if not self.members:
            return np.tile(self.shares, (len(rows), 1))
        matrices: Matrices = {block.name: block.transform(rows) for block in self.blocks}
        found = [member.probabilities(rows, matrices) for member in self.members]
        return np.asarray(np.mean(found, axis=0))

    def terms(self, most: int) -> list[list[tuple[str, float]]]:
        """For each class the words that speak for it most, with their coefficients.

        Empty without logistic regression on terms.
        """
        linear = next((member for member in self.members if isinstance(member, Logistic)), None)
        names = np.array([name for block in self.blocks for name in block.features], dtype=object)
        words = np.flatnonzero([name.startswith("terms.word.") for name in names])
        if linear is None or not len(words):
            return [[] for _ in self.shares]
        return [_strongest(row[words], names[words], most) for row in _coefficients(linear)]


def fit_models(
    rows: Rows,
    codes: Codes,
    classes: int,
    views: Mapping[str, Sequence[BlockName]],
    settings: ClassifySettings,
    fusing: FuseSettings,
) -> dict[str, Model]:
    """Learn the classes of rows once for each view, which is a choice of blocks.

    Args:
        rows: The n training rows.
        codes: Class of each row (n,), from 0 to `classes` - 1.
        classes: How many classes there are, seen here or not; one not seen has probability 0.
        views: The blocks that each model learns from; a block is fitted once for all of them.
        settings: The learner and the weights of the blocks.
        fusing: How rows become blocks.
    """
    shares = np.bincount(codes, minlength=classes) / max(len(codes), 1)
    if np.count_nonzero(shares) < 2:
        prior = shares if len(codes) else np.full(classes, 1 / classes)
        return dict.fromkeys(views, Model((), (), prior))
    used = dict.fromkeys(name for names in views.values() for name in names)
    weights: dict[BlockName, float] = {name: getattr(settings.weights, name) for name in used}
    fitted = fit_blocks(rows, weights, fusing)
    return {
        view: _fit(
            rows, [pair for pair in fitted if pair[0].name in names], codes, shares, settings
        )
        for view, names in views.items()
    }


def _fit(
    rows: Rows,
    fitted: Sequence[tuple[Block, Matrix]],
    codes: Codes,
    shares: Floats,
    settings: ClassifySettings,
) -> Model:
    blocks: dict[BlockName, Block] = {block.name: block for block, _ in fitted}
    matrices: Matrices = {block.name: matrix for block, matrix in fitted}
    members: list[Member | None] = []
    if matrices and settings.learner != "boosted":
        members.append(fit_logistic(matrices, codes, len(shares)))
    if settings.learner != "logistic":
        members.append(fit_boosted(rows, blocks, matrices, codes, len(shares), settings.seed))
    present = tuple(member for member in members if member is not None)
    return Model(tuple(blocks.values()), present, shares)


def _coefficients(linear: Logistic) -> Floats:
    """Coefficients (classes, features), zero for a class not seen."""
    known = linear.estimator.coef_
    rows = np.concatenate([-known, known]) if len(known) == 1 else known
    result = np.zeros((linear.classes, known.shape[1]))
    result[linear.estimator.classes_] = rows
    return result


def _strongest(coefficients: Floats, names: np.ndarray, most: int) -> list[tuple[str, float]]:
    order = np.argsort(-coefficients, kind="stable")[:most]
    return [
        (names[i].removeprefix("terms.word."), round(float(coefficients[i]), 4))
        for i in order
        if coefficients[i] > 0
    ]
