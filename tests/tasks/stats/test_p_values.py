"""p-values of scores, their joining, and what stands out of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.stats.p_values import (
    FittedTail,
    benjamini_hochberg,
    combine_p_values,
    round_significant,
)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
RATE = 0.1
NOISE: dict[str, Draw] = {
    "gaussian": lambda draw, n: np.abs(draw.normal(size=n)),
    "many gaussians": lambda draw, n: draw.chisquare(300, n),
    "heavy tails": lambda draw, n: np.abs(draw.standard_t(3, n)),
    "lognormal": lambda draw, n: np.exp(draw.normal(size=n)),
    "uniform": lambda draw, n: draw.uniform(size=n),
    "few levels": lambda draw, n: draw.integers(0, 4, n).astype(float),
}


def p_values(scores: Floats, known: NDArray[np.bool_] | None = None) -> Floats:
    there = ~np.isnan(scores)
    seen = there if known is None else known & there
    return FittedTail.fit(scores[seen]).p_values(scores, seen)


@pytest.mark.parametrize("kind", NOISE)
def test_of_noise_hardly_anything_stands_out(kind: str) -> None:
    found = [
        benjamini_hochberg(p_values(NOISE[kind](np.random.default_rng(seed), 3000)), RATE).mean()
        for seed in range(10)
    ]
    assert np.mean(found) <= 0.003


@pytest.mark.parametrize("kind", sorted(NOISE.keys() - {"heavy tails"}))
def test_of_noise_no_more_tables_have_a_flag_than_the_stated_share(kind: str) -> None:
    """But for tails that are much heavier than what lies before them suggests."""
    draws = [NOISE[kind](np.random.default_rng(seed), 2000) for seed in range(60)]
    flagged = [benjamini_hochberg(p_values(scores), RATE).any() for scores in draws]
    assert sum(flagged) <= RATE * 60


@pytest.mark.parametrize("share", [0.01, 0.03, 0.05])
@pytest.mark.parametrize(("kind", "far"), [("gaussian", 10.0), ("many gaussians", 550.0)])
def test_planted_outliers_stand_out_with_few_others(kind: str, far: float, share: float) -> None:
    draw = np.random.default_rng(1)
    scores = NOISE[kind](draw, 5000)
    planted = np.arange(5000) < share * 5000
    scores[planted] = far * draw.uniform(0.9, 1.3, planted.sum())
    found = benjamini_hochberg(p_values(scores), RATE)
    assert found[planted].mean() > 0.9
    assert (found & ~planted).sum() <= RATE * found.sum()


def test_p_values_of_noise_are_even() -> None:
    tails = p_values(np.random.default_rng(0).normal(size=5000))
    assert np.quantile(tails, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)


def test_a_new_score_beyond_all_known_ones_is_as_rare_as_their_number_allows() -> None:
    scores = np.append(np.arange(20.0), 100.0)
    assert p_values(scores, np.arange(21) < 20)[-1] == pytest.approx(1 / 21)


def test_new_scores_do_not_change_the_known_ones() -> None:
    scores = np.random.default_rng(0).normal(size=400)
    known = np.arange(400) < 300
    more = scores.copy()
    more[~known] += 1000
    assert (p_values(scores, known)[known] == p_values(more, known)[known]).all()


def test_joined_p_values_follow_the_rarest_view() -> None:
    views = [np.array([1e-6, 0.5, np.nan, 0.2]), np.array([0.9, 0.5, np.nan, np.nan])]
    found = combine_p_values(views)
    assert found[0] == pytest.approx(2e-6, rel=0.01)
    assert found[1] == pytest.approx(0.5)
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(0.2)


def test_benjamini_and_hochberg_let_all_up_to_the_last_crossing_stand() -> None:
    tails = np.array([0.9, 0.001, 0.03, np.nan, 0.035, 0.5])
    # 0.03 alone would be above 2/5 of 0.06; 0.035 is below 3/5 of it and lets both stand.
    assert benjamini_hochberg(tails, 0.06).tolist() == [False, True, True, False, True, False]


scores = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=120)


def test_what_has_no_score_has_no_p_value_beside_a_tail_either() -> None:
    array = np.append(np.random.default_rng(0).normal(size=500), np.nan)
    found = p_values(array)
    assert np.isnan(found[-1])
    assert not np.isnan(found[:-1]).any()


@given(scores)
def test_a_higher_score_is_never_more_probable(values: list[float]) -> None:
    array = np.array(values, float)
    found = p_values(array)
    known = ~np.isnan(array)
    assert (np.isnan(found) == ~known).all()
    assert ((found[known] > 0) & (found[known] <= 1)).all()
    order = np.argsort(array[known], kind="stable")
    assert (np.diff(found[known][order]) <= 0).all()


@given(st.floats(1e-200, 1e200), st.booleans())
def test_significant_digits_are_kept(value: float, negative: bool) -> None:
    signed = -value if negative else value
    assert round_significant(np.array([signed]))[0] == pytest.approx(signed, rel=1e-5)
