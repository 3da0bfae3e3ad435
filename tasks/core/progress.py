"""Telling whoever listens how far a long computation is.

Pure functions take a plain callable; this module lets tasks find it without passing it through
every call, and does nothing where nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Listener = Callable[[str, int, int, str], None]
"""Called with what is being done, how much is done, how much there is, and a note on it."""

_LISTENERS: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send what happens within the block to one more listener."""
    token = _LISTENERS.set((*_LISTENERS.get(), listener))
    try:
        yield
    finally:
        _LISTENERS.reset(token)


def report(what: str, done: int, total: int, note: str = "") -> None:
    """Tell all listeners."""
    for listener in _LISTENERS.get():
        listener(what, done, total, note)
