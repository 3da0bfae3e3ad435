"""A small table, and a real Prefect server for the session."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from served import prefect_home
from support import Table, tickets, write_csv

from flows.server import set_defaults

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
    from flows.server import ensure_server

    ensure_server()
    return os.environ["PREFECT_API_URL"]


@pytest.fixture(scope="session")
def mine(server: str) -> Callable[..., Any]:
    """The main flow."""
    from flows.pipeline import mine

    return mine
