"""The features of the unsupervised miners."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from fusemine.tasks.fuse.features import Features, fit_features
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


def features(clean: pl.DataFrame, vectors: Floats, **chosen: Any) -> Features:
    """Fit features and check what must hold of all of them."""
    result = fit_features(clean, vectors, FuseSettings(**chosen))
    for name, block in result.blocks.items():
        assert block.matrix.dtype == np.float32
        assert block.matrix.shape == (clean.height, len(block.names))
        assert block.matrix.flags.c_contiguous
        assert all(feature.startswith(f"{name}.") for feature in block.names)
    assert result.matrix.shape == (clean.height, len(result.names))
    assert np.isfinite(result.matrix).all()
    return result


def scatter(matrix: Floats) -> float:
    return float(np.square(matrix - matrix.mean(axis=0)).sum(axis=1).mean())


def test_text_numbers_and_categories_are_dense_blocks_of_equal_spread() -> None:
    found = features(*clean_table())
    assert list(found.blocks) == ["text", "numbers", "categories"]
    spreads = [scatter(block.matrix) for block in found.blocks.values()]
    assert spreads == pytest.approx([1, 1, 1], rel=1e-4)


def test_every_feature_is_named_with_its_block() -> None:
    found = features(*clean_table())
    assert found.names[12:] == (
        "numbers.height",
        "numbers.speed",
        "numbers.speed is missing",
        "categories.sky = clear",
        "categories.sky = fog",
        "categories.sky = (rare)",
    )


def test_the_values_before_balancing_can_be_had_back() -> None:
    clean, vectors = clean_table()
    text = features(clean, vectors).blocks["text"]
    np.testing.assert_allclose(text.matrix / text.scale, vectors, rtol=1e-5)


def test_weights_change_how_much_a_block_counts() -> None:
    found = features(*clean_table(), weights={"text": 2, "numbers": 0})
    assert list(found.blocks) == ["text", "categories"]
    assert scatter(found.blocks["text"].matrix) == pytest.approx(4, rel=1e-4)


def test_labels_do_not_matter() -> None:
    clean, vectors = clean_table()
    other = clean.with_columns(label=pl.lit(None, pl.String))
    before, after = features(clean, vectors), features(other, vectors)
    assert before.names == after.names
    assert before.matrix.tobytes() == after.matrix.tobytes()


def test_without_any_text_there_is_no_text_block() -> None:
    clean, vectors = clean_table(text=[""] * 50)
    assert "text" not in features(clean, np.zeros_like(vectors)).blocks


def test_a_row_without_text_keeps_a_text_vector_of_zero() -> None:
    clean, vectors = clean_table()
    vectors[3] = 0
    assert not features(clean, vectors).blocks["text"].matrix[3].any()


def test_without_text_and_table_there_are_rows_without_features() -> None:
    clean, vectors = clean_table()
    found = features(clean.select("row_id", "text"), np.zeros_like(vectors))
    assert found.blocks == {}
    assert found.matrix.shape == (50, 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_very_small_tables_have_features(count: int) -> None:
    found = features(*clean_table(count))
    assert found.rows == count


def test_columns_without_a_single_value_do_no_harm() -> None:
    empty = pl.Series([None] * 50, dtype=pl.Float64)
    clean, vectors = clean_table(**{"number.speed": empty})
    clean = clean.with_columns(pl.lit(None, pl.String).alias("category.sky"))
    found = features(clean, vectors)
    assert not found.blocks["categories"].matrix[:, 0].std()
    assert found.names[13:15] == ("numbers.speed", "numbers.speed is missing")
