"""Prefect's home: what keeps a server from working in it, and its database, for its owner alone."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from fusemine.flows.server.system_errors import ROOM, explained, prefect_home
from fusemine.tasks.core.errors import FusemineError, RunError

PRIVATE = 0o077
"""The umask of servers: what they write is for their owner alone."""
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What the names of SQLite's own files add to that of the database."""


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


def database_file() -> Path | None:
    """The SQLite file of servers that this machine starts; None for another database."""
    from prefect.settings import get_current_settings
    from sqlalchemy.engine import make_url

    settings = get_current_settings()
    url = settings.server.database.connection_url
    if url is None:
        return settings.home / "prefect.db"
    made = make_url(url.get_secret_value())
    is_file = made.get_backend_name() == "sqlite" and made.database not in {None, "", ":memory:"}
    return Path(str(made.database)) if is_file else None


def make_private() -> None:
    """Make Prefect's home where there is none, and close a database that others can read.

    The mode of a folder that is there stays: it may hold more than Prefect's files.
    """
    from prefect.settings import get_current_settings

    with suppress(OSError):
        get_current_settings().home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = database_file()
    for path in database_files(database) if database else []:
        with suppress(OSError):  # another user's: its owner decides
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode & ~PRIVATE)


def database_files(database: Path) -> list[Path]:
    """The database and SQLite's files beside it, as far as they are there."""
    return [path for end in _BESIDE if (path := Path(f"{database}{end}")).is_file()]
