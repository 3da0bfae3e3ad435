"""A Prefect server that cannot be reached, said in our words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.server import is_temporary
from tasks.errors import FusemineError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def server_errors(go_on: str = "run again: what is complete is reused") -> Iterator[None]:
    """Turn the errors of a server that is away into one that says what to do.

    Args:
        go_on: What to do once it is back.

    Raises:
        RunError: The server does not answer.
    """
    try:
        yield
    except FusemineError:
        raise
    except Exception as error:
        if not is_away(error):
            raise
        from prefect.settings import get_current_settings

        first = "" if is_temporary() else "start it or unset PREFECT_API_URL, then "
        raise RunError(
            got=f"no answer from the Prefect server at {get_current_settings().api.url}",
            expected="the server that PREFECT_API_URL names, or none set for a temporary one",
            fix=f"{first}{go_on}",
        ) from error


@contextmanager
def shown_if_it_answers() -> Iterator[None]:
    """Do without what the block shows on the server while that is away: the work goes on.

    What is done stands in the artifacts and records below the root, not on the server.
    """
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise


def is_away(error: BaseException) -> bool:
    """Whether an error says that the server does not answer, or cannot answer for now."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    if isinstance(error, RuntimeError):  # what Prefect makes of a first connection that fails
        return "API" in str(error)
    return isinstance(error, httpx.TransportError)
