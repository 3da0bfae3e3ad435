"""A small table, and a real Prefect server for the session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.modelled import LEARNING, MODELS, MONTHS
from support.served import prefect_home
from support.tickets import Table, tickets, write_csv

from fusemine.flows.server.temporary import set_defaults

set_defaults()  # before anything imports Prefect


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path)
    write_csv(tmp_path / "tickets.csv", tickets(90))
    made.set()
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A temporary Prefect server with a database of its own; the address of its API."""
    home = prefect_home(tmp_path_factory)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ.pop("PREFECT_API_URL", None)
    from fusemine.flows.server.temporary import ensure_server

    ensure_server()
    return os.environ["PREFECT_API_URL"]


@pytest.fixture(scope="session")
def training(server: str) -> Callable[..., Any]:
    """The main flow, whose errors have the words that the server is not sent."""
    from fusemine.flows.pipeline import mine
    from fusemine.flows.server.errors import server_errors

    def run(*arguments: Any, **more: Any) -> Any:
        with server_errors():
            return mine(*arguments, **more)

    return run


@pytest.fixture(scope="session")
def mine(training: Callable[..., Any]) -> Callable[..., Any]:
    """The main flow without a model of its own, for tests of other things: it takes a second."""
    return partial(training, train="never")


@pytest.fixture(scope="session")
def mined(tmp_path_factory: pytest.TempPathFactory, training: Callable[..., Any]) -> Table:
    """Tickets of five months, of which the last three were mined month by month; not to change."""
    made = Table(tmp_path_factory.mktemp("models"))
    write_csv(made.folder / "tickets.csv", tickets(500, months=5))
    made.set(classify=LEARNING, models=MODELS)
    for month in MONTHS:
        training(made.pipeline, month)
    return made


@pytest.fixture
def used(mined: Table, tmp_path: Path) -> Table:
    """A copy of it, to change."""
    shutil.copytree(mined.folder, tmp_path / "copy")
    return Table(tmp_path / "copy")
