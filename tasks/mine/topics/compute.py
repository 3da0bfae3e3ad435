"""The stage that gives every text of a window its topic, and describes the topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.topic_chain.contracts import polars_schema
from fusemine.tasks.mine.topic_chain.grouping.quality import agreement, diversity, silhouette
from fusemine.tasks.mine.topic_chain.registry import MODEL, NO_TEXT, WORDS, events_frame, read_state
from fusemine.tasks.mine.topics.category_lift import category_lift
from fusemine.tasks.mine.topics.contracts import CLUSTERS
from fusemine.tasks.mine.topics.describe import describe
from fusemine.tasks.mine.topics.over_time import over_time
from fusemine.tasks.text.distinct import Texts, distinct_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.mine.topic_chain.reference_texts import Assignments
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

_STEPS = 4


def run(inputs: Inputs, _: TopicsSettings, progress: Progress) -> Output:
    """Give every text a topic of those that the chain has after the window."""
    window = inputs.window()
    clean = window.frame(["row_id", "partition", "text", "has_text", "label", "category.*"])
    state = read_state(inputs.ref("topic_chain"))
    tables, summary = assign_topics(clean, window.vectors(), state, progress)
    return Output(tables, rows_in=clean.height, rows_kept=clean.height, summary=summary)


def assign_topics(
    clean: pl.DataFrame, vectors: NDArray[np.float32], state: State, progress: Progress
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """Give the rows of a clean table the topics of a registry, and describe these.

    Rows with the same text share a topic. A row without text has none.

    Args:
        clean: The clean table of n rows.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        state: The registry after the table's last partition.
        progress: Called with the steps done and the steps there are.

    Returns:
        The stage's tables by name, the main one in the order of the clean table; and the summary,
        JSON-ready.
    """
    texts = distinct_texts(clean, vectors)
    known = state.references if len(texts) else None
    # Distinct texts only: equal texts get equal topics, and each is searched for once.
    assigned = known.assign(texts.vectors) if known else None
    progress(1, _STEPS)
    rows = _rows(clean, texts, assigned, state.fitted.bar)
    described, themes = describe(clean, texts, assigned, rows, state)
    progress(2, _STEPS)
    of_rows = rows["topic"].to_numpy()
    tables = {
        MAIN: rows,
        "topics": described,
        "themes": themes,
        "shares": over_time(clean["partition"], of_rows),
        "crossed": category_lift(clean, of_rows),
        "events": events_frame(state),
    }
    progress(3, _STEPS)
    summary = _summary(clean, texts, assigned, tables, state)
    progress(_STEPS, _STEPS)
    return tables, summary


def _rows(
    clean: pl.DataFrame, texts: Texts, assigned: Assignments | None, threshold: float
) -> pl.DataFrame:
    columns: dict[str, Any] = {"row_id": clean["row_id"]}
    if assigned is None:
        values = {"topic": [NO_TEXT] * clean.height, "outlier": [False] * clean.height}
        empty = dict.fromkeys(("strength", "second", "x", "y"))
        return pl.DataFrame(columns | empty | values, polars_schema(CLUSTERS))
    # Rows without text point at the last text here, and are overwritten at the end.
    has, of_row = texts.of_row >= 0, texts.of_row
    columns["topic"] = np.where(has, assigned.topics[of_row], NO_TEXT)
    columns["strength"], columns["second"] = assigned.strengths[of_row], assigned.second[of_row]
    columns["outlier"] = has & (assigned.closeness < threshold)[of_row]
    columns["x"], columns["y"] = assigned.coordinates[of_row].T
    known = pl.when(pl.col("topic") != NO_TEXT).then(pl.col("strength", "second", "x", "y"))
    second = pl.when(pl.col("second") >= 0).then(pl.col("second"))
    return pl.DataFrame(columns, polars_schema(CLUSTERS)).with_columns(known).with_columns(second)


def _summary(
    clean: pl.DataFrame,
    texts: Texts,
    assigned: Assignments | None,
    tables: dict[str, pl.DataFrame],
    state: State,
) -> dict[str, Any]:
    silent = int((texts.of_row < 0).sum())
    counts = {"texts": clean.height - silent, "distinct_texts": len(texts), "no_text": silent}
    if assigned is None:
        return {"skipped": "no row has a text" if clean.height else "there are no rows"} | counts
    topics, fitted, of_rows = tables["topics"], state.fitted, tables[MAIN]["topic"].to_numpy()
    outliers, cohering = int(tables[MAIN]["outlier"].sum()), topics["coherence"].drop_nulls()
    return {
        "skipped": None,
        "method": fitted.method,
        "topics": int((topics["topic"] >= 0).sum()),
        "themes": tables["themes"].height,
        "criterion": fitted.criterion,
        "silhouette": silhouette(texts.vectors, assigned.topics),
        "coherence": round(float(np.mean(cohering.to_numpy())), 4) if len(cohering) else None,
        "diversity": diversity([list(terms) for terms in topics["terms"]]),
        "stability": fitted.stability,
        "outlier_share": round(outliers / max(clean.height - silent, 1), 4),
        "agreement": agreement(clean["label"], of_rows),
        "fitted": fitted.partition,
        "fitted_texts": fitted.texts,
        "naming": {
            "by": MODEL if any(t.named_by == MODEL for t in state.alive) else WORDS,
            "trouble": state.trouble,
        },
    } | counts
