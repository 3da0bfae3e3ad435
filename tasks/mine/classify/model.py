"""The fitted classifier or regressor: models, what makes one prediction of theirs, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.linear import Linear
from fusemine.tasks.mine.classify.selection.candidates import SPOKEN

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.selection.calibrate import Calibrator
    from fusemine.tasks.mine.classify.selection.candidates import Spec
    from fusemine.tasks.mine.classify.selection.combine import Combiner
    from fusemine.tasks.mine.classify.selection.trainer import Taught

WORDS = "terms.word."


@storable
@dataclass(frozen=True)
class Model:
    """What predicts rows."""

    taught: Taught
    specs: tuple[Spec, ...]
    combiner: Combiner
    calibrator: Calibrator | None = None
    """None for numbers."""

    def predict(self, rows: Rows) -> Floats:
        """Calibrated probabilities, each row of sum 1, or numbers; float64 (n, outputs)."""
        foretold = self.combiner.apply(self.taught.predict(rows, self.specs))
        return foretold if self.calibrator is None else self.calibrator.apply(foretold)

    def parts(self) -> list[dict[str, Any]]:
        """The models and how much each counts, JSON-ready."""
        return [
            {
                "learner": SPOKEN[spec.learner],
                "blocks": list(spec.blocks),
                "share": round(share, 4),
            }
            for spec, share in zip(self.specs, self.combiner.shares(), strict=True)
        ]


def terms(taught: Taught, outputs: int, most: int) -> list[list[tuple[str, float]]]:
    """For each class, or for larger numbers, the words that speak for it most.

    They come with their coefficients in the linear model that reads most blocks; empty without a
    linear model of words.
    """
    specs = [
        spec
        for spec, member in taught.members.items()
        if "terms" in spec.blocks and isinstance(member, Linear)
    ]
    linear = taught.members[max(specs, key=lambda spec: len(spec.blocks))] if specs else None
    coefficients = linear.coefficients() if isinstance(linear, Linear) else None
    if coefficients is None or not isinstance(linear, Linear):
        return [[] for _ in range(outputs)]
    names = np.array(
        [name for block in linear.names for name in taught.blocks[block].features], dtype=object
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
