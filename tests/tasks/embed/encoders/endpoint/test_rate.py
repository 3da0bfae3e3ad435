"""The limiter: when requests may be sent, on a clock that the test moves."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.embed.encoders.endpoint.rate import MINUTE, RateLimiter, Slot


class Clock:
    """A clock that goes on only where a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def slots(limiter: RateLimiter, clock: Clock, tokens: list[int]) -> list[Slot]:
    """The slots of someone who waits for each."""
    taken = []
    for estimated in tokens:
        taken.append(limiter.reserve(estimated))
        clock.now += taken[-1].wait
    return taken


def test_without_limits_nothing_waits() -> None:
    limiter = RateLimiter(None, None)
    assert all(limiter.reserve(10**9).wait == 0 for _ in range(100))


def test_requests_are_spread_evenly_over_a_minute() -> None:
    clock = Clock()
    waits = [slot.wait for slot in slots(RateLimiter(120, None, clock), clock, [1] * 5)]
    assert waits == pytest.approx([0, 0.5, 0.5, 0.5, 0.5])


def test_time_that_has_passed_anyway_is_not_waited_for_again() -> None:
    clock = Clock()
    limiter = RateLimiter(60, None, clock)
    limiter.reserve(1)
    clock.now += 0.75
    assert limiter.reserve(1).wait == pytest.approx(0.25)
    clock.now += 10
    assert limiter.reserve(1).wait == 0


def test_requests_that_come_at_once_are_spread_one_after_the_other() -> None:
    limiter = RateLimiter(60, None, Clock())
    assert [limiter.reserve(1).wait for _ in range(4)] == pytest.approx([0, 1, 2, 3])


@given(tokens=st.lists(st.integers(0, 100), max_size=40))
def test_no_minute_has_more_tokens_than_allowed(tokens: list[int]) -> None:
    clock = Clock()
    taken = slots(RateLimiter(None, 100, clock), clock, tokens)
    for last in taken:
        minute = [slot.tokens for slot in taken if last.at - MINUTE < slot.at <= last.at]
        assert sum(minute) <= 100


def test_a_request_of_more_tokens_than_a_minute_allows_has_one_for_itself() -> None:
    clock = Clock()
    waits = [slot.wait for slot in slots(RateLimiter(None, 100, clock), clock, [10, 500, 10])]
    assert waits == pytest.approx([0, MINUTE, MINUTE])


def test_tokens_count_as_responses_count_them() -> None:
    clock = Clock()
    limiter = RateLimiter(None, 100, clock)
    limiter.record(limiter.reserve(90), 30)
    assert limiter.reserve(60).wait == 0  # 20, by what the first one has shown
    assert limiter.reserve(150).wait == 0  # 50
    assert limiter.reserve(3).wait == MINUTE


def test_a_response_that_does_not_count_leaves_the_estimate() -> None:
    limiter = RateLimiter(None, 100, Clock())
    limiter.record(limiter.reserve(60), 0)
    assert limiter.reserve(41).wait == MINUTE


def test_threads_share_one_limiter() -> None:
    limiter = RateLimiter(60, None, Clock())
    taken: list[Slot] = []

    def take() -> None:
        taken.extend(limiter.reserve(1) for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(slot.at for slot in taken)
    assert all(later - sooner == pytest.approx(1) for sooner, later in pairwise(times))
    assert len(times) == 400
