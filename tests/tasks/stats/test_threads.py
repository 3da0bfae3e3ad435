"""Several things at a time, in their order, few of them in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from fusemine.tasks.stats.threads import map_in_order


def blas() -> list[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_results_come_in_order_however_long_each_takes() -> None:
    def work(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number * number

    assert list(map_in_order(work, range(20))) == [n * n for n in range(20)]
    assert list(map_in_order(work, [])) == []


def test_few_items_are_taken_ahead_of_what_is_wanted() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    found = map_in_order(str, items())
    assert next(found) == "0"
    assert len(taken) <= torch.get_num_threads() + 1
    found.close()  # type: ignore[attr-defined]


def test_each_item_has_one_thread_and_the_limits_are_as_before_at_the_end() -> None:
    before = (blas(), torch.get_num_threads())
    found = list(map_in_order(lambda _: (blas(), torch.get_num_threads()), range(3)))
    assert all(set(limits) <= {1} and threads == 1 for limits, threads in found)
    assert (blas(), torch.get_num_threads()) == before


@pytest.mark.parametrize("where", ["work", "items"])
def test_an_error_of_the_work_or_the_items_comes_out(where: str) -> None:
    def work(number: int) -> int:
        if where == "work" and number == 2:
            raise ValueError("work")
        return number

    def items() -> Iterator[int]:
        yield from range(3)
        if where == "items":
            raise ValueError("items")

    with pytest.raises(ValueError, match=where):
        list(map_in_order(work, items()))
