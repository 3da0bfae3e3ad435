"""The errors of a server that is away or has lost its memory."""

from __future__ import annotations

import httpx
import pytest
from prefect.exceptions import ObjectNotFound

from fusemine.flows.server.errors import server_errors
from fusemine.tasks.core.errors import ServerError, SourceError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("refused"), "no answer from the Prefect server"),
        (RuntimeError("Failed to reach API at http://127.0.0.1:9/api/"), "no answer"),
        (ObjectNotFound(ValueError("404")), "does not know this run"),
    ],
)
def test_a_server_that_is_no_help_is_an_error_with_a_fix(error: Exception, message: str) -> None:
    with pytest.raises(ServerError, match=message) as caught, server_errors("go on with: x"):
        raise error
    assert "go on with: x" in caught.value.fix


@pytest.mark.parametrize("error", [ValueError("ours"), SourceError("a", "b", "c")])
def test_another_error_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, server_errors():
        raise error
    assert caught.value is error
