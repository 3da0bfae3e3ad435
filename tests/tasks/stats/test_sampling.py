"""Samples of rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.stats.sampling import evenly_spaced


@given(st.integers(0, 1000), st.integers(1, 300))
def test_an_even_sample_is_ordered_and_bounded(size: int, most: int) -> None:
    chosen = evenly_spaced(size, most)
    assert len(chosen) == min(size, most)
    assert (np.diff(chosen) > 0).all()
    assert size == 0 or (chosen[0] == 0 and chosen[-1] < size)
