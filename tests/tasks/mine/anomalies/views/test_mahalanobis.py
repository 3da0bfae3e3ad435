"""How far rows are from what is usual."""

from __future__ import annotations

import numpy as np
import pytest
from support.odd_rows import cloud
from support.present import present

from fusemine.tasks.mine.anomalies.views.mahalanobis import Covariance


def test_distances_are_those_of_mahalanobis() -> None:
    rows = cloud(500, 3) * np.array([1, 5, 1], np.float32)
    found = present(Covariance.of(rows, 0.0))
    gaps = rows - rows.mean(axis=0)
    expected = [gap @ np.linalg.inv(np.cov(gaps.T, bias=True)) @ gap for gap in gaps[:20]]
    assert found.distances(rows)[:20] == pytest.approx(expected, rel=1e-4)


def test_values_that_do_not_go_together_are_far() -> None:
    line = np.repeat(cloud(300, 1), 2, axis=1) + 0.1 * cloud(300, 2, seed=1)
    found = present(Covariance.of(line, 0.1))
    apart, along = found.distances(np.array([[1, -1], [1, 1]], np.float32))
    assert apart > 3 * along


def test_a_group_of_outliers_does_not_make_itself_typical() -> None:
    rows = cloud(400, 5)
    rows[:40] = 12 + 0.1 * cloud(40, 5)
    pulled, core = map(present, (Covariance.of(rows, 0.1), Covariance.of_core(rows, 0.1)))
    assert core.distances(rows)[:40].min() > 5 * core.distances(rows)[40:].max()
    assert pulled.distances(rows)[:40].min() < 2 * pulled.distances(rows)[40:].max()


@pytest.mark.parametrize("copies", [4, 40, 100])
def test_copies_of_one_outlier_do_not_hide_behind_their_own_direction(copies: int) -> None:
    rows = cloud(1000, 300)
    rows[:copies] *= 0.05
    rows[:copies, 7] += 25
    core = present(Covariance.of_core(rows, 0.1))
    distances = core.distances(rows)
    assert distances[:copies].min() > 1.5 * distances[copies:].max()


def test_a_core_of_nothing_or_of_rows_that_are_the_same_has_no_covariance() -> None:
    assert Covariance.of_core(cloud(0, 3), 0.1) is None
    assert Covariance.of_core(np.ones((9, 3), np.float32), 0.1) is None
