"""All views of a window's rows, and what was learned from the known ones of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.anomalies.reasons.baseline import ComparedRows
from fusemine.tasks.mine.anomalies.reasons.explain import Findings
from fusemine.tasks.mine.anomalies.reasons.rare_words import unusual_words
from fusemine.tasks.mine.anomalies.views.bursts import Bursts, find_bursts
from fusemine.tasks.mine.anomalies.views.match import MIN_ROWS, Match, match_texts
from fusemine.tasks.mine.anomalies.views.repeats import Repeats, find_repeats
from fusemine.tasks.mine.anomalies.views.table_detector import TableDetector, table_view
from fusemine.tasks.mine.anomalies.views.text_detector import TextDetector, text_view
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours, neighbours_of
from fusemine.tasks.mine.anomalies.views.view import TYPICAL, Table, View, absent, texts_of
from fusemine.tasks.stats.p_values import combine_p_values
from fusemine.tasks.text.distinct import Texts, distinct_texts

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Vectors

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""
HISTORY = 100
"""Rows of history from which on new rows are compared with them alone."""
NEAR = 3
"""At most this many typical rows are named beside an unusual one."""
STEPS = 5


@dataclass(frozen=True)
class ScoredWindow:
    """n rows of a window with m distinct texts, and what the views found of them.

    Attributes:
        table: The rows' columns besides the text.
        texts: Their texts.
        neighbours: The known texts nearest to each.
        known: (n,) the rows of history.
        typical: (m,) the known texts that are typical.
        views: What each view found.
        match: How text and table go together; None where that is not known.
        bursts: The bursts that rows are in.
        repeats: The groups of rows with nearly the same text.
        text, table_detector: What was learned from the known rows; None where there is no view.
    """

    table: Table
    texts: Texts
    neighbours: Neighbours
    known: Flags
    typical: Flags
    views: dict[str, View]
    match: Match | None
    bursts: Bursts
    repeats: Repeats
    text_detector: TextDetector | None
    table_detector: TableDetector | None

    @property
    def used(self) -> list[str]:
        """The names of the views that at least one row is in."""
        return [name for name, view in self.views.items() if view.used]

    @cached_property
    def p_values(self) -> Floats:
        """(n,) how probable so unusual a row is by chance, all views together."""
        return combined(self.views, len(self.known))

    @cached_property
    def findings(self) -> Findings:
        """What the views found, beside the baseline of the known rows."""
        return Findings(
            ComparedRows.of(self.table.clean, self.known),
            self.table,
            self.views,
            {name: view.shares(view.ordered(self.known)) for name, view in self.views.items()},
            self.match,
            self.bursts.rows,
            self.table.covariance(self.known),
        )

    def reason(self, row: int) -> str:
        """Why a row is unusual, in a sentence."""
        text, rows = int(self.texts.of_row[row]), self.findings.rows
        return self.findings.reason(row, unusual_words(rows, self.texts, self.neighbours, text))

    def near(self, row: int) -> list[int]:
        """The nearest rows by the text that are typical, at most `NEAR`."""
        text = int(self.texts.of_row[row])
        rows = self.texts.first[self.neighbours.of(text)].tolist() if text >= 0 else []
        return [its for its in rows if self.p_values[its] > TYPICAL][:NEAR]


def score_views(
    table: Table, vectors: Vectors, new: Flags | None, progress: Progress = lambda *_: None
) -> ScoredWindow:
    """Compare the rows of a window in all ways.

    Args:
        table: The n rows.
        vectors: (n, d) unit vectors of their texts, zero where a row has none.
        new: (n,) the rows from which nothing is learned; None for none. All are history where the
            others are fewer than `HISTORY`.
        progress: Called after each of the first `STEPS` - 1 steps.
    """
    clean, rows = table.clean, table.clean.height
    known = np.ones(rows, bool) if new is None or (~new).sum() < HISTORY else ~new
    texts = distinct_texts(clean, np.nan_to_num(vectors))
    neighbours = neighbours_of(texts, texts_of(texts, known))
    text, text_detector, typical = text_view(texts, known)
    progress(1, STEPS)
    tabular, table_detector = table_view(table, known)
    progress(2, STEPS)
    match = match_texts(texts, table, known)
    unmatched = f"fewer than {MIN_ROWS} rows with text and table, or hardly any differ"
    matched = match.view(known) if match else absent(rows, unmatched)
    progress(3, STEPS)
    bursts = find_bursts(clean, known)
    repeats = find_repeats(clean, texts, neighbours)
    progress(4, STEPS)
    views = {"text": text, "table": tabular, "match": matched, "time": bursts.rows.view}
    found = (views, match, bursts, repeats, text_detector, table_detector)
    return ScoredWindow(table, texts, neighbours, known, typical, *found)


def combined(views: dict[str, View], rows: int) -> Floats:
    """(n,) one p-value of those of all views, 1 for a row that is in no view."""
    p_values = [view.p_values for view in views.values() if view.used]
    return np.nan_to_num(combine_p_values(p_values), nan=1.0) if p_values else np.ones(rows)


def score_columns(p_values: Floats, shares: dict[str, Floats]) -> dict[str, pl.Series]:
    """`score`, `p_value` and the views' scores (n,), null where a row is not in the view."""
    by_view = {f"{name}_score": its for name, its in shares.items()}
    columns = {"score": 1 - p_values, "p_value": p_values, **by_view}
    return {name: pl.Series(values).fill_nan(None) for name, values in columns.items()}
