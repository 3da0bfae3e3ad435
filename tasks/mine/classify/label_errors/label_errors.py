"""The rows whose label may be wrong, as a table and in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS
from fusemine.tasks.mine.classify.label_errors.confident_learning import find_label_errors
from fusemine.tasks.mine.classify.label_errors.near_duplicates import (
    MIN_SIMILARITY,
    MIN_WORDS,
    NearDuplicates,
    find_near_duplicates,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.fitted import FittedResult
    from fusemine.tasks.mine.classify.label_errors.confident_learning import LabelErrors
    from fusemine.tasks.mine.classify.problem import Problem

ERROR, COPY = "likely error", "copy with another label"


def label_errors(result: FittedResult) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The table by the contract `doubts`, and how many rows there are, JSON-ready.

    All labelled rows take part, each with the prediction of a model that had not seen it. Copies of
    one text with different labels come after the likely errors.
    """
    problem, most = result.problem, result.settings.doubtful
    # Training rows that no other model could predict show nothing about their labels.
    train = problem.split.train if result.cross_validated else problem.split.train[:0]
    rows = np.sort(np.concatenate([train, problem.split.test]))
    found = find_label_errors(problem.target.take(rows), result.predictions[rows])
    errors, copies = _records(problem, rows, found, most), NearDuplicates()
    if not problem.target.is_number:
        copies = find_near_duplicates(problem.rows.clean, problem.rows.vectors)
    pairs = [
        (pair.row_id, COPY, pair.label, pair.other_label, pair.similarity, pair.other_row_id)
        for pair in copies.pairs[:most]
    ]
    ranked = [(row_id, rank, *more) for rank, (row_id, *more) in enumerate([*errors, *pairs], 1)]
    schema = pl.DataFrame(LABEL_ERRORS.empty()).schema
    return pl.DataFrame(ranked, schema=schema, orient="row"), {
        "estimated": found.estimated,
        "found": len(found),
        "listed": len(errors),
        "same_text": copies.same,
        "near_copies": copies.near,
        "compared": copies.compared,
        "texts": copies.texts,
        "similarity": MIN_SIMILARITY,
        "least_words": MIN_WORDS,
    }


def _records(
    problem: Problem, rows: NDArray[np.intp], found: LabelErrors, most: int
) -> list[tuple[Any, ...]]:
    """The likeliest errors among some rows, as records of the table without their rank."""
    listed = problem.rows.clean.select("row_id", "label")[rows[found.positions[:most]]]
    suggested = (problem.names[k] if problem.names else f"{k:.6g}" for k in found.suggested)
    return [
        (row_id, ERROR, label, other, round(float(score), 6), None)
        for row_id, label, other, score in zip(*listed, suggested, found.scores, strict=False)
    ]
