"""What the Prefect server is sent: counts and figures, and no words of rows unless asked for.

Everyone who can open the UI, or read the server's database, reads what is sent there. So artifacts,
logs, states and events hold no text, id or value of a row, and no name of a topic or a class, which
are made of those, unless `report.publish` is `full`.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from prefect import get_run_logger

from fusemine.flows.server.errors import is_unreachable
from fusemine.tasks.core.errors import FusemineError, StageError
from fusemine.tasks.report.settings import ReportSettings
from fusemine.tasks.table.escaping import escape_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.flows.config.pipeline import Loaded

_WITHHOLDS: ContextVar[bool] = ContextVar("withholds", default=True)
_THEIRS = ("prefect", "httpx")
"""Packages whose own errors Prefect must see as they are."""


def publishes_rows(loaded: Loaded) -> bool:
    """Whether the server may be sent words of rows."""
    return loaded.pipeline.section(ReportSettings).publish == "full"


def withholds() -> bool:
    """Whether the words of errors are kept from the server in this run."""
    return _WITHHOLDS.get()


@contextmanager
def withholding(loaded: Loaded) -> Iterator[None]:
    """Within a flow: what is raised in the block tells Prefect no words of a row.

    `FusemineError.told` brings them back for whoever called the flow.
    """
    token = _WITHHOLDS.set(not publishes_rows(loaded))
    try:
        yield
    except Exception as error:
        if not withholds() or _is_theirs(error):
            raise
        raise _ours(error).withheld() from None
    finally:
        _WITHHOLDS.reset(token)


def log_line(text: str, level: int = 20) -> None:
    """Write one line to the log of the flow run, whatever is in it."""
    get_run_logger().log(level, "%s", escape_line(text))


def _is_theirs(error: Exception) -> bool:
    """Whether an error is no failure of the work, or has no words but of files and memory."""
    theirs = type(error).__module__.partition(".")[0] in _THEIRS or is_unreachable(error)
    return theirs or isinstance(error, OSError | MemoryError)


def _ours(error: Exception) -> FusemineError:
    if isinstance(error, FusemineError):
        return error
    failure = StageError(
        got=f"{type(error).__name__}: {str(error)[:200]}",
        expected="a run that ends, or that reports what is wrong with its rows",
        fix="this is a fault in fusemine; FUSEMINE_DEBUG=1 shows where",
    )
    failure.__cause__ = error
    return failure
