"""The number columns as normal scores, as robust distances and as waves."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import rows_of

from fusemine.tasks.fuse.numbers import PERIODS, NumberScaler
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows

Scaling = Literal["quantile", "robust", "periodic"]
SCALINGS: list[Scaling] = ["quantile", "robust", "periodic"]
HUGE = float(np.finfo(np.float64).max)


def numbers(**columns: list[float | None]) -> Rows:
    return rows_of({f"number.{name}": column for name, column in columns.items()})


def fit(rows: Rows, scaling: Scaling) -> NumberScaler:
    return NumberScaler(FuseSettings(scaling=scaling)).fit(rows)


def test_a_number_becomes_its_normal_score_and_a_missing_one_the_median() -> None:
    some = numbers(x=[1.0, 10.0, 1000.0, None])
    part = NumberScaler().fit(some)
    assert part.get_feature_names_out() == ["x", "x is missing"]
    scores, missing = part.transform(some).T
    assert scores.tolist() == pytest.approx([-0.967, 0, 0.967, 0], abs=1e-3)
    assert missing.tolist() == [0, 0, 0, 1]


def test_normal_scores_are_the_default() -> None:
    some = numbers(x=[3.0, None, 1.0, 1.0])
    by_name = fit(some, "quantile").transform(some)
    assert NumberScaler().fit_transform(some).tobytes() == by_name.tobytes()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_numbers_that_are_not_finite_count_as_missing(scaling: Scaling) -> None:
    some = numbers(x=[1.0, 2.0, float("inf"), float("nan"), -float("inf")])
    assert fit(some, scaling).transform(some)[:, -1].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_column_without_any_number_is_constant(scaling: Scaling) -> None:
    part = fit(numbers(x=[None, None], y=[1.0, 2.0]), scaling)
    names = part.get_feature_names_out()
    assert names[-1] == "x is missing"
    assert len({name for name in names if name.startswith("y")}) == len(names) // 2
    seen = part.transform(numbers(x=[None], y=[1.5]))
    later = part.transform(numbers(x=[5.0], y=[None]))
    np.testing.assert_array_equal(later[0, :-1], seen[0, :-1])


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_scores_keep_the_order_of_the_numbers(values: list[float]) -> None:
    some = numbers(x=list(values))
    scores = NumberScaler().fit(some).transform(some)[:, 0]
    assert np.isfinite(scores).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(scores[order]) >= 0).all()
    assert len(set(scores.tolist())) == len(set(values))


def test_scores_of_new_numbers_do_not_leave_the_range_seen() -> None:
    part = NumberScaler().fit(numbers(x=[1.0, 2.0, 3.0]))
    low, high = part.transform(numbers(x=[-1e9, 1e9]))[:, 0]
    assert (low, high) == pytest.approx((-0.967, 0.967), abs=1e-3)


def test_robust_distances_are_in_interquartile_ranges_and_end_at_ten() -> None:
    part = fit(numbers(x=[0.0, 1.0, 2.0, 3.0, 4.0]), "robust")
    new = numbers(x=[2.0, 4.0, -2.0, 1e12, -1e12, None])
    assert part.transform(new)[:, 0].tolist() == [0, 1, -2, 10, -10, 0]


def test_an_outlier_does_not_move_the_robust_distances_of_the_others() -> None:
    with_outlier = numbers(x=[0.0, 1.0, 2.0, 3.0, 1e9])
    part = fit(with_outlier, "robust")
    assert part.transform(with_outlier)[:, 0].tolist() == [-1, -0.5, 0, 0.5, 10]


def test_where_most_numbers_are_alike_the_distinct_ones_give_the_unit() -> None:
    some = numbers(x=[0.0] * 90 + [1.0, 2.0, 3.0, 4.0])
    assert fit(some, "robust").transform(some)[-4:, 0].tolist() == [0.5, 1, 1.5, 2]


def test_a_constant_column_has_no_distances_not_even_of_new_numbers() -> None:
    part = fit(numbers(x=[7.0] * 5), "robust")
    assert part.transform(numbers(x=[7.0, 8.0, HUGE])).tolist() == [[0], [0], [0]]


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_robust_distances_of_any_numbers_are_finite_and_in_order(
    values: list[float | None],
) -> None:
    some = numbers(x=values)
    distances = fit(some, "robust").transform(
        numbers(x=[-HUGE, *sorted(v for v in values if v is not None), HUGE])
    )
    assert np.isfinite(distances).all()
    assert (np.diff(distances[:, 0]) >= 0).all()
    assert np.abs(distances[:, 0]).max() <= 10


def test_waves_are_points_on_circles_and_the_longest_separates_low_from_high() -> None:
    some = numbers(x=[float(i) ** 3 for i in range(200)], y=[None] * 200)
    part = fit(some, "periodic")
    names = part.get_feature_names_out()
    assert names[:4] == ["x sin 16", "x cos 16", "x sin 8", "x cos 8"]
    waves = part.transform(some)
    for k in range(len(PERIODS)):
        np.testing.assert_allclose(np.square(waves[:, 2 * k : 2 * k + 2]).sum(axis=1), 1, rtol=1e-5)
    assert (np.diff(waves[:, names.index("x sin 16")]) > 0).all()


def test_waves_let_a_linear_learner_follow_a_curve() -> None:
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(0)
    some = numbers(x=random.normal(size=300).tolist())
    bent = np.abs(some.numbers[:, 0])
    fits = {
        scaling: LinearRegression().fit(found, bent).score(found, bent)
        for scaling in SCALINGS
        for found in [fit(some, scaling).transform(some)]
    }
    assert fits["quantile"] < 0.1
    assert fits["periodic"] > 0.95


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_very_few_numbers_have_features(scaling: Scaling, count: int) -> None:
    some = numbers(x=[float(i) for i in range(count)])
    part = fit(some, scaling)
    assert part.transform(some).shape == (count, len(part.get_feature_names_out()))
    assert np.isfinite(part.transform(numbers(x=[3.0, None]))).all()
