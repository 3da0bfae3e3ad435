"""Computing on one thread, so that the same input gives the same bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP use one thread: with more, sums change in their last bits.

    It is also faster where other work shares the cores, because threads of OpenMP spin while
    they wait for each other.
    """
    # A limit reaches only libraries that are loaded; this loads SciPy's BLAS and OpenMP.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
