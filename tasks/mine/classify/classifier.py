"""What predicts new rows: the fitted model, the classes, and when a row is called which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.mine.classify.decide import decided
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.model import Model
    from fusemine.tasks.mine.classify.selection.calibrate import Calibrator
    from fusemine.tasks.mine.classify.selection.candidates import Spec
    from fusemine.tasks.mine.classify.selection.combine import Combiner


@storable
@dataclass(frozen=True)
class Chosen:
    """What the search for a model found: enough to fit it again from the same rows."""

    specs: tuple[Spec, ...]
    combiner: Combiner
    calibrator: Calibrator | None
    """None for numbers."""
    cut: float | None
    """From which probability on a row is called positive; None for the likelier class."""


@storable
@dataclass(frozen=True)
class Classifier:
    """What foretells the label of any rows."""

    model: Model
    names: list[str]
    """The classes in alphabetical order; none of numbers."""
    positive: int | None
    """The class that a binary label is about."""
    cut: float | None
    """From which probability on a row is called positive; None for the likelier class."""
    abstain: float | None
    """Rows whose likeliest class is less probable than this are left undecided."""
    number: bool
    """Whether numbers are foretold, and not classes."""

    @one_thread()
    def foretell(self, rows: Rows) -> Floats:
        """Calibrated probabilities (n, classes), each row of sum 1, or numbers (n, 1).

        What is foretold of a row does not depend on the others.
        """
        if not len(rows):
            return np.zeros((0, max(1, len(self.names))))
        return self.model.predict(rows)

    def predictions(self, foretold: Floats) -> pl.DataFrame:
        """What is said of rows, by the columns of the contract `predictions`.

        Args:
            foretold: Probabilities (n, classes) or numbers (n, 1), as `foretell` gives them.

        Returns:
            `prediction`, which is null where a row is left undecided, `probability`, and one
            column for the probability of each class; numbers have no probability.
        """
        if self.number:
            said = [repr(float(value)) for value in foretold[:, 0]]
            nothing = pl.Series([None] * len(said), dtype=pl.Float64)
            texts = pl.Series(said, dtype=pl.String)
            return pl.DataFrame({"prediction": texts, "probability": nothing})
        called = decided(foretold, self.names, self.positive, self.cut, self.abstain)
        columns: dict[str, Any] = {
            "prediction": pl.Series(called, dtype=pl.String),
            "probability": self._of_called(foretold, called),
            **{PROBABILITY + name: foretold[:, k] for k, name in enumerate(self.names)},
        }
        return pl.DataFrame(columns)

    def _of_called(self, foretold: Floats, called: list[str | None]) -> Floats:
        """The probability of what each row is called (n,); if it is undecided, the likeliest's."""
        places = {name: k for k, name in enumerate(self.names)}
        likeliest = foretold.argmax(axis=1)
        codes = np.array(
            [
                places[name] if name is not None else int(k)
                for name, k in zip(called, likeliest, strict=True)
            ],
            dtype=np.intp,
        )
        return np.asarray(foretold[np.arange(len(codes)), codes])
