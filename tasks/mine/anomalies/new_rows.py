"""Scoring new rows with fitted detectors, each row by itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.anomalies.contracts import ANOMALIES
from fusemine.tasks.mine.anomalies.reasons.baseline import ComparedRows
from fusemine.tasks.mine.anomalies.reasons.explain import Findings
from fusemine.tasks.mine.anomalies.reasons.rare_words import not_near, rare_words
from fusemine.tasks.mine.anomalies.reasons.references import seen_before
from fusemine.tasks.mine.anomalies.score_views import combined, score_columns
from fusemine.tasks.mine.anomalies.views.view import VIEWS, Table, View, absent
from fusemine.tasks.stats.threads import map_in_order, thread_count
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.detectors import Detectors
    from fusemine.tasks.mine.anomalies.views.view import Ints, Vectors
    from fusemine.tasks.text.distinct import Texts

MIN_ROWS = 2_000
"""Rows that a thread scores, at least."""
EXPLAINED = 0.01
"""A row whose p-value is at most this gets a reason, flagged or not."""
_NAMES = ("score", "p_value", *(f"{name}_score" for name in VIEWS), "flagged", "reason")
_SCHEMA = pl.DataFrame(ANOMALIES.empty()).select(_NAMES).schema


def score_rows(
    detectors: Detectors, clean: pl.DataFrame, vectors: Vectors, table: Vectors
) -> pl.DataFrame:
    """Score new rows.

    Args:
        detectors: What was learned from history.
        clean: A clean table of n rows, with the columns of history's.
        vectors: (n, d) their unit vectors, zero where a row has no text.
        table: (n, c) their features, as history's.

    Returns:
        A row for each, in their order: `p_value`, how probable so unusual a row is by chance, all
        views together, and `score`, 1 less it; `text_score` and its like, the shares of the known
        rows that are less unusual in that view, null where the row is not in it; whether the row
        is `flagged`; and a `reason` for those that are, and for all whose p-value is at most
        `EXPLAINED`.
    """
    if not clean.height:
        return pl.DataFrame(schema=_SCHEMA)
    # Rows of one text are scored together, as most of the work is done once for each text.
    order = clean["text"].arg_sort().to_numpy()
    parts = np.array_split(order, max(1, min(4 * thread_count(), clean.height // MIN_ROWS)))
    found = pl.concat(map_in_order(partial(_scored, detectors, clean, vectors, table), parts))
    return found[np.argsort(order, kind="stable")]


def _scored(
    by: Detectors, clean: pl.DataFrame, vectors: Vectors, table: Vectors, chosen: Ints
) -> pl.DataFrame:
    rows = Table.of(clean[chosen], table[chosen], by.names)
    texts = distinct_texts(rows.clean, np.nan_to_num(vectors[chosen]))
    places = by.references.places(texts.texts)
    findings = _findings(by, rows, texts, places)
    p_values = combined(findings.views, len(chosen))
    threshold = -1.0 if by.threshold is None else by.threshold
    explained = np.flatnonzero((p_values <= max(threshold, EXPLAINED)) & (p_values < 1))
    rare = _rare_words(by, texts, places, np.unique(texts.of_row[explained]))
    reasons: list[str | None] = [None] * len(chosen)
    for row in explained.tolist():
        reasons[row] = findings.reason(row, rare[int(texts.of_row[row])])
    columns: dict[str, Any] = {
        **score_columns(p_values, findings.shares),
        "flagged": (p_values <= threshold) & (p_values < 1),
        "reason": reasons,
    }
    return pl.DataFrame(columns, _SCHEMA)


def _findings(by: Detectors, table: Table, texts: Texts, places: Ints) -> Findings:
    """What the views find of n rows with m distinct texts, whose places are (m,)."""
    new = np.zeros(table.clean.height, bool)
    match = by.match.score(texts, table) if by.match else None
    bursts = by.time.score(table.clean) if by.time else None
    nothing = absent(len(new), "")
    views = {
        "text": _text_view(by, texts, places),
        "table": by.table.view(by.table.scores(table), new) if by.table else nothing,
        "match": match.view(new) if match else nothing,
        "time": bursts.view if bursts else nothing,
    }
    shares = {name: view.shares(by.ordered[name]) for name, view in views.items()}
    rows = ComparedRows.of(table.clean, new, by.baseline)
    return Findings(rows, table, views, shares, match, bursts, by.covariance)


def _text_view(by: Detectors, texts: Texts, places: Ints) -> View:
    if by.text is None:
        return absent(len(texts.of_row), "")
    from_core = by.text.core.distances(texts.vectors)
    near = by.references.typical_near(texts.vectors, places)
    copies = by.references.copies_of(texts)
    return by.text.view(texts, from_core, near, seen_before(places), copies)


def _rare_words(by: Detectors, texts: Texts, places: Ints, chosen: Ints) -> dict[int, list[str]]:
    """The unusual words of the chosen texts, -1 for none, by these."""
    new = ~seen_before(places)
    rare = {
        text: rare_words(by.baseline, texts.texts[text], new=bool(new[text])) if text >= 0 else []
        for text in chosen.tolist()
    }
    # Neighbours are sought only for texts that have rare words.
    sought = [text for text, words in rare.items() if words]
    near = by.references.words_near(texts.vectors[sought], places[sought], by.baseline)
    for text, words in zip(sought, near, strict=True):
        rare[text] = not_near(rare[text], words)
    return rare
