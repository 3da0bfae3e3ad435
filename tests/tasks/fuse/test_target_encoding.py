"""Target encoding: what the label is on average for each level of a category."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from support.frames import levels

from fusemine.tasks.fuse.target_encoding import SMOOTH, TargetEncoding
from fusemine.tasks.stats.target import Target


def classes(values: Any, count: int = 2) -> Target:
    return Target(np.asarray(values, dtype=np.int64), count)


def test_the_rate_of_a_level_is_its_share_drawn_towards_that_of_all_rows() -> None:
    some = levels(k=["a"] * 20 + ["b"] * 20 + ["c"] * 60)
    part = TargetEncoding().fit(some, classes([1] * 20 + [0] * 80))
    assert part.get_feature_names_out() == ["k"]
    rates = part.transform(levels(k=["a", "b", "never seen"]))[:, 0]
    a, b = ((hits + SMOOTH * 0.2) / (20 + SMOOTH) for hits in (20, 0))
    assert rates.tolist() == pytest.approx([a, b, 0.2], rel=1e-6)


def test_null_is_a_level_of_its_own_and_an_unseen_null_has_the_average() -> None:
    some = levels(k=[None] * 20 + ["b"] * 20 + ["c"] * 20, full=["x", "y", "z"] * 20)
    part = TargetEncoding().fit(some, classes([1] * 20 + [0] * 40))
    k, full = part.transform(levels(k=[None, "b"], full=[None, None])).T
    assert k[0] > 0.7
    assert k[1] < 0.2
    assert full.tolist() == pytest.approx([1 / 3] * 2, rel=1e-6)


def test_rows_never_see_their_own_label() -> None:
    random = np.random.default_rng(0)
    some = levels(k=[f"level {i}" for i in random.integers(0, 700, 2000)])
    label = classes(random.integers(0, 2, 2000))
    part = TargetEncoding()
    honest = part.fit_transform(some, label)[:, 0]
    seen = part.transform(some)[:, 0]
    assert roc_auc_score(label.values, seen) > 0.75
    assert roc_auc_score(label.values, honest) < 0.55


@pytest.mark.parametrize("values", [np.arange(300) % 2, np.arange(300) % 50 == 0])
def test_levels_of_a_single_row_show_nothing_of_its_label(values: np.ndarray) -> None:
    some = levels(k=[f"row {i}" for i in range(300)])
    rates = TargetEncoding().fit_transform(some, classes(values))[:, 0]
    np.testing.assert_allclose(rates, values.mean(), atol=1 / 200)


def test_each_of_several_classes_has_a_rate_seen_or_not() -> None:
    some = levels(k=["a", "b", "c"] * 20, other=["x", "y", "z", "w"] * 15)
    part = TargetEncoding().fit(some, classes([0, 1, 3] * 20, 4))
    assert part.get_feature_names_out() == [
        f"{name} (class {code})" for code in range(4) for name in ("k", "other")
    ]
    rates = part.transform(some)
    np.testing.assert_allclose(rates[:, ::2].sum(axis=1), 1, rtol=1e-5)
    assert not rates[:, 4:6].any()
    assert rates[0, ::2].argmax() == 0
    assert rates[2, ::2].argmax() == 3


def test_rates_of_numbers_of_any_size_are_in_standard_deviations() -> None:
    some = levels(k=["low", "mid", "high"] * 40)
    numbers = np.tile([-1.0, 0.0, 1.0], 40)
    small, large = (
        TargetEncoding().fit(some, Target(values, 0)).transform(some)[:3, 0]
        for values in (numbers * 1e-6, numbers * 1e6 + 1e9)
    )
    assert small.tolist() == pytest.approx([-0.98, 0, 0.98], abs=1e-2)
    np.testing.assert_allclose(small, large, atol=1e-4)


@pytest.mark.parametrize(
    "target",
    [None, classes([0] * 12), classes(np.arange(12) % 11, 11), Target(np.full(12, 7.5), 0)],
    ids=["no target", "one class", "too many classes", "constant numbers"],
)
def test_there_are_no_rates_where_there_is_nothing_to_learn(target: Target | None) -> None:
    some = levels(k=["a", "b", "c", "d"] * 3)
    part = TargetEncoding()
    assert part.fit_transform(some, target).shape == (12, 0)
    assert part.get_feature_names_out() == []


def test_a_category_of_two_levels_has_no_rate() -> None:
    some = levels(two=["a", "b"] * 6, three=["a", "b", None] * 4)
    part = TargetEncoding().fit(some, classes(np.arange(12) % 2))
    assert part.get_feature_names_out() == ["three"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", "", " ", "(missing)", None]), st.integers(0, 2)),
        max_size=15,
    ),
    st.sampled_from([0, 2, 3]),
)
def test_rates_lie_between_the_labels(rows: list[tuple[str | None, int]], count: int) -> None:
    some = levels(k=[level for level, _ in rows])
    values = np.array([value % (count or 3) for _, value in rows], dtype=np.int64)
    target = Target(values.astype(float) if count == 0 else values, count)
    part = TargetEncoding()
    honest = part.fit_transform(some, target)
    later = part.transform(levels(k=["a", "new", None]))
    for rates in (honest, later):
        assert rates.dtype == np.float32
        assert np.isfinite(rates).all()
        assert rates.shape[1] == len(part.get_feature_names_out())
        assert count == 0 or ((rates >= 0) & (rates <= 1)).all()
