"""The classifier: the average of logistic regression and boosted trees, or one of them.

Both read the same blocks, fitted once; their average is better than either.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.fuse.blocks import Block, fit_blocks
from tasks.mine.boosted import fit_boosted
from tasks.mine.logistic import Codes, Floats, Logistic, Matrices, fit_logistic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.fuse.parts import BlockName, Rows
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
        with one_thread():
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


def fit_model(
    rows: Rows,
    codes: Codes,
    classes: int,
    names: Sequence[BlockName],
    settings: ClassifySettings,
    fusing: FuseSettings,
) -> Model:
    """Learn the classes of rows from the named blocks.

    Args:
        rows: The n training rows.
        codes: Class of each row (n,), from 0 to `classes` - 1.
        classes: How many classes there are, seen here or not; one not seen has probability 0.
        names: The blocks to learn from.
        settings: The learner and the weights of the blocks.
        fusing: How rows become blocks.
    """
    shares = np.bincount(codes, minlength=classes) / max(len(codes), 1)
    if np.count_nonzero(shares) < 2:
        return Model((), (), shares if len(codes) else np.full(classes, 1 / classes))
    weights: dict[BlockName, float] = {name: getattr(settings.weights, name) for name in names}
    with one_thread():
        fitted = fit_blocks(rows, weights, fusing)
        blocks: dict[BlockName, Block] = {block.name: block for block, _ in fitted}
        matrices: Matrices = {block.name: matrix for block, matrix in fitted}
        members: list[Member | None] = []
        if matrices and settings.learner != "boosted":
            members.append(fit_logistic(matrices, codes, classes))
        if settings.learner != "logistic":
            members.append(fit_boosted(rows, blocks, matrices, codes, classes, settings.seed))
    present = tuple(member for member in members if member is not None)
    return Model(tuple(blocks.values()), present, shares)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, because sums in another order differ in their last bits.

    It is also faster where other work shares the cores: threads of OpenMP spin while they wait.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


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
        (names[i].removeprefix("terms.word."), float(coefficients[i]))
        for i in order
        if coefficients[i] > 0
    ]
