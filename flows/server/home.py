"""The folder of Prefect's database: what keeps a server from working in it."""

from __future__ import annotations

import os
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from fusemine.flows.server.system_errors import ROOM, explained, prefect_home
from fusemine.tasks.core.errors import FusemineError, RunError

if TYPE_CHECKING:
    from pathlib import Path


def check_home() -> None:
    """Refuse a home that cannot be written to, which Prefect itself reports in no sentence.

    Raises:
        FusemineError: There is no right to write in it, no room, or it is no folder.
    """
    home = prefect_home()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("prefect.db", "prefect.db-wal", "prefect.db-shm"):
            with suppress(FileNotFoundError):
                os.close(os.open(home / name, os.O_RDWR))
        _fill(home)
    except OSError as error:
        raise _refused(error) from error


def _fill(home: Path) -> None:
    """Write a file as large as a new database, which is gone at once."""
    try:
        with TemporaryFile(dir=home) as probe:
            probe.write(bytes(ROOM))
            probe.flush()
    except OSError as error:
        error.filename = home  # and not the file's, which nobody knows
        raise


def _refused(error: OSError) -> FusemineError:
    found = explained(error) or RunError(str(error), "a folder", "correct that")
    return type(found)(
        got=f"Prefect cannot work in its home: {found.got}",
        expected=found.expected,
        fix=f"{found.fix}; PREFECT_HOME names another home",
    )
