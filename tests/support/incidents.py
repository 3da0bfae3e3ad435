"""A made-up clean table of incidents, and learning its label as tests want it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify.classify import Classification, classify
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS, PREDICTIONS, PROBABILITY
from fusemine.tasks.mine.classify.settings import ClassifySettings

Floats = NDArray[np.float32]
START = datetime(1995, 1, 1, tzinfo=UTC)
ROWS = 160
WORDS = ["bird", "wing", "runway", "gull", "crew", "light", "tail", "found"]


def incidents(rows: int = ROWS, seed: int = 0, **columns: Any) -> tuple[pl.DataFrame, Floats]:
    """A clean table, one row a day: words and a number each tell half of the label."""
    random = np.random.default_rng(seed)
    harm = random.random(rows) < 0.35
    said = harm & (random.random(rows) < 0.7)
    texts = [" ".join([*random.choice(WORDS, 4), "engine" if s else "nothing"]) for s in said]
    made: dict[str, Any] = {
        "row_id": [f"r{i}" for i in range(rows)],
        "event_time": [START + timedelta(days=i) for i in range(rows)],
        "text": texts,
        "label": ["positive" if h else "negative" for h in harm],
        "duplicate_of": [None] * rows,
        "number.speed": random.normal(size=rows) + 1.5 * harm,
        "number.height": [None if i % 9 == 0 else float(i % 13) for i in range(rows)],
        "category.sky": random.choice(["clear", "fog", "cloud"], rows).tolist(),
    } | columns
    types: dict[str, Any] = {
        "event_time": pl.Datetime("us", "UTC"),
        "label": pl.String,
        "duplicate_of": pl.String,
    }
    clean = pl.DataFrame({k: v for k, v in made.items() if v is not None}, schema_overrides=types)
    counts = [[text.count(word) for word in [*WORDS, "engine"]] for text in made["text"]]
    vectors = np.array(counts, dtype=np.float32).reshape(rows, -1 if rows else 9)
    return clean, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


def classified(
    clean: pl.DataFrame, vectors: Floats, number: bool = False, **chosen: Any
) -> Classification:
    """Classify and check what must hold of every result."""
    quick = {"strategy": "early", "resamples": 20, "explain": 0, "checks": False}
    settings = ClassifySettings(**{**quick, **chosen})
    result = classify(clean, vectors, settings, FuseSettings(), number=number)
    PREDICTIONS.check(result.predictions.to_arrow())
    LABEL_ERRORS.check(result.label_errors.to_arrow())
    json.dumps(result.summary, allow_nan=False)
    if result.summary["skipped"]:
        assert result.predictions.is_empty()
        return result
    found, names = result.predictions, result.summary["classes"]
    assert found["row_id"].to_list() == clean["row_id"].to_list()
    assert found["label"].to_list() == clean["label"].to_list()
    rows = result.summary["rows"]
    counts = dict(found["split"].value_counts().iter_rows())
    assert counts == {split: count for split, count in rows.items() if count}
    assert rows["unlabelled"] == clean["label"].null_count()
    if not number:
        _check_classes(result, found, names)
    return result


def _check_classes(result: Classification, found: pl.DataFrame, names: list[str]) -> None:
    each = found.select(PROBABILITY + name for name in names).to_numpy()
    np.testing.assert_allclose(each.sum(axis=1), 1, atol=1e-6)
    decision = result.summary["decision"] or {"threshold": None, "abstain": None}
    called = [names[k] for k in each.argmax(axis=1)]
    if decision["threshold"] is not None:
        positive = found["probability.positive"] >= decision["threshold"]
        called = ["positive" if p else "negative" for p in positive]
    sure = each.max(axis=1) >= (decision["abstain"] or 0)
    expected = [name if known else None for name, known in zip(called, sure, strict=True)]
    assert found["prediction"].to_list() == expected
    if decision["threshold"] is None:
        assert each.max(axis=1).tolist() == found["probability"].to_list()
    assert np.sum(result.summary["confusion"]["rows"]) == result.summary["rows"]["test"]
