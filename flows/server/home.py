"""Prefect's database on this machine: for its owner alone, whoever made it."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o077
"""The umask of servers: what they write is for their owner alone."""
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What the names of SQLite's own files add to that of the database."""


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
