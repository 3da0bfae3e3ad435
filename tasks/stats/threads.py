"""Threads: one for what must give the same bytes, and several for items that are independent."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def thread_count() -> int:
    """How many threads there are to work with."""
    import torch

    return torch.get_num_threads()


def map_in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` in the order of the items, as many at a time as torch has threads.

    An item is taken only when there is room for it, so that few of them are in memory. Each is
    worked on by one thread of BLAS and torch, so that results do not depend on their number.

    >>> list(map_in_order(abs, [-2, 1]))
    [2, 1]
    """
    import torch
    from threadpoolctl import threadpool_limits

    several = thread_count()
    waiting: deque[Future[Result]] = deque()
    # BLAS has one limit for all threads, OpenMP and torch have one for each.
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(several, "score", torch.set_num_threads, (1,)) as pool,
    ):
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > several:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
