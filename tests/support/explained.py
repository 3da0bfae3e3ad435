"""Made-up rows and models to explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import BlockName, Rows
from fusemine.tasks.mine.classify.explain.explain import RowExplanation
from fusemine.tasks.mine.classify.explain.importance import Predict
from fusemine.tasks.mine.classify.explain.shapley import ExplainedOutput

WORDS = ["bird", "engine", "wing", "landing", "runway", "none", "gull", "flight"]
BINARY = ExplainedOutput(("no", "yes"), positive=1)
NUMBER = ExplainedOutput()
START = datetime(1996, 5, 1, tzinfo=UTC)


def made(count: int = 120, seed: int = 0, **columns: Any) -> Rows:
    """Rows of texts, two numbers, a category and a time, or with the columns given."""
    random = np.random.default_rng(seed)
    table: dict[str, Any] = {
        "row_id": [f"r{i}" for i in range(count)],
        "event_time": [START + timedelta(days=i) for i in range(count)],
        "text": [" ".join(random.choice(WORDS, 6)) for _ in range(count)],
        "number.height": random.normal(1000, 300, count),
        "number.speed": random.normal(100, 20, count),
        "category.sky": random.choice(["clear", "cloud", "fog"], count).tolist(),
    }
    table = {name: held for name, held in {**table, **columns}.items() if held is not None}
    types: dict[str, Any] = {name: pl.Float64 for name in table if name.startswith("number.")}
    types |= {name: pl.String for name in table if name.startswith("category.")}
    return Rows(pl.DataFrame(table, schema_overrides=types), vectors_of(table["text"]))


def vectors_of(texts: list[str]) -> np.ndarray:
    """Vectors of how often the words come, zero without any."""
    return np.array([[text.split().count(word) for word in WORDS] for text in texts], np.float32)


def model(rows: Rows, label: np.ndarray, *blocks: BlockName) -> Predict:
    """Logistic regression on balanced blocks of these rows."""
    from sklearn.linear_model import LogisticRegression

    names: tuple[BlockName, ...] = blocks or ("terms", "text", "numbers", "categories")
    fitted = fit_blocks(rows, dict.fromkeys(names, 1.0), FuseSettings())
    parts = [block for block, _ in fitted]

    def features(some: Rows) -> np.ndarray:
        found = [block.transform(some) for block in parts]
        return np.hstack([part.toarray() if hasattr(part, "toarray") else part for part in found])

    estimator = LogisticRegression(max_iter=200).fit(features(rows).astype(float), label)
    return lambda some: np.asarray(estimator.predict_proba(features(some).astype(float)))


def weighed(*weights: float) -> Predict:
    """A linear model of the number columns."""
    return lambda rows: rows.numbers @ np.array(weights).reshape(-1, 1)


def counted(predict: Predict) -> tuple[Predict, list[int]]:
    """The model, and how many rows each of its calls was asked for."""
    calls: list[int] = []

    def counting(rows: Rows) -> np.ndarray:
        calls.append(len(rows))
        return predict(rows)

    return counting, calls


def has(rows: Rows, word: str) -> np.ndarray:
    return np.array([word in text.split() for text in rows.texts]).astype(int)


def total(found: RowExplanation) -> float:
    return found.base + found.others + sum(feature.contribution for feature in found.features)


def wide(columns: int, count: int = 60) -> Rows:
    """Rows without text and with so many numbers."""
    random = np.random.default_rng(columns)
    numbers = {f"number.n{i:02}": random.normal(size=count) for i in range(columns)}
    none = dict.fromkeys(["event_time", "number.height", "number.speed", "category.sky"])
    return made(count, text=[""] * count, **none, **numbers)
