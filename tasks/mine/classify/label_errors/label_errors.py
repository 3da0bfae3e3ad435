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
    from fusemine.tasks.mine.classify.fitted import FittedResult

ERROR, COPY = "likely error", "copy with another label"


def label_errors(result: FittedResult) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The table by the contract `doubts`, and how many rows there are, JSON-ready.

    All labelled rows take part, each with the prediction of a model that had not seen it. Copies of
    one text with different labels come after the likely errors.
    """
    problem, most = result.problem, result.settings.doubtful
    split, clean = problem.split, problem.rows.clean
    # Training rows that no other model could predict show nothing about their labels.
    train = split.train if result.cross_validated else split.train[:0]
    rows = np.sort(np.concatenate([train, split.test]))
    found = find_label_errors(problem.target.take(rows), result.predictions[rows])
    listed = clean.select("row_id", "label")[rows[found.positions[:most]]].iter_rows()
    scores = found.scores[:most]
    suggested = [problem.names[k] if problem.names else f"{k:.6g}" for k in found.suggested[:most]]
    copies = NearDuplicates()
    if not problem.target.is_number:
        copies = find_near_duplicates(clean, problem.rows.vectors)
    records: list[tuple[Any, ...]] = [
        (row_id, ERROR, label, other, round(float(score), 6), None)
        for (row_id, label), other, score in zip(listed, suggested, scores, strict=True)
    ]
    figures = {
        "estimated": found.estimated,
        "found": len(found),
        "listed": len(records),
        "same_text": copies.same,
        "near_copies": copies.near,
        "compared": copies.compared,
        "texts": copies.texts,
        "similarity": MIN_SIMILARITY,
        "least_words": MIN_WORDS,
    }
    records += [
        (pair.row_id, COPY, pair.label, pair.other_label, pair.similarity, pair.other_row_id)
        for pair in copies.pairs[:most]
    ]
    ranked = [(row_id, rank, *more) for rank, (row_id, *more) in enumerate(records, start=1)]
    schema = pl.DataFrame(LABEL_ERRORS.empty()).schema
    return pl.DataFrame(ranked, schema=schema, orient="row"), figures
