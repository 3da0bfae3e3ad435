"""Errors of a Prefect server that cannot be reached, as messages that say what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fusemine.flows.server.credentials import CLIENT
from fusemine.flows.server.gate import REFUSED
from fusemine.flows.server.home import check_home
from fusemine.flows.server.temporary import is_temporary
from fusemine.tasks.core.errors import FusemineError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS_WITHIN = 5.0
"""Seconds."""


def _check_refused(error: BaseException, go_on: str) -> None:
    """Raise what a client can do whom the server does not let in."""
    import httpx
    from prefect.settings import get_current_settings

    told = error if isinstance(error, httpx.HTTPStatusError) else error.__cause__
    if not isinstance(told, httpx.HTTPStatusError):
        return
    if told.response.status_code not in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return
    url = get_current_settings().api.url
    if told.response.text == REFUSED:
        got, expected = f"{url} is no name of the Prefect server there", "localhost or its address"
        fix = "start the server with `fusemine ui --host-name`"
    else:
        got = f"the Prefect server at {url} does not let this client in"
        expected = "the user and password that it was started with"
        fix = (
            f"set {CLIENT} to them; for `fusemine ui` on this machine the PREFECT_HOME that it "
            "has is enough"
        )
    raise ServerError(got=got, expected=expected, fix=f"{fix}, then {go_on}") from error


@contextmanager
def server_errors(go_on: str = "run again: what is complete is reused") -> Iterator[None]:
    """Turn the errors of a server that is down into one that says what to do.

    Those of fusemine have all of their words again, which the server was not sent.

    Args:
        go_on: What to do once it is back.

    Raises:
        ServerError: It does not answer, or came back with another database.
    """
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import get_current_settings

    try:
        yield
    except FusemineError as error:
        error.told()
        raise
    except ObjectNotFound as error:
        raise ServerError(
            got=f"the Prefect server at {get_current_settings().api.url} does not know this run",
            expected="the database that the run began with",
            fix=f"see PREFECT_HOME and the database of the server, then {go_on}",
        ) from error
    except Exception as error:
        _check_refused(error, go_on)
        if not is_unreachable(error):
            raise
        if is_temporary():
            check_home()  # a full disk is the reason, and not the server
        first = "" if is_temporary() else "start it or unset PREFECT_API_URL, then "
        raise ServerError(
            got=f"no answer from the Prefect server at {get_current_settings().api.url}",
            expected="the server that PREFECT_API_URL names, or none set for a temporary one",
            fix=f"{first}{go_on}",
        ) from error


def shown(show: Callable[[], object]) -> None:
    """Show something on the server if it answers; the results are below the root in any case.

    A ping comes first, because Prefect would try for a minute to reach a server that is down.
    """
    import httpx
    from prefect.settings import get_current_settings

    try:
        url = get_current_settings().api.url
        if url is not None:
            httpx.get(f"{url}/health", timeout=ANSWERS_WITHIN)
        show()
    except Exception as error:
        if not is_unreachable(error):
            raise


def is_unreachable(error: BaseException) -> bool:
    """Whether an error says that the server does not answer, or cannot answer for now."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    if isinstance(error, RuntimeError):  # what Prefect makes of a first connection that fails
        return "API" in str(error)
    return isinstance(error, httpx.TransportError)
