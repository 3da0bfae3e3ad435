"""The fitted classifier or regressor: models, what combines them, calibration, decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.mine.classify.decision import predict_names
from fusemine.tasks.mine.classify.learners.linear import Linear
from fusemine.tasks.mine.classify.selection.candidates import LEARNERS
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.mine.classify.selection.calibrate import Calibrator
    from fusemine.tasks.mine.classify.selection.candidates import Spec
    from fusemine.tasks.mine.classify.selection.combine import Combiner
    from fusemine.tasks.mine.classify.selection.trainer import FittedModels
    from fusemine.tasks.stats.target import Floats

WORDS = "terms.word."


@storable
@dataclass(frozen=True)
class ChosenModel:
    """The result of the search for a model: enough to fit it again from the same rows."""

    specs: tuple[Spec, ...]
    combiner: Combiner
    calibrator: Calibrator | None
    """None for numbers."""
    threshold: float | None
    """From which probability on a row is called positive; None for the likelier class."""

    def parts(self) -> list[dict[str, Any]]:
        """The models and how much each counts, JSON-ready."""
        return [
            {
                "learner": LEARNERS[spec.learner].name,
                "blocks": list(spec.blocks),
                "share": round(share, 4),
            }
            for spec, share in zip(self.specs, self.combiner.shares(), strict=True)
        ]


@storable
@dataclass(frozen=True)
class Model:
    """The chosen model, fitted."""

    fitted: FittedModels
    chosen: ChosenModel

    def predict(self, rows: Rows) -> Floats:
        """Calibrated probabilities, each row of sum 1, or numbers; float64 (n, outputs)."""
        predicted = self.chosen.combiner.apply(self.fitted.predict(rows, self.chosen.specs))
        calibrator = self.chosen.calibrator
        return predicted if calibrator is None else calibrator.apply(predicted)


@storable
@dataclass(frozen=True)
class Classifier:
    """Predicts the label of any rows."""

    model: Model
    names: list[str]
    """The classes in alphabetical order; none of numbers."""
    positive: int | None
    """The class that a binary label is about."""
    abstain: float | None
    """Rows whose likeliest class is less probable than this are left undecided."""
    number: bool
    """Whether numbers are predicted, and not classes."""

    @one_thread()
    def predict(self, rows: Rows) -> Floats:
        """Calibrated probabilities (n, classes), each row of sum 1, or numbers (n, 1).

        The prediction of a row does not depend on the others.
        """
        if not len(rows):
            return np.zeros((0, max(1, len(self.names))))
        return self.model.predict(rows)

    def called(self, predicted: Floats) -> list[str | None]:
        """The class that each row is predicted as; None where it is left undecided.

        Args:
            predicted: Probabilities (n, classes).
        """
        threshold = self.model.chosen.threshold
        return predict_names(predicted, self.names, self.positive, threshold, self.abstain)

    def predictions(self, predicted: Floats) -> pl.DataFrame:
        """Predictions as the columns of the contract `predictions`.

        Args:
            predicted: Probabilities (n, classes) or numbers (n, 1), as `predict` gives them.

        Returns:
            `prediction`, which is null where a row is left undecided, `probability`, and one
            column for the probability of each class; numbers have no probability.
        """
        if self.number:
            texts = pl.Series([repr(float(value)) for value in predicted[:, 0]], dtype=pl.String)
            nothing = pl.Series([None] * len(texts), dtype=pl.Float64)
            return pl.DataFrame({"prediction": texts, "probability": nothing})
        called = self.called(predicted)
        places = {name: k for k, name in enumerate(self.names)}
        # An undecided row has the probability of its likeliest class.
        pairs = zip(called, predicted.argmax(axis=1), strict=True)
        codes = np.array([likeliest if n is None else places[n] for n, likeliest in pairs], np.intp)
        columns = {PROBABILITY + name: predicted[:, k] for k, name in enumerate(self.names)}
        return pl.DataFrame(
            {
                "prediction": pl.Series(called, dtype=pl.String),
                "probability": predicted[np.arange(len(codes)), codes],
                **columns,
            }
        )


def top_terms(fitted: FittedModels, outputs: int, most: int) -> list[list[tuple[str, float]]]:
    """For each class, or for larger numbers, the words that count most for it.

    They come with their coefficients in the linear model that reads most blocks; empty without a
    linear model of words.
    """
    # Only a linear model has one coefficient for each word and class.
    linear = {
        spec: model
        for spec, model in fitted.models.items()
        if isinstance(model, Linear) and "terms" in spec.blocks
    }
    widest = linear[max(linear, key=lambda spec: len(spec.blocks))] if linear else None
    coefficients = widest.coefficients() if widest else None
    if widest is None or coefficients is None:
        return [[] for _ in range(outputs)]
    names = np.array(
        [name for block in widest.names for name in fitted.blocks[block].features], dtype=object
    )
    words = np.flatnonzero([name.startswith(WORDS) for name in names])
    return [_strongest(row[words], names[words], most) for row in coefficients]


def _strongest(coefficients: Floats, names: np.ndarray, most: int) -> list[tuple[str, float]]:
    order = np.argsort(-coefficients, kind="stable")[:most]
    return [
        (names[i].removeprefix(WORDS), round(float(coefficients[i]), 4))
        for i in order
        if coefficients[i] > 0
    ]
