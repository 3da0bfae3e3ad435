"""Tables with unusual rows, and what must hold of every result on them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fusemine.tasks.fuse.features import fit_features
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.anomalies.contracts import ANOMALIES, BURSTS, REPEATS
from fusemine.tasks.mine.anomalies.ranking import Anomalies, find_anomalies
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings

Floats = NDArray[np.float32]
ROWS = 200
ODD = 77
KINDS = ("deer", "gull", "bat", "dove")


def clean_table(texts: list[str], **columns: Any) -> pl.DataFrame:
    ids = pl.Series([f"r{i}" for i in range(len(texts))], dtype=pl.String)
    has_text = pl.Series([bool(text.strip()) for text in texts], dtype=pl.Boolean)
    table = {"row_id": ids, "text": pl.Series(texts, dtype=pl.String), "has_text": has_text}
    table["partition"] = pl.Series(["all"] * len(texts), dtype=pl.String)
    table["event_time"] = pl.Series([None] * len(texts), dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(table | {k.replace("_", ".", 1): v for k, v in columns.items()})


def cloud(rows: int, width: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def checked(
    clean: pl.DataFrame,
    vectors: Floats,
    table: Floats,
    new: NDArray[np.bool_] | None = None,
    **chosen: Any,
) -> Anomalies:
    """Find anomalies and check what must hold of every result."""
    names = [f"numbers.f{i}" for i in range(table.shape[1])]
    result = find_anomalies(clean, vectors, table, names, AnomaliesSettings(**chosen), new)
    ANOMALIES.check(result.rows.to_arrow())
    REPEATS.check(result.repeats.to_arrow())
    BURSTS.check(result.bursts.to_arrow())
    json.dumps(result.summary, allow_nan=False)
    rows = result.rows
    assert rows["row_id"].to_list() == clean["row_id"].to_list()
    assert sorted(rows["rank"].to_list()) == list(range(1, clean.height + 1))
    explained = rows["reason"].is_not_null()
    assert explained.filter(rows["flagged"]).all()
    assert (explained == (rows["rank"] <= explained.sum())).all()
    assert (explained == rows["near"].is_not_null()).all()
    assert rows["flagged"].sum() == result.summary["flagged"]
    for column in ("score", "p_value", "text_score", "table_score", "match_score", "time_score"):
        assert rows[column].drop_nulls().is_between(0, 1).all()
    first = rows.sort("rank").head(result.summary["flagged"])
    assert first["flagged"].all()
    assert first["score"].is_sorted(descending=True)
    return result


def odd_table() -> tuple[pl.DataFrame, Floats, Floats]:
    """Rows of one kind but for the text of row 77 and the table of row 78."""
    texts = [
        f"bird struck the nose at gate {'abcdefgh'[i % 8] * (i // 8 + 2)}" for i in range(ROWS)
    ]
    vectors, table = cloud(ROWS, 6), cloud(ROWS, 4)
    vectors[:, 0] += 20
    vectors[ODD] = [1, 0, 0, 0, 0, 20]
    table[ODD + 1] = 20
    heights = [100.0 + i for i in range(ROWS)]
    heights[ODD + 1] = 30_000
    return clean_table(texts, number_height=heights), unit(vectors), table


def later(junk: int, rows: int = 40) -> tuple[pl.DataFrame, Floats, Floats, NDArray[np.bool_]]:
    """A table whose last partition has so many rows, the first `junk` of which repeat one text."""
    clean, vectors, table = odd_table()
    places = np.arange(ROWS)
    new, spam = places >= 160, (places >= 160) & (places < 160 + junk)
    texts = [f"buy pills {i}" if spam[i] else text for i, text in enumerate(clean["text"])]
    vectors[spam] = [0, 0, 1, 0, 0, 0]
    parts = pl.Series(np.where(new, "b", "a"))
    clean = clean.with_columns(text=pl.Series(texts), partition=parts)
    kept = 160 + rows
    return clean[:kept], vectors[:kept], table[:kept], new[:kept]


def several(rows: int = 1400) -> tuple[pl.DataFrame, Floats, Floats, NDArray[np.bool_]]:
    """Rows of seven older partitions of a hundred and of newer ones, of four kinds."""
    draw = np.random.default_rng(3)
    kinds = draw.integers(0, 4, rows)
    texts = [f"gate {'abcdefgh'[i % 8] * (i % 9 + 2)}{KINDS[k]}{i}" for i, k in enumerate(kinds)]
    parts = pl.Series([f"{i // 100:02}" for i in range(rows)])
    vectors = draw.normal(size=(rows, 8))
    vectors[:, 0] += 6
    table = np.eye(4, dtype=np.float32)[kinds]
    clean = clean_table(texts, category_kind=[KINDS[k] for k in kinds])
    time = pl.Series([datetime(2024, 1, 1, tzinfo=UTC)] * rows, dtype=pl.Datetime("us", "UTC"))
    new = np.arange(rows) >= rows - 100
    return (
        clean.with_columns(partition=parts, event_time=time),
        unit(vectors.astype(np.float32)),
        table,
        new,
    )


def mixed(
    rows: int = 700, fresh: int = 100
) -> tuple[pl.DataFrame, Floats, Floats, list[str], NDArray[np.bool_]]:
    """Rows of ten partitions with texts, numbers and categories, some of each missing.

    A tenth of the texts comes twice or more, some words are rare, and among the new rows, the last
    ones, a kind swells and a few contradict their text.
    """
    draw = np.random.default_rng(4)
    new = np.arange(rows) >= rows - fresh
    kinds = np.where(new & (draw.random(rows) < 0.6), 1, draw.integers(0, 4, rows))
    sizes = 10.0**kinds * draw.uniform(1, 2, rows)
    letters = ["".join(draw.choice(list("abcdefgh"), 6)) for _ in range(rows)]
    texts = [
        f"struck a {KINDS[k]} at gate {w} of {'the east' if i % 3 else 'a western'} field"
        for i, (k, w) in enumerate(zip(kinds, letters, strict=True))
    ]
    for row in np.flatnonzero(draw.random(rows) < 0.1).tolist():
        texts[row] = "" if row % 4 == 0 else f"NONE {row}" if row % 4 == 1 else texts[row % 50]
    vectors = 0.3 * draw.normal(size=(rows, 8))
    vectors[np.arange(rows), kinds] += 2
    # A text has one vector, and none has none.
    vectors = vectors[[texts.index(text) for text in texts]]
    vectors[[not text for text in texts]] = 0
    swap = new & (draw.random(rows) < 0.1)
    written = np.where(swap, (kinds + 2) % 4, kinds)
    columns = {
        "category_kind": [KINDS[k] if i % 11 else None for i, k in enumerate(written)],
        "category_gate": [letter[0] if i % 90 else f"odd {i}" for i, letter in enumerate(letters)],
        "number_size": [float(s) if i % 13 else None for i, s in enumerate(sizes)],
        "number_count": np.round(draw.gamma(2, 3, rows)),
    }
    clean = clean_table(texts, **columns)
    parts = np.minimum(np.arange(rows) * 9 // (rows - fresh), 8) + new
    time = pl.Series([datetime(2024, 1, 1, tzinfo=UTC)] * rows, dtype=pl.Datetime("us", "UTC"))
    clean = clean.with_columns(partition=pl.Series([f"{i:02}" for i in parts]), event_time=time)
    found = np.nan_to_num(vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)[:, None])
    unified = found.astype(np.float32)
    blocks = fit_features(clean, unified, FuseSettings())
    chosen = [block for name, block in blocks.items() if name != "text"]
    names = [name for block in chosen for name in block.names]
    return clean, unified, np.hstack([block.matrix for block in chosen]), names, new


def spammed(spam: NDArray[np.bool_]) -> tuple[pl.DataFrame, Floats, Floats]:
    """Usual rows and those of one foreign template."""
    rows = len(spam)
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(rows, 16))
    vectors[:, 0] += 6
    vectors[spam] = 0.02 * vectors[spam]
    vectors[spam, 5] += 1
    letters = ["".join(draw.choice(list("abcdefgh"), 7)) for _ in range(rows)]
    texts = [
        f"buy cheap pills here {w} now" if s else w for w, s in zip(letters, spam, strict=True)
    ]
    numbers = draw.normal(size=(rows, 4))
    columns = {f"number_x{i}": numbers[:, i] for i in range(4)}
    return (
        clean_table(texts, **columns),
        unit(vectors.astype(np.float32)),
        numbers.astype(np.float32),
    )
