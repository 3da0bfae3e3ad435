"""Progress of long computations, for whoever listens.

Computations take a plain callable. This module connects it to listeners, such as a progress bar or
the Prefect UI, without a parameter in every call, and does nothing where nobody listens.

>>> with listening(lambda what, done, total, note: print(what, done, total, note)):
...     report("embed", 3, 10, "a batch")
embed 3 10 a batch
>>> report("embed", 4, 10)
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
    """Send what is reported within the block to one more listener."""
    token = _LISTENERS.set((*_LISTENERS.get(), listener))
    try:
        yield
    finally:
        _LISTENERS.reset(token)


def report(what: str, done: int, total: int, note: str = "") -> None:
    """Report progress to all listeners.

    Args:
        what: What is being done, such as a stage.
        done: How much of it is done.
        total: How much there is.
        note: More on what is being done.
    """
    for listener in _LISTENERS.get():
        listener(what, done, total, note)
