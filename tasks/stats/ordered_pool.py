"""Doing the same with one thing after the other, several at a time, in their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Found = TypeVar("Found")


def threads() -> int:
    """How many threads there are to work with."""
    import torch

    return torch.get_num_threads()


def in_order(work: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """What `work` makes of each item, as many at a time as torch has threads.

    An item is taken only when there is room for it, so that few of them are in memory. Each is
    worked on by one thread of BLAS and torch: there results do not depend on how many there are.
    """
    import torch
    from threadpoolctl import threadpool_limits

    several = threads()
    waiting: deque[Future[Found]] = deque()
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
