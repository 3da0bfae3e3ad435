"""How fast a server may be asked: requests and tokens per minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0


@dataclass
class Turn:
    """When a request may be sent.

    Args:
        at: The time on the limiter's clock, in seconds.
        wait: Seconds from when the turn was taken until then.
        estimated: Its tokens, as estimated by whoever asks.
        tokens: Its tokens, as far as they are known.
    """

    at: float
    wait: float
    estimated: int
    tokens: float


class Limiter:
    """Gives out turns; threads may share one.

    Requests are spread evenly, because servers also refuse a minute's requests that come in one
    second. In no minute are more tokens sent than allowed, by what answers have counted, and
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
        self._allowed = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()
        self._turns: deque[Turn] = deque()
        self._counted = self._estimated = 0

    def turn(self, estimated: int) -> Turn:
        """The next turn; the caller waits for it.

        Args:
            estimated: Tokens of the request.
        """
        with self._lock:
            now = self._clock()
            tokens = self._likely(estimated)
            at = max(now, self._free_at)
            if self._allowed is not None:
                at = self._with_room(at, tokens, self._allowed)
            self._free_at = at + self._gap
            turn = Turn(at, at - now, estimated, tokens)
            if self._allowed is not None:
                self._turns.append(turn)
            return turn

    def settle(self, turn: Turn, counted: int) -> None:
        """Take in what an answer has counted; 0 where it has not, and the estimate stays."""
        if counted <= 0:
            return
        with self._lock:
            turn.tokens = counted
            self._counted += counted
            self._estimated += turn.estimated

    def _likely(self, estimated: int) -> float:
        return estimated * self._counted / self._estimated if self._estimated else estimated

    def _with_room(self, at: float, tokens: float, allowed: int) -> float:
        """The first time from `at` on that ends a minute with room for so many tokens."""
        while self._turns and self._turns[0].at <= at - MINUTE:
            self._turns.popleft()
        used = sum(turn.tokens for turn in self._turns)
        while self._turns and used + tokens > allowed:
            oldest = self._turns.popleft()
            used -= oldest.tokens
            at = max(at, oldest.at + MINUTE)
        return at
