"""Text vectors as they are, and along the directions that explain most."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.text_vectors import TextVectors, pls_axes
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.stats.target import Target


def texts(vectors: np.ndarray) -> Rows:
    return Rows(pl.DataFrame({"text": [""] * len(vectors)}), vectors.astype(np.float32))


def cloud(count: int = 80, width: int = 12, seed: int = 0) -> np.ndarray:
    """TextVectors of length 1, spread out most along their last dimension."""
    drawn = np.random.default_rng(seed).normal(size=(count, width)) * np.linspace(0.2, 1, width)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def part(reduce: str, dimensions: int = 4) -> TextVectors:
    return TextVectors(FuseSettings.model_validate({"reduce": reduce, "dimensions": dimensions}))


def test_vectors_are_kept_as_they_are() -> None:
    some = texts(cloud())
    fitted = TextVectors().fit(some)
    np.testing.assert_array_equal(fitted.transform(some), some.vectors)
    assert fitted.get_feature_names_out() == [str(i) for i in range(12)]


def test_the_main_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    some = texts(cloud())
    fitted = part("pca").fit(some)
    assert fitted.get_feature_names_out() == [f"pca {i}" for i in range(4)]
    expected = PCA(4, random_state=0).fit(some.vectors).transform(some.vectors)
    np.testing.assert_allclose(fitted.transform(some), expected, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_directions_of_the_label_are_those_of_scikit_learn(classes: int) -> None:
    from sklearn.cross_decomposition import PLSRegression

    some = texts(cloud(300))
    codes = (some.vectors[:, 0] * 50).astype(np.int64) % classes
    fitted = part("pls", 3).fit(some, Target(codes, classes))
    assert fitted.get_feature_names_out() == [f"pls {i}" for i in range(3)]
    wanted = np.eye(classes)[codes]
    expected = PLSRegression(3, scale=False, tol=1e-12, max_iter=5000).fit(some.vectors, wanted)
    found, theirs = fitted.transform(some), expected.transform(some.vectors)
    for k in range(3):
        assert abs(np.corrcoef(found[:, k], theirs[:, k])[0, 1]) == pytest.approx(1, abs=1e-3)


def test_one_direction_of_the_label_explains_more_of_it_than_the_main_component() -> None:
    vectors = cloud(400)
    label = Target((vectors[:, 0] > 0).astype(np.int64), 2)
    some = texts(vectors)
    placed = {reduce: part(reduce, 1).fit(some, label).transform(some) for reduce in ("pca", "pls")}
    found = {k: abs(np.corrcoef(v[:, 0], label.values)[0, 1]) for k, v in placed.items()}
    assert found["pls"] > 0.5
    assert found["pca"] < 0.2


def test_training_rows_are_placed_without_their_own_label() -> None:
    random = np.random.default_rng(0)
    some = texts(random.normal(size=(300, 100)))
    label = Target(random.integers(0, 2, 300), 2)
    fitted = part("pls", 1)
    honest, seen = fitted.fit_transform(some, label), fitted.transform(some)
    correlations = [abs(np.corrcoef(v[:, 0], label.values)[0, 1]) for v in (honest, seen)]
    assert correlations[0] < 0.2
    assert correlations[1] > 0.5


def test_training_rows_are_placed_as_others_will_be() -> None:
    vectors = cloud(600)
    label = Target((vectors[:, 11] + vectors[:, 5] > 0).astype(np.int64), 2)
    fitted = part("pls", 3)
    placed, others = fitted.fit_transform(texts(vectors), label), fitted.transform(texts(vectors))
    for k in range(3):
        assert np.corrcoef(placed[:, k], others[:, k])[0, 1] > 0.9


def test_numbers_in_any_unit_have_directions() -> None:
    vectors = cloud(100)
    numbers = vectors[:, 0].astype(np.float64)
    small, large = (
        part("pls", 2).fit_transform(texts(vectors), Target(values, 0))
        for values in (numbers * 1e-9, numbers * 1e9 + 1e6)
    )
    np.testing.assert_allclose(small, large, atol=1e-4)


@pytest.mark.parametrize("reduce", ["none", "pca", "pls"])
def test_a_row_without_text_stays_zero_and_does_not_move_the_others(reduce: str) -> None:
    vectors, label = cloud(), Target(np.arange(80) % 2, 2)
    gaps = np.vstack([vectors, np.zeros((40, 12), np.float32)])
    fitted = part(reduce).fit(texts(gaps), Target(np.arange(120) % 2, 2))
    with_gaps = fitted.transform(texts(gaps))
    assert not with_gaps[80:].any()
    assert not fitted.fit_transform(texts(gaps), Target(np.arange(120) % 2, 2))[80:].any()
    without = part(reduce).fit(texts(vectors), label).transform(texts(vectors))
    np.testing.assert_array_equal(with_gaps[:80], without)


@pytest.mark.parametrize("reduce", ["pca", "pls"])
def test_reduced_vectors_lie_around_their_mean(reduce: str) -> None:
    some = texts(cloud())
    found = part(reduce).fit(some, Target(np.arange(80) % 3, 3)).transform(some)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    "target", [None, Target(np.zeros(80, np.int64), 2), Target(np.full(80, 0.1), 0)]
)
def test_without_a_label_that_varies_the_main_components_are_taken(target: Target | None) -> None:
    some = texts(cloud())
    fitted = part("pls")
    found = fitted.fit_transform(some, target)
    assert fitted.get_feature_names_out()[0] == "pca 0"
    np.testing.assert_array_equal(found, part("pca").fit_transform(some))


def test_there_are_no_more_directions_than_the_texts_differ_in() -> None:
    repeated = np.repeat(cloud(3), 20, axis=0)
    label = Target(np.arange(60) % 2, 2)
    found = part("pls", 10).fit_transform(texts(repeated + 0), label)
    assert found.shape[1] <= 2
    assert part("pca", 99).fit(texts(cloud(5))).width == 4


def test_directions_end_where_the_label_is_explained() -> None:
    from scipy.linalg import hadamard

    signs = hadamard(16).astype(np.float32)
    explained = pls_axes(signs[:, 1:9], signs[:, 1:2] + signs[:, 12:13], 8)
    unrelated = pls_axes(signs[:, 1:9], signs[:, 12:13].astype(np.float64), 8)
    assert np.isfinite(explained).all()
    assert np.abs(explained[0, 0]) == pytest.approx(1, rel=1e-5)
    assert np.isfinite(unrelated).all()


@pytest.mark.parametrize("reduce", ["none", "pca", "pls"])
def test_texts_that_are_missing_or_alike_have_no_directions(reduce: str) -> None:
    label = Target(np.arange(6) % 2, 2)
    assert part(reduce).fit_transform(texts(np.zeros((6, 12))), label).shape == (6, 0)
    alike = part(reduce).fit_transform(texts(np.tile(cloud(1), (6, 1))), label)
    assert alike.shape == (6, 12 if reduce == "none" else 0)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9),
    st.integers(1, 6),
    st.sampled_from(["pca", "pls"]),
    st.sampled_from([0, 2, 3]),
    st.integers(0, 99),
)
def test_few_vectors_can_be_reduced(
    count: int, width: int, reduce: str, classes: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (count, width)).astype(np.float32)
    values = random.integers(0, classes or 3, count)
    fitted = part(reduce, 5)
    found = fitted.fit_transform(texts(vectors), Target(values, classes))
    assert found.dtype == np.float32
    assert found.shape == (count, len(fitted.get_feature_names_out()))
    assert np.isfinite(found).all()
    assert np.abs(found).max(initial=0) < 100
    assert fitted.transform(texts(np.ones((2, width)))).shape == (2, fitted.width)
