"""Asking a server again: after what, and when."""

from __future__ import annotations

import os
import zlib

FIRST_PAUSE = 1.0
LONGEST_BACK_OFF = 60.0


class AgainError(Exception):
    """No answer this time; another attempt may bring one.

    Args:
        came: What came instead.
        fix: What to do if it keeps coming.
        after: Seconds that the server asks to wait; None where it does not.
    """

    def __init__(self, came: str, fix: str, after: float | None = None) -> None:
        super().__init__(came)
        self.came, self.fix, self.after = came, fix, after


def before_next(attempt: int, number: int, failure: AgainError) -> float:
    """Seconds until the next attempt: twice as long each time, and what the server asks for.

    Up to half is taken off, by request and process, so that they do not all come at once.

    Args:
        attempt: How many there have been, from 1 on.
        number: The request's among all.
        failure: What came of the last attempt.
    """
    longest = min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), LONGEST_BACK_OFF)
    share = zlib.crc32(f"{os.getpid()}/{number}/{attempt}".encode()) / 2**32
    return max(longest * (1 - share / 2), failure.after or 0.0)
