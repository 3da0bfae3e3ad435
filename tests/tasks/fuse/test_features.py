"""The features of the unsupervised miners."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from fusemine.tasks.fuse.contracts import FEATURES
from fusemine.tasks.fuse.features import FeatureBlock, features_table, fit_features, table_block
from fusemine.tasks.fuse.settings import FuseSettings

Floats = NDArray[np.float32]


def clean_table(count: int = 50, **columns: Any) -> tuple[pl.DataFrame, Floats]:
    """Rows with texts, two numbers with gaps, a category and a label, and their vectors."""
    random = np.random.default_rng(0)
    made: dict[str, Any] = {
        "row_id": [f"r{i}" for i in range(count)],
        "text": [f"text {i % 7}" for i in range(count)],
        "label": random.choice(["yes", "no"], count).tolist(),
        "number.height": random.normal(size=count),
        "number.speed": [None if i % 5 == 0 else float(i) for i in range(count)],
        "category.sky": random.choice(["clear", "fog"], count).tolist(),
    }
    vectors = random.normal(size=(count, 12)).astype(np.float32)
    return pl.DataFrame({**made, **columns}), vectors


def features(clean: pl.DataFrame, vectors: Floats, **chosen: Any) -> dict[str, FeatureBlock]:
    """Fit features and check what must hold of all of them."""
    blocks = fit_features(clean, vectors, FuseSettings(**chosen))
    for name, block in blocks.items():
        assert block.matrix.dtype == np.float32
        assert block.matrix.shape == (clean.height, len(block.names))
        assert block.matrix.flags.c_contiguous
        assert np.isfinite(block.matrix).all()
        assert all(feature.startswith(f"{name}.") for feature in block.names)
    return blocks


def scatter(block: FeatureBlock) -> float:
    return float(np.square(block.matrix - block.matrix.mean(axis=0)).sum(axis=1).mean())


def test_text_numbers_and_categories_are_dense_blocks_of_equal_spread() -> None:
    found = features(*clean_table())
    assert list(found) == ["text", "numbers", "categories"]
    assert [scatter(block) for block in found.values()] == pytest.approx([1, 1, 1], rel=1e-4)


def test_the_table_holds_the_blocks_and_gives_back_all_but_the_text() -> None:
    clean, vectors = clean_table()
    found = features(clean, vectors)
    table = features_table(clean["row_id"].to_list(), found)
    FEATURES.check(table)
    matrix, names = table_block(table)
    assert names == [
        "numbers.height",
        "numbers.speed",
        "numbers.speed is missing",
        "categories.sky = clear",
        "categories.sky = fog",
        "categories.sky = (rare)",
    ]
    expected = np.hstack([found["numbers"].matrix, found["categories"].matrix])
    np.testing.assert_array_equal(matrix, expected)


def test_weights_change_how_much_a_block_counts() -> None:
    found = features(*clean_table(), weights={"text": 2, "numbers": 0})
    assert list(found) == ["text", "categories"]
    assert scatter(found["text"]) == pytest.approx(4, rel=1e-4)


def test_labels_do_not_matter() -> None:
    clean, vectors = clean_table()
    other = clean.with_columns(label=pl.lit(None, pl.String))
    before, after = features(clean, vectors), features(other, vectors)
    for name, block in before.items():
        assert block.names == after[name].names
        assert block.matrix.tobytes() == after[name].matrix.tobytes()


def test_without_any_text_there_is_no_text_block() -> None:
    clean, vectors = clean_table(text=[""] * 50)
    assert "text" not in features(clean, np.zeros_like(vectors))


def test_a_row_without_text_keeps_a_text_vector_of_zero() -> None:
    clean, vectors = clean_table()
    vectors[3] = 0
    assert not features(clean, vectors)["text"].matrix[3].any()


def test_without_text_and_table_there_are_rows_without_features() -> None:
    clean, vectors = clean_table()
    found = features(clean.select("row_id", "text"), np.zeros_like(vectors))
    assert found == {}
    assert table_block(features_table(clean["row_id"].to_list(), found))[0].shape == (50, 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_very_small_tables_have_features(count: int) -> None:
    assert "categories" in features(*clean_table(count))


def test_columns_without_a_single_value_do_no_harm() -> None:
    empty = pl.Series([None] * 50, dtype=pl.Float64)
    clean, vectors = clean_table(**{"number.speed": empty})
    clean = clean.with_columns(pl.lit(None, pl.String).alias("category.sky"))
    found = features(clean, vectors)
    assert not found["categories"].matrix[:, 0].std()
    assert found["numbers"].names[1:] == ("numbers.speed", "numbers.speed is missing")
