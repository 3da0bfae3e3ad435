"""The intervals of shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.stats.intervals import wilson


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_of_a_share_holds_the_share(hits: int, rows: int) -> None:
    hits = min(hits, rows)
    (low,), (high,) = wilson(np.array([hits]), np.array([rows]))
    assert 0 <= low <= high <= 1
    if rows:
        assert low - 1e-9 <= hits / rows <= high + 1e-9
    else:
        assert (low, high) == (0, 1)


def test_the_interval_is_the_one_that_scipy_gives() -> None:
    from scipy.stats import binomtest

    ours = wilson(np.array([3]), np.array([40]))
    theirs = binomtest(3, 40).proportion_ci(method="wilson")
    assert [float(end[0]) for end in ours] == pytest.approx([theirs.low, theirs.high])
