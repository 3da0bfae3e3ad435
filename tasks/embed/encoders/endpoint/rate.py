"""How fast requests may be sent to a server: requests and tokens per minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0


@dataclass
class Slot:
    """When a request may be sent.

    Args:
        at: The time on the limiter's clock, in seconds.
        wait: Seconds from when the slot was reserved until then.
        estimated: Its tokens, as estimated before it is sent.
        tokens: Its tokens, as far as they are known.
    """

    at: float
    wait: float
    estimated: int
    tokens: float


class RateLimiter:
    """Spreads requests over time; threads may share one.

    Requests are spread evenly, because servers also refuse a minute's requests that come in one
    second. In no minute are more tokens sent than allowed, as responses have counted them, and
    before that by estimates times how far the earlier ones were off. A request of more tokens
    than that has a minute for itself.

    Args:
        requests: Requests per minute; None for any number.
        tokens: Tokens per minute; None for any number.
        clock: The time in seconds, never going back.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap = MINUTE / requests if requests else 0.0
        self._allowed = inf if tokens is None else tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()
        self._slots: deque[Slot] = deque()
        self._counted = self._estimated = 0

    def reserve(self, estimated: int) -> Slot:
        """The next slot; the caller waits until then.

        Args:
            estimated: Tokens of the request.

        >>> limiter = RateLimiter(requests=60, tokens=None, clock=lambda: 0.0)
        >>> [limiter.reserve(1).wait for _ in range(3)]
        [0.0, 1.0, 2.0]
        """
        with self._lock:
            now = self._clock()
            tokens = self._expected(estimated)
            at = self._with_room(max(now, self._free_at), tokens)
            self._free_at = at + self._gap
            slot = Slot(at, at - now, estimated, tokens)
            self._slots.append(slot)
            return slot

    def record(self, slot: Slot, counted: int) -> None:
        """Take in the tokens that a response has counted; if it has not (0), the estimate stays."""
        if counted <= 0:
            return
        with self._lock:
            slot.tokens = counted
            self._counted += counted
            self._estimated += slot.estimated

    def _expected(self, estimated: int) -> float:
        return estimated * self._counted / self._estimated if self._estimated else estimated

    def _with_room(self, at: float, tokens: float) -> float:
        """The first time from `at` on that ends a minute with room for so many tokens."""
        while self._slots and self._slots[0].at <= at - MINUTE:
            self._slots.popleft()
        used = sum(slot.tokens for slot in self._slots)
        while self._slots and used + tokens > self._allowed:
            oldest = self._slots.popleft()
            used -= oldest.tokens
            at = max(at, oldest.at + MINUTE)
        return at
