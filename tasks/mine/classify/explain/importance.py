"""How much a model's score rests on each column: permutation importance.

An index describes what is exchanged between rows, here and for the Shapley values of one row: a
cell (row, player) names the row that this player's columns are taken from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.stats.intervals import json_number
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

Index: TypeAlias = "NDArray[np.int64]"
Predict: TypeAlias = Callable[[Rows], "Floats"]
"""A fitted model: predictions (n, outputs) of n rows."""
Kind: TypeAlias = Literal["text", "category", "number", "time"]

REPEATS = 3
"""How often each column is shuffled."""
BATCH = 16_384
"""Rows predicted at once: a call has a cost of its own, and its features must fit in memory."""
_ROLES: tuple[tuple[str, Kind], ...] = ((CATEGORY, "category"), (NUMBER, "number"))


@dataclass(frozen=True)
class Player:
    """A player of the Shapley game: one column of the table, or all that is text."""

    name: str
    """As the user calls the column; `text` for the texts, `event_time` for the time."""
    kind: Kind
    columns: tuple[str, ...]
    """Names in the clean table; the vectors go with the text."""


def players(rows: Rows) -> list[Player]:
    """The text with its vectors, then each category, each number and the time of the event."""
    names = rows.clean.columns
    texts = tuple(name for name in names if name in ("text", "has_text") or name.startswith(TEXT))
    table = [
        Player(name.removeprefix(prefix), kind, (name,))
        for prefix, kind in _ROLES
        for name in rows.columns(prefix)
    ]
    times = [Player(name, "time", (name,)) for name in names if name == "event_time"]
    return [Player("text", "text", texts), *table, *times]


def first_equal_rows(rows: Rows, whom: Sequence[Player]) -> Index:
    """For each row and player (n, players) the first row that holds the same.

    With such an index no two rows are predicted that are the same in all that a model reads.
    """
    # Equal texts count as the same only if their vectors are the same too.
    _, vectors = np.unique(rows.vectors, axis=0, return_inverse=True)
    table = rows.clean.with_columns(
        pl.Series("vectors", vectors.ravel()), row=pl.int_range(pl.len())
    )
    first = pl.col("row").first()
    found = [table.select(first.over(_columns(player))).to_numpy() for player in whom]
    return np.hstack(found)


def compose_rows(pool: Rows, whom: Sequence[Player], index: Index) -> Rows:
    """New rows, each player's columns taken from the rows of `pool` that the index names.

    Args:
        pool: What is taken from.
        whom: The players, the text first; columns of none of them come along with the text.
        index: Positions in `pool` (n, players).
    """
    taken = [
        pool.clean[name].gather(index[:, place])
        for place, player in enumerate(whom)
        for name in player.columns
    ]
    texts = pool.take(index[:, 0].astype(np.intp))
    return replace(texts, clean=texts.clean.with_columns(taken))


def predict_composed(predict: Predict, pool: Rows, whom: Sequence[Player], index: Index) -> Floats:
    """Predictions (n, outputs) of the rows that `compose_rows` makes, each distinct one once."""
    # Shuffles repeat many combinations, and predicting is what takes time.
    distinct, place = np.unique(index, axis=0, return_inverse=True)
    return predict(compose_rows(pool, whom, distinct))[place.ravel()]


def permutation_importance(
    predict: Predict, rows: Rows, score: Callable[[Floats], float], seed: int = 0
) -> list[dict[str, Any]]:
    """How far the score falls when a part of the rows is shuffled between them.

    Permutation importance (Breiman 2001; model reliance of Fisher, Rudin and Dominici 2019). What
    columns contribute together counts for each of them, or for none if one can stand in for
    another; so the table is shuffled as a whole, too.

    Args:
        predict: The fitted model.
        rows: Held-out rows.
        score: How good predictions of these rows are (higher is better).
        seed: Where the random numbers start.

    Returns:
        `name`, `kind` (also `table`: all but the text), `fall` (the mean, in the unit of the
        score) and `deviation` (the standard deviation) of each part, JSON-ready, the largest fall
        first. The fall of what is the same in all rows is 0; it is null where the score is NaN.
    """
    whom = players(rows)
    parts, same = _parts(whom), first_equal_rows(rows, whom)
    # A column that is the same in all rows cannot matter; it costs no prediction.
    varied = [k for k, (_, own) in enumerate(parts) if np.any(same[:, own] != same[:1, own])]
    falls = np.zeros((len(parts), REPEATS))
    if varied:
        shuffles = _shuffles(same, [parts[k][1] for k in varied], seed)
        scores = [score(found) for found in _predicted(predict, rows, whom, shuffles)]
        falls[varied] = scores[0] - np.array(scores[1:]).reshape(len(varied), REPEATS)
    described = [
        {**part, "fall": json_number(fell.mean()), "deviation": json_number(fell.std())}
        for (part, _), fell in zip(parts, falls, strict=True)
    ]
    return sorted(described, key=lambda part: np.inf if part["fall"] is None else -part["fall"])


def _columns(player: Player) -> list[str]:
    return [*player.columns, *(["vectors"] if player.kind == "text" else [])]


def _parts(whom: Sequence[Player]) -> list[tuple[dict[str, Any], list[int]]]:
    """What is shuffled together: each player by itself, and the whole table."""
    parts = [({"name": one.name, "kind": one.kind}, [k]) for k, one in enumerate(whom)]
    table: list[int] = [k for k, one in enumerate(whom) if one.kind != "text"]
    return [*parts, ({"name": "table", "kind": "table"}, table)] if table else [*parts]


def _shuffles(same: Index, parts: list[list[int]], seed: int) -> Iterator[Index]:
    """The rows as they are, then each part's columns in `REPEATS` other orders."""
    random = np.random.default_rng(seed)
    # All parts are shuffled alike, so that none depends on which others there are.
    orders = [random.permutation(len(same)) for _ in range(REPEATS)]
    yield same
    for places in parts:
        for order in orders:
            index = same.copy()
            index[:, places] = same[order][:, places]
            yield index


def _predicted(
    predict: Predict, rows: Rows, whom: Sequence[Player], shuffles: Iterator[Index]
) -> Iterator[Floats]:
    """Predictions of each shuffle; several go into one call, which scikit-learn does not do."""
    at_once = max(1, BATCH // len(rows))
    while batch := list(islice(shuffles, at_once)):
        found = predict_composed(predict, rows, whom, np.concatenate(batch))
        yield from np.split(found, len(batch))
