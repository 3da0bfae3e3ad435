"""The limiter: when requests may be sent, on a clock that the test moves."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.embed.encoders.endpoint.rate import MINUTE, Limiter, Turn


class Clock:
    """A clock that goes on only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(limiter: Limiter, clock: Clock, tokens: list[int]) -> list[Turn]:
    """The turns of someone who waits for each."""
    taken = []
    for estimated in tokens:
        taken.append(limiter.turn(estimated))
        clock.now += taken[-1].wait
    return taken


def test_without_limits_nothing_waits() -> None:
    limiter = Limiter(None, None)
    assert all(limiter.turn(10**9).wait == 0 for _ in range(100))


def test_requests_are_spread_evenly_over_a_minute() -> None:
    clock = Clock()
    waits = [turn.wait for turn in turns(Limiter(120, None, clock), clock, [1] * 5)]
    assert waits == pytest.approx([0, 0.5, 0.5, 0.5, 0.5])


def test_time_that_has_passed_anyway_is_not_waited_for_again() -> None:
    clock = Clock()
    limiter = Limiter(60, None, clock)
    limiter.turn(1)
    clock.now += 0.75
    assert limiter.turn(1).wait == pytest.approx(0.25)
    clock.now += 10
    assert limiter.turn(1).wait == 0


def test_whoever_asks_before_the_others_have_waited_comes_after_them() -> None:
    limiter = Limiter(60, None, Clock())
    assert [limiter.turn(1).wait for _ in range(4)] == pytest.approx([0, 1, 2, 3])


@given(tokens=st.lists(st.integers(0, 100), max_size=40))
def test_no_minute_has_more_tokens_than_allowed(tokens: list[int]) -> None:
    clock = Clock()
    taken = turns(Limiter(None, 100, clock), clock, tokens)
    for last in taken:
        minute = [turn.tokens for turn in taken if last.at - MINUTE < turn.at <= last.at]
        assert sum(minute) <= 100


def test_a_request_of_more_tokens_than_a_minute_allows_has_one_for_itself() -> None:
    clock = Clock()
    waits = [turn.wait for turn in turns(Limiter(None, 100, clock), clock, [10, 500, 10])]
    assert waits == pytest.approx([0, MINUTE, MINUTE])


def test_tokens_count_as_answers_count_them() -> None:
    clock = Clock()
    limiter = Limiter(None, 100, clock)
    limiter.settle(limiter.turn(90), 30)
    assert limiter.turn(60).wait == 0  # 20, by what the first one has shown
    assert limiter.turn(150).wait == 0  # 50
    assert limiter.turn(3).wait == MINUTE


def test_an_answer_that_does_not_count_leaves_the_estimate() -> None:
    limiter = Limiter(None, 100, Clock())
    limiter.settle(limiter.turn(60), 0)
    assert limiter.turn(41).wait == MINUTE


def test_threads_share_one_limiter() -> None:
    limiter = Limiter(60, None, Clock())
    taken: list[Turn] = []

    def take() -> None:
        taken.extend(limiter.turn(1) for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(turn.at for turn in taken)
    assert all(later - sooner == pytest.approx(1) for sooner, later in pairwise(times))
    assert len(times) == 400
