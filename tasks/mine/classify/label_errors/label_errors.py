"""The rows whose label is doubtful, as a table and in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.label_errors.audit import audit
from fusemine.tasks.mine.classify.label_errors.near_copies import (
    LEAST_WORDS,
    SIMILAR,
    Alike,
    alike,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.mine.classify.fitted import Learnt

ERROR, COPY = "likely error", "copy with another label"
SCHEMA: dict[str, type[pl.DataType]] = {
    "row_id": pl.String,
    "rank": pl.Int64,
    "kind": pl.String,
    "label": pl.String,
    "suggested": pl.String,
    "confidence": pl.Float64,
    "alike": pl.String,
}


def doubts(learnt: Learnt) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The doubtful labels by the contract `doubts`, and how many there are, JSON-ready.

    All labelled rows take part, each by what a model foretold that had not seen it. Copies of one
    text with different labels come after the likely errors.
    """
    problem, most = learnt.problem, learnt.settings.doubtful
    split = problem.split
    # Training rows that no other model could predict say nothing of their labels.
    taught = split.train if learnt.crossed else split.train[:0]
    rows = np.sort(np.concatenate([taught, split.test]))
    found = audit(problem.target.take(rows), learnt.foretold[rows])
    first = found.head(most)
    clean = problem.rows.clean
    positions = rows[first.positions]
    errors = zip(
        clean["row_id"].gather(positions),
        [ERROR] * len(first),
        clean["label"].gather(positions),
        _named(first.suggested, problem.names),
        [round(float(score), 6) for score in first.scores],
        [None] * len(first),
        strict=True,
    )
    copies = _copies(learnt)
    pairs = [
        (pair.row_id, COPY, pair.label, pair.other_label, pair.similarity, pair.other_row_id)
        for pair in copies.pairs[:most]
    ]
    figures = {
        "estimated": found.errors,
        "found": len(found),
        "listed": len(first),
        "same_text": copies.same,
        "near_copies": copies.near,
        "compared": copies.compared,
        "texts": copies.texts,
        "similarity": SIMILAR,
        "least_words": LEAST_WORDS,
    }
    return _table([*errors, *pairs]), figures


def no_doubts() -> pl.DataFrame:
    """The table without rows."""
    return _table([])


def _copies(learnt: Learnt) -> Alike:
    rows = learnt.problem.rows
    if learnt.problem.target.is_number:
        return Alike((), 0, 0, 0, 0)
    return alike(rows.clean, rows.vectors)


def _named(suggested: np.ndarray, names: list[str]) -> list[str]:
    return [names[k] if names else f"{k:.6g}" for k in suggested]


def _table(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    ranked = [(row[0], rank, *row[1:]) for rank, row in enumerate(rows, start=1)]
    return pl.DataFrame(ranked, schema=SCHEMA, orient="row")
