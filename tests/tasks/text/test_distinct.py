"""The distinct texts of a table and the distinct vectors of texts."""

from __future__ import annotations

import numpy as np

from fusemine.tasks.text.distinct import distinct_vectors


def test_vectors_that_differ_by_noise_are_the_same() -> None:
    vectors = np.array([[1, 0], [1, 1e-6], [0, 1], [1, -0.0]], np.float32)
    first, of_row = distinct_vectors(vectors)
    assert first.tolist() == [0, 2]
    assert of_row.tolist() == [0, 0, 1, 0]
