"""Several parts of a table at once, each on a thread of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Part = TypeVar("Part")
Found = TypeVar("Found")


def threads() -> int:
    """How many threads there are to work with."""
    import torch

    return torch.get_num_threads()


def each(work: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """Do the same with each of some parts, whose results come in their order.

    BLAS and OpenMP use one thread for each, as threads that share a product wait for each other,
    and what waits for Python's lock meanwhile is done beside products.
    """
    import torch

    with one_thread():
        if len(parts) == 1:
            return [work(parts[0])]
        before = threads()
        try:
            # The limit of torch and of OpenMP is each thread's own.
            with ThreadPoolExecutor(before, "score", torch.set_num_threads, (1,)) as pool:
                return list(pool.map(work, parts))
        finally:
            torch.set_num_threads(before)
