"""The topics of a window: every row's topic and place, and what there is to say of each topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.topic_chain.grouping.quality import agreement, diversity, silhouette
from fusemine.tasks.mine.topic_chain.registry import MODEL, NO_TEXT, WORDS, events_frame
from fusemine.tasks.mine.topics.category_lift import crossed
from fusemine.tasks.mine.topics.describe import Described, describe
from fusemine.tasks.mine.topics.over_time import over_time
from fusemine.tasks.text.distinct import Texts, distinct_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.reference_texts import Placed
    from fusemine.tasks.mine.topic_chain.registry import State

_STEPS = 4
_CLUSTERS: dict[str, Any] = {
    "row_id": pl.String,
    "topic": pl.Int32,
    "strength": pl.Float32,
    "second": pl.Int32,
    "outlier": pl.Boolean,
    "x": pl.Float32,
    "y": pl.Float32,
}


@dataclass(frozen=True)
class Clustering:
    """The topics of a window.

    Attributes:
        rows: One row per row of the clean table, in its order, as `contracts.CLUSTERS` says.
        topics: One row per topic with rows, largest first, as `contracts.TOPICS` says; `no text`
            comes last.
        themes: One row per theme, as `contracts.THEMES` says.
        shares: The topics over time, as `contracts.SHARES` says.
        crossed: The topics by category, as `contracts.CROSSED` says.
        events: What happened to the topics so far, as `contracts.EVENTS` says.
        summary: What was done and how well it went, ready for JSON.
    """

    rows: pl.DataFrame
    topics: pl.DataFrame
    themes: pl.DataFrame
    shares: pl.DataFrame
    crossed: pl.DataFrame
    events: pl.DataFrame
    summary: dict[str, Any]


def topics(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    state: State,
    progress: Callable[[int, int], None] | None = None,
) -> Clustering:
    """Give the rows of a clean table the topics of a registry, and describe these.

    Rows with the same text share a topic. A row without text has none.

    Args:
        clean: The clean table of n rows.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        state: The registry after the table's last partition.
        progress: Called with the steps done and the steps there are.
    """
    tell = progress or _silent
    texts = distinct_texts(clean, vectors)
    placed = state.anchors.place(texts.vectors) if state.anchors and len(texts) else None
    tell(1, _STEPS)
    rows = _rows(clean, texts, placed, state.fitted.bar)
    described = describe(clean, texts, placed, rows, state)
    tell(2, _STEPS)
    of_rows = rows["topic"].to_numpy()
    over, by = over_time(clean["partition"], of_rows), crossed(clean, of_rows)
    tell(3, _STEPS)
    summary = _summary(clean, texts, placed, described, rows, state)
    tell(_STEPS, _STEPS)
    return Clustering(
        rows, described.topics, described.themes, over, by, events_frame(state), summary
    )


def _silent(done: int, total: int) -> None: ...


def _rows(clean: pl.DataFrame, texts: Texts, placed: Placed | None, bar: float) -> pl.DataFrame:
    columns: dict[str, Any] = {"row_id": clean["row_id"]}
    if placed is None:
        values = {"topic": [NO_TEXT] * clean.height, "outlier": [False] * clean.height}
        empty = dict.fromkeys(("strength", "second", "x", "y"))
        return pl.DataFrame(columns | empty | values, _CLUSTERS)
    # Rows without text point at the last text here, and are overwritten at the end.
    has, of_row = texts.of_row >= 0, texts.of_row
    columns["topic"] = np.where(has, placed.topics[of_row], NO_TEXT)
    columns["strength"], columns["second"] = placed.strengths[of_row], placed.second[of_row]
    columns["outlier"] = has & (placed.closeness < bar)[of_row]
    columns["x"], columns["y"] = placed.places[of_row].T
    told = pl.when(pl.col("topic") != NO_TEXT).then(pl.col("strength", "second", "x", "y"))
    second = pl.when(pl.col("second") >= 0).then(pl.col("second"))
    return pl.DataFrame(columns, _CLUSTERS).with_columns(told).with_columns(second)


def _summary(
    clean: pl.DataFrame,
    texts: Texts,
    placed: Placed | None,
    described: Described,
    rows: pl.DataFrame,
    state: State,
) -> dict[str, Any]:
    silent = int((texts.of_row < 0).sum())
    counts = {"texts": clean.height - silent, "distinct_texts": len(texts), "no_text": silent}
    if placed is None:
        return {"skipped": "no row has a text" if clean.height else "there are no rows"} | counts
    spoken = max(clean.height - silent, 1)
    fitted = state.fitted
    return {
        "skipped": None,
        "method": fitted.method,
        "topics": int((described.topics["topic"] >= 0).sum()),
        "themes": described.themes.height,
        "criterion": fitted.criterion,
        "silhouette": silhouette(texts.vectors, placed.topics),
        "coherence": described.coherence,
        "diversity": diversity([list(terms) for terms in described.topics["terms"]]),
        "stability": fitted.stability,
        "outlier_share": round(int(rows["outlier"].sum()) / spoken, 4),
        "agreement": agreement(clean["label"], rows["topic"].to_numpy()),
        "fitted": fitted.partition,
        "fitted_texts": fitted.texts,
        "naming": {
            "by": MODEL if any(t.named_by == MODEL for t in state.alive) else WORDS,
            "trouble": state.trouble,
        },
    } | counts
