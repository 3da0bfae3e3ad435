"""Topics of the texts and a map of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.sampling import evenly
from tasks.texts.distinct import Texts, chosen, distinct_texts, same_vectors
from tasks.texts.words import essence
from tasks.topics.grouping import JUDGED, Groups, group, silhouette, strengths
from tasks.topics.layout import SMALL, layout, place
from tasks.topics.naming import topic_names, topic_terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tasks.topics.settings import ClusterSettings

NO_TEXT, NO_TEXT_NAME = -1, "no text"
TYPICAL = 5
LONGEST_NAME = 40
"""Characters of a text that stand for the name of a topic without words."""

_STEPS = 4
_CLUSTERS: dict[str, Any] = {
    "row_id": pl.String,
    "topic": pl.Int32,
    "strength": pl.Float32,
    "x": pl.Float32,
    "y": pl.Float32,
}
_TOPICS: dict[str, Any] = {
    "topic": pl.Int32,
    "name": pl.String,
    "rows": pl.Int64,
    "share": pl.Float64,
    "terms": pl.List(pl.String),
    "typical": pl.List(pl.String),
}


@dataclass(frozen=True)
class Clustering:
    """The topic and the place of every row, and the topics, largest first.

    Attributes:
        rows: One row per row of the clean table, in its order, as `contracts.CLUSTERS` says.
        topics: One row per topic, as `contracts.TOPICS` says; `no text` comes last.
        summary: What was done and how well it went, ready for JSON.
    """

    rows: pl.DataFrame
    topics: pl.DataFrame
    summary: dict[str, Any]


@dataclass(frozen=True)
class _Found:
    """What holds for each of the m distinct texts."""

    topics: NDArray[np.int32]
    strengths: NDArray[np.float32]
    places: NDArray[np.float32]
    quality: dict[str, Any]

    def of(self, spots: NDArray[np.int64], topics: NDArray[np.int32]) -> _Found:
        """The same for other texts that stand at `spots`, with the topics numbered anew."""
        return replace(
            self,
            topics=topics,
            strengths=self.strengths[spots],
            places=self.places[spots],
        )


def cluster(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    settings: ClusterSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Clustering:
    """Group the rows of a clean table into topics by what their texts say.

    The distinct texts are laid out on a map (`layout`), the map is cut into topics (`group`),
    and the topics are named by their words (`naming`). Rows with the same text share a topic.

    Args:
        clean: The clean table of n rows.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        settings: How many topics, and how the map is made.
        progress: Called with the steps done and the steps there are.
    """
    tell = progress or _silent
    texts = distinct_texts(clean, vectors)
    if not len(texts):
        reason = "no row has a text" if clean.height else "there are no rows"
        return _assemble(clean, texts, None, {"skipped": reason} | _counts(clean, texts))
    tell(1, _STEPS)
    found = _find(texts, settings, tell)
    described = {"skipped": None} | found.quality | _counts(clean, texts)
    result = _assemble(clean, texts, found, described)
    tell(_STEPS, _STEPS)
    return result


def _silent(done: int, total: int) -> None: ...


def _counts(clean: pl.DataFrame, texts: Texts) -> dict[str, int]:
    silent = int((texts.of_row < 0).sum())
    return {
        "texts": clean.height - silent,
        "distinct_texts": len(texts),
        "no_text": silent,
    }


def _find(texts: Texts, settings: ClusterSettings, tell: Callable[[int, int], None]) -> _Found:
    first, of_text = same_vectors(texts.vectors)
    vectors = chosen(texts.vectors, first)
    fitted = evenly(len(vectors), settings.fit_texts)
    places = layout(chosen(vectors, fitted), settings.neighbours, settings.seed)
    tell(2, _STEPS)
    groups = group(places, settings)
    tell(3, _STEPS)
    quality = _quality(chosen(vectors, fitted), places, groups)
    places, labels = _spread(vectors, fitted, places, groups.labels)
    found = _Found(labels, strengths(places, replace(groups, labels=labels)), places, quality)
    return found.of(of_text, _by_size(labels[of_text], texts.rows))


def _quality(
    vectors: NDArray[np.float32], places: NDArray[np.float32], groups: Groups
) -> dict[str, Any]:
    some = evenly(len(places), JUDGED)
    small = len(places) < SMALL
    return {
        "method": f"{'main components' if small else 'UMAP on exact neighbours'}, then k-means",
        "topics": len(groups.centres),
        "criterion": groups.criterion,
        "silhouette": silhouette(places[some], groups.labels[some]),
        "silhouette_vectors": silhouette(vectors[some], groups.labels[some], "cosine"),
        "fitted_texts": len(places),
    }


def _spread(
    vectors: NDArray[np.float32],
    fitted: NDArray[np.int64],
    places: NDArray[np.float32],
    topics: NDArray[np.int32],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Coordinates and topics for all vectors from those of the `fitted` ones."""
    if len(fitted) == len(vectors):
        return places, topics
    rest = np.setdiff1d(np.arange(len(vectors)), fitted)
    every = np.empty((len(vectors), 2), np.float32)
    labels = np.empty(len(vectors), np.int32)
    every[fitted], labels[fitted] = places, topics
    every[rest], labels[rest] = place(vectors[rest], vectors[fitted], places, topics)
    return every, labels


def _by_size(topics: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """The same topics, numbered from the one with the most rows; ties by the first text."""
    _, first, places = np.unique(topics, return_index=True, return_inverse=True)
    sizes = np.bincount(places, weights=rows)
    order = np.lexsort((first, -sizes))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[places]


def _assemble(
    clean: pl.DataFrame, texts: Texts, found: _Found | None, summary: dict[str, Any]
) -> Clustering:
    return Clustering(_rows(clean, texts, found), _topics(clean, texts, found), summary)


def _rows(clean: pl.DataFrame, texts: Texts, found: _Found | None) -> pl.DataFrame:
    silent = texts.of_row < 0
    columns: dict[str, Any] = {"row_id": clean["row_id"]}
    if found is None:
        values = {"topic": [NO_TEXT] * clean.height}
        return pl.DataFrame(columns | values | dict.fromkeys(("strength", "x", "y")), _CLUSTERS)
    # Rows without text point at the last text here, and are overwritten at the end.
    columns["topic"] = np.where(silent, NO_TEXT, found.topics[texts.of_row])
    columns["strength"] = found.strengths[texts.of_row]
    columns["x"], columns["y"] = found.places[texts.of_row].T
    place = pl.when(pl.col("topic") != NO_TEXT).then(pl.col("strength", "x", "y"))
    return pl.DataFrame(columns, _CLUSTERS).with_columns(place)


def _topics(clean: pl.DataFrame, texts: Texts, found: _Found | None) -> pl.DataFrame:
    silent = int((texts.of_row < 0).sum())
    records = [] if found is None else _described(clean, texts, found)
    if silent:
        records.append((NO_TEXT, NO_TEXT_NAME, silent, silent / clean.height, [], []))
    return pl.DataFrame(records, _TOPICS, orient="row")


def _described(clean: pl.DataFrame, texts: Texts, found: _Found) -> list[tuple[Any, ...]]:
    count = int(found.topics.max()) + 1
    terms = topic_terms(texts.texts, texts.rows, found.topics, count)
    typical = [_typical(texts, found, topic) for topic in range(count)]
    fallback = [texts.texts[best[0]][:LONGEST_NAME] for best in typical]
    names = topic_names(terms, fallback, taken=[NO_TEXT_NAME])
    sizes = np.bincount(found.topics, weights=texts.rows).astype(int).tolist()
    ids = clean["row_id"]
    return [
        (
            topic,
            names[topic],
            sizes[topic],
            sizes[topic] / clean.height,
            [term.text for term in terms[topic]],
            [ids[int(texts.first[text])] for text in typical[topic]],
        )
        for topic in range(count)
    ]


def _typical(texts: Texts, found: _Found, topic: int) -> list[int]:
    """The texts nearest to the topic's mean vector, of near-copies only the first."""
    members = np.flatnonzero(found.topics == topic)
    own = texts.vectors[members].astype(np.float64)
    closeness = np.round(own @ np.average(own, axis=0, weights=texts.rows[members]), 9)
    best: dict[str, int] = {}
    for text in members[np.argsort(-closeness, kind="stable")].tolist():
        best.setdefault(essence(texts.texts[text]), text)
        if len(best) == TYPICAL:
            break
    return list(best.values())
