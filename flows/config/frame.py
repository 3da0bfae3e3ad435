"""A frame, such as a notebook has one, as a table with a pipeline.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from fusemine.flows.config.init import cut, slug
from fusemine.flows.config.pipeline import VERSION
from fusemine.tasks.core.errors import SettingsError, SourceError, nearest
from fusemine.tasks.core.storage.store import replacing
from fusemine.tasks.table.profile import Role, guess_roles
from fusemine.tasks.table.roles import TimeColumn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEADER = "# Written by fusemine.mine, which overwrites it when it is called again.\n"
_LISTS = (Role.CATEGORY, Role.NUMBER)


def as_frame(rows: Any) -> pl.DataFrame:
    """A polars or pandas frame as a polars DataFrame.

    Raises:
        SourceError: It is neither, or has values that no column of one type can hold.
    """
    if isinstance(rows, pl.DataFrame | pl.LazyFrame):
        return rows.lazy().collect()
    try:
        return pl.from_pandas(rows)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:  # pyarrow's are ValueErrors
        raise SourceError(
            got=f"a {type(rows).__name__} that is no table: {str(error)[:200]}",
            expected="a polars or pandas frame whose columns have one type each",
            fix="convert mixed columns to text first",
        ) from error


def write_frame(
    frame: pl.DataFrame, folder: Path, name: str, columns: dict[str, Any], more: dict[str, Any]
) -> Path:
    """Write a frame, and a pipeline.yaml for it, into a folder; the pipeline.yaml.

    Args:
        frame: The rows.
        folder: Where; it is made if need be.
        name: What the table is called.
        columns: Roles of columns, as in a pipeline.yaml; those of the others are guessed.
        more: Other sections of the pipeline.yaml.

    Raises:
        SettingsError: A role names a column that is not there, or the folder holds files of these
            names that somebody else wrote.
    """
    _check(frame, columns)
    path, table = folder / "pipeline.yaml", folder / f"{slug(name)}.parquet"
    ours = path.exists() and path.read_bytes().startswith(HEADER.encode())
    there = [file for file in (path, table) if file.exists()]
    if there and not ours:
        raise SettingsError(
            got=f"{there[0]}, which fusemine.mine did not write",
            expected="an empty folder, or one of an earlier call",
            fix="name another folder; what a pipeline.yaml describes is mined with fusemine.load",
        )
    roles = {**_guessed(frame, columns), **columns}
    values = {
        "version": VERSION,
        "name": slug(name),
        "source": {"path": table.name},
        "columns": roles,
        **more,
        "partition": _partition(frame, roles.get("time"), more.get("partition", {})),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(table) as draft:
        frame.write_parquet(draft)
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    with replacing(path) as draft:
        draft.write_text(HEADER + text, encoding="utf-8")
    return path


def _check(frame: pl.DataFrame, columns: dict[str, Any]) -> None:
    for role, given in columns.items():
        for name in _named(given):
            if name not in frame.columns:
                raise SettingsError(
                    got=f"{role} names column {name!r}, which the frame has not",
                    expected=f"one of {', '.join(frame.columns[:30])}",
                    fix=f"{nearest(name, frame.columns)}correct {role}",
                )


def _named(given: Any) -> Iterable[str]:
    """The columns that a role names, however it is written."""
    if isinstance(given, dict):
        return [str(given["column"])] if "column" in given else []
    return [given] if isinstance(given, str) else list(given or ())


def _guessed(frame: pl.DataFrame, columns: dict[str, Any]) -> dict[str, Any]:
    """Roles of the columns that have none: one time, categories and numbers."""
    taken = {name for given in columns.values() for name in _named(given)}
    rest = frame.select(name for name in frame.columns if name not in taken)
    guesses = guess_roles(rest, label=False)
    roles: dict[str, Any] = {}
    for guess in guesses:
        if guess.role in _LISTS and guess.role not in columns:
            roles.setdefault(str(guess.role), []).append(guess.column)
        elif guess.role in {Role.ID, Role.TIME} and guess.role not in columns:
            formats = {"column": guess.column, "formats": list(guess.formats)}
            roles[str(guess.role)] = formats if guess.formats else guess.column
    return roles


def _partition(frame: pl.DataFrame, time: Any, given: dict[str, Any]) -> dict[str, Any]:
    if time is None or "by" in given:
        return given
    column = {"column": time} if isinstance(time, str) else time
    by, _ = cut(frame, TimeColumn.model_validate(column))
    return {**given, "by": str(by)}
