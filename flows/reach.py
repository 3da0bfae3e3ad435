"""A Prefect server that cannot be reached, said in our words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    import httpx

    try:
        yield
    except FusemineError:
        raise
    except (httpx.TransportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "API" not in str(error):
            raise
        from prefect.settings import get_current_settings

        raise RunError(
            got=f"no answer from the Prefect server at {get_current_settings().api.url}",
            expected="the server that PREFECT_API_URL names, or none set for a temporary one",
            fix=f"start it or unset PREFECT_API_URL, then {go_on}",
        ) from error
