"""Detectors that are fitted once, by which any further rows are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.batch import Batch
from fusemine.tasks.mine.anomalies.flagging import FEW, RARE, Alike, most
from fusemine.tasks.mine.anomalies.reasons.baseline import Past
from fusemine.tasks.mine.anomalies.reasons.references import References
from fusemine.tasks.mine.anomalies.score_views import Look, known_rows, look, together
from fusemine.tasks.mine.anomalies.stored import Stored
from fusemine.tasks.mine.anomalies.views.burst_detector import TimeDetector
from fusemine.tasks.mine.anomalies.views.view import VIEWS, Table
from fusemine.tasks.stats.ordered_pool import in_order, threads
from fusemine.tasks.stats.p_values import rejected
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.mahalanobis import Shape
    from fusemine.tasks.mine.anomalies.views.match import MatchDetector
    from fusemine.tasks.mine.anomalies.views.table_detector import TableDetector
    from fusemine.tasks.mine.anomalies.views.text_detector import TextDetector

LEAST = 2_000
"""Rows that a thread looks at, at least."""
TOLD = 0.01
"""A row gets a reason whose p-value is at most this, flagged or not."""
_COLUMNS: dict[str, Any] = {
    "score": pl.Float64,
    "p_value": pl.Float64,
    **{f"{name}_score": pl.Float64 for name in VIEWS},
    "flagged": pl.Boolean,
    "reason": pl.String,
}


@storable
@dataclass(frozen=True)
class Detectors(Stored):
    """What history taught, and by which any further rows are judged.

    Attributes:
        names: The table's features.
        text, table, match, time: What each view was taught; None where there was no such view.
        ordered: By view, the p-values of the known rows, ascending.
        references: The known texts, but not as texts.
        past: What is usual, for reasons.
        shape: The shape of the known rows' features.
        bar: A row is flagged whose p-value is at most this; None where none ever is.
    """

    names: list[str]
    text: TextDetector | None
    table: TableDetector | None
    match: MatchDetector | None
    time: TimeDetector | None
    ordered: dict[str, NDArray[np.float64]]
    references: References
    past: Past
    shape: Shape | None
    bar: float | None

    def score(
        self, clean: pl.DataFrame, vectors: NDArray[np.float32], table: NDArray[np.float32]
    ) -> pl.DataFrame:
        """Judge new rows, each by itself.

        Args:
            clean: A clean table of n rows, with the columns of the one that taught.
            vectors: (n, d) their unit vectors, zero where a row has no text.
            table: (n, c) their features, as those that taught.

        Returns:
            A row for each, in their order: `p_value`, how probable so unusual a row is by chance,
            all views together, and `score`, 1 less it; `text_score` and its like, the shares of
            the known rows that are less unusual in that view, null where the row is not in it;
            whether the row is `flagged`; and a `reason` for those that are, and for all whose
            p-value is at most `TOLD`.
        """
        if not clean.height:
            return pl.DataFrame(schema=_COLUMNS)
        # Rows of one text are looked at together, as most of the work is done once for each text.
        order = clean["text"].arg_sort().to_numpy()
        parts = np.array_split(order, max(1, min(4 * threads(), clean.height // LEAST)))
        look = partial(self._score_some, clean, vectors, table)
        found = pl.concat(list(in_order(look, parts)))
        return found[np.argsort(order, kind="stable")]

    def _score_some(
        self,
        clean: pl.DataFrame,
        vectors: NDArray[np.float32],
        table: NDArray[np.float32],
        chosen: NDArray[np.int64],
    ) -> pl.DataFrame:
        rows = Table.of(clean[chosen], table[chosen], self.names)
        texts = distinct_texts(rows.clean, np.nan_to_num(vectors[chosen]))
        batch = Batch.of(self, rows, texts)
        tails = together(batch.views, len(chosen))
        bar = -1.0 if self.bar is None else self.bar
        told = np.flatnonzero((tails <= max(bar, TOLD)) & (tails < 1))
        reasons: list[str | None] = [None] * len(chosen)
        for row, reason in zip(told.tolist(), batch.reasons(told), strict=True):
            reasons[row] = reason
        columns: dict[str, Any] = {
            "score": 1 - tails,
            "p_value": tails,
            **{f"{name}_score": its for name, its in batch.shares.items()},
            "flagged": (tails <= bar) & (tails < 1),
            "reason": reasons,
        }
        frame = pl.DataFrame(columns, _COLUMNS)
        return frame.with_columns(pl.col("^.*_score$").fill_nan(None))


def fit_detectors(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    table: NDArray[np.float32],
    table_names: Sequence[str],
    settings: AnomaliesSettings,
    new: NDArray[np.bool_] | None = None,
) -> Detectors:
    """Fit detectors to the known rows of a window, by which they judge new ones as it does.

    Args:
        clean: The clean table of n rows, oldest partition first.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        table: (n, c) numbers and categories as features, c may be 0; what is not finite counts 0.
        table_names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
        settings: How many rows are flagged.
        new: (n,) rows that teach nothing; only bursts are counted with them. None for none.
    """
    known = known_rows(clean.height, new)
    rows = Table.of(clean, table, table_names)
    found = look(rows, vectors, known, lambda _, __: None)
    grounds, past = found.grounds, Past.of(clean.filter(pl.Series(known, dtype=pl.Boolean)))
    return Detectors(
        names=list(table_names),
        text=found.text,
        table=found.table,
        match=grounds.match.detector if grounds.match else None,
        time=TimeDetector.of(grounds.bursts, clean["partition"]),
        ordered={name: view.ordered(known) for name, view in grounds.views.items()},
        references=References.of(grounds.texts, known, found.usual, past),
        past=past,
        shape=rows.shape(known),
        bar=_bar(found, settings),
    )


def _bar(found: Look, settings: AnomaliesSettings) -> float | None:
    """The p-value up to which rows are flagged, by those of the known rows.

    So many known rows, or the share of them, lie up to it as the settings say, or it is the last
    of those that stand out as `flagging.candidates` says. Where none does, it is the least that
    one of as many rows would need for that.
    """
    grounds = found.grounds
    known, count = grounds.known, int(grounds.known.sum())
    if count < FEW:
        return None
    tails = together(grounds.views, len(known))
    if settings.contamination is not None:
        return float(np.sort(tails[known])[math.ceil(settings.contamination * count) - 1])
    if settings.top is not None:
        return float(np.sort(tails[known])[most(count, settings) - 1])
    stands = known & Alike.of(grounds.repeats.of_row, tails, ~known).stands
    out = tails[stands][rejected(tails[stands], settings.false_alarms)]
    out = out[out <= RARE]
    return float(out.max()) if len(out) else settings.false_alarms / count
